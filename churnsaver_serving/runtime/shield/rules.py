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
        ban: break it.
        allow: harmless wider phrases; a banned phrase wholly inside one doesn't count.
    """

    ban: tuple[str, ...]
    allow: tuple[str, ...] = ()


class Limits(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Sizes.

    Attributes:
        body_characters: least and most.
        body_sentences: least and most.
        message_tokens: most, by `token_bound`.
        field_characters: most.
        ngram: words in a row that a body may not repeat.
        read_characters: of a longer text only so many are looked at, and it is never passed.
    """

    body_characters: tuple[Positive, Positive]
    body_sentences: tuple[Positive, Positive]
    message_tokens: Positive
    field_characters: Positive
    ngram: Positive
    read_characters: Positive


class NameRules(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Words, in lower case.

    Attributes:
        capitalised: may have a capital letter inside a sentence.
        people: first names that are no English words; not written in any case.
    """

    capitalised: frozenset[str]
    people: frozenset[str]


class LanguageRules(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What English text looks like.

    Attributes:
        function_words: everyday words, in lower case.
        least_function_share: of all words.
        least_letter_share: of letters, spaces and common punctuation in all characters.
        most_unlike_share: of words that can't be pronounced, in all words.
    """

    function_words: frozenset[str]
    least_function_share: Share
    least_letter_share: Share
    most_unlike_share: Share


class ShieldRules(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All rules.

    Attributes:
        version: of the file, for people; the hash of its bytes is what counts.
        limits: sizes.
        names: whose names and capitals may be written.
        language: what English text looks like.
        about: phrases of which a body needs one, to be on topic.
        number_words: written-out numbers from two.
        number_units: what makes such a number a claim ("five years").
        one_units: what makes "one" a claim.
        phrases: by rule; `rule/service` and `rule/standing` count for such customers only.
        field_allow: words that are names too, and pass in a profile field.
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
    """The packaged rules' bytes."""
    folder = resources.files("churnsaver_serving.runtime.shield") / "files"
    return (folder / "rules.json").read_bytes()
