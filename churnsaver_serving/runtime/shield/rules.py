"""The shield's rules as data, read from one versioned file."""

from importlib import resources
from typing import Annotated

import msgspec
from msgspec import Meta

RULES_FILE = "shield/rules.json"

Share = Annotated[float, Meta(ge=0, le=1)]
Positive = Annotated[int, Meta(ge=1)]


class PhraseRule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Phrases that break a rule, in the notation of `phrases.py`.

    Attributes:
        ban: Phrases that break it.
        allow: Harmless wider phrases; a banned phrase wholly inside one doesn't count.
    """

    ban: tuple[str, ...]
    allow: tuple[str, ...] = ()


class Limits(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Bounds on the sizes of texts.

    Attributes:
        body_characters: Least and largest number of characters of a body.
        body_sentences: Least and largest number of sentences of a body.
        message_tokens: Largest number of tokens of a message, by `token_bound`.
        field_characters: Largest number of characters of a profile field.
        ngram: Number of words in a row that a body may not repeat.
        read_characters: Characters that are looked at; a longer text is never passed.
    """

    body_characters: tuple[Positive, Positive]
    body_sentences: tuple[Positive, Positive]
    message_tokens: Positive
    field_characters: Positive
    ngram: Positive
    read_characters: Positive


class NameRules(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Words that count as names, and capitals that don't, in lower case.

    Attributes:
        capitalised: Words that may have a capital letter inside a sentence.
        people: First names that are no English words; not written in any case.
    """

    capitalised: frozenset[str]
    people: frozenset[str]


class LanguageRules(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Measures by which a text counts as English.

    Attributes:
        function_words: Everyday words, in lower case.
        least_function_share: Least share of function words in all words.
        least_letter_share: Least share of letters, spaces and common punctuation in all characters.
        most_unlike_share: Largest share of words that can't be pronounced in all words.
    """

    function_words: frozenset[str]
    least_function_share: Share
    least_letter_share: Share
    most_unlike_share: Share


class ShieldRules(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All rules.

    Attributes:
        version: Version of the file, for people; the hash of its bytes is what counts.
        limits: Bounds on sizes.
        names: Names and capitals that may be written.
        language: Measures by which a text counts as English.
        about: Phrases of which a body needs one, to be on topic.
        number_words: Written-out numbers from two.
        number_units: Units that make such a number a claim ("five years").
        one_units: Units that make "one" a claim.
        phrases: Phrases by rule; `rule/service` and `rule/standing` count for such customers only.
        field_allow: Words that are names too, and pass in a profile field.
    """

    version: str
    limits: Limits
    names: NameRules
    language: LanguageRules
    about: tuple[str, ...]
    number_words: tuple[str, ...]
    number_units: tuple[str, ...]
    one_units: tuple[str, ...]
    phrases: dict[str, PhraseRule]
    field_allow: frozenset[str]


def default_rules() -> bytes:
    """Return the packaged rules' bytes."""
    folder = resources.files("churnsaver_serving.runtime.shield") / "files"
    return (folder / "rules.json").read_bytes()
