"""One text made ready for all checks, once."""

import re
from dataclasses import dataclass

from churnsaver_serving.runtime.shield.normalise import disguises, plain, words_of
from churnsaver_serving.runtime.shield.phrases import Phrasebook

_MASKED = re.compile(r"(?<![^\s\"'(])(?=\S{0,15}[*#%&])[a-z][a-z*#%&]{2,15}(?![^\s\"').,!?])")
_SENTENCE_END = re.compile(r"(?<=[.!?])[\"')\]]*\s+")


@dataclass(frozen=True, slots=True)
class Reading:
    """A text in the forms that the checks need.

    Attributes:
        raw: The text as given, cut off where too long.
        plain: The text with look-alikes and invisible characters undone; case kept.
        lower: `plain` in lower case.
        words: Words of `lower`, with marks for sentence ends.
        phrases: The first banned phrase of each rule, as found.
    """

    raw: str
    plain: str
    lower: str
    words: list[str]
    phrases: dict[str, str]

    @property
    def sentences(self) -> list[str]:
        """Return the sentences, trimmed."""
        return [part for part in _SENTENCE_END.split(self.raw.strip()) if part]


def read(text: str, book: Phrasebook) -> Reading:
    """Prepare a text.

    Args:
        text: A text at most as long as the rules' `read_characters`.
        book: Phrases of the rules.
    """
    flat = plain(text)
    lower = flat.casefold()
    words = words_of(lower)
    phrases = {rule: " ".join(words[hit.start : hit.end]) for rule, hit in book.find(words).items()}
    for other in dict.fromkeys(disguises(lower)):
        changed = words_of(other)
        if changed != words:
            for rule, hit in book.find(changed).items():
                phrases.setdefault(rule, " ".join(changed[hit.start : hit.end]))
    for word in _MASKED.findall(lower):
        if book.masked("profanity", word):
            phrases.setdefault("profanity", word)
    return Reading(text, flat, lower, words, phrases)
