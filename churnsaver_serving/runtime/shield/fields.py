"""Profile fields that go into a message: names of people in any script, and nothing else."""

import re
import unicodedata

from churnsaver_serving.runtime.shield.normalise import disguises, plain, words_of
from churnsaver_serving.runtime.shield.phrases import Phrasebook
from churnsaver_serving.runtime.shield.rules import ShieldRules

_MARKS = frozenset(" -'\u2019.\u2018\u02bb\u02bc\u00b7")
_BANNED = ("profanity", "threat", "urgency", "promise", "discount", "injection", "link", "topic")
_ROLES = re.compile(r"\b(?:system|assistant|prompt|inst|null|undefined|admin|script)\b")


def _character(value: str) -> str | None:
    for char in value:
        if char in _MARKS:
            continue
        if unicodedata.category(char)[0] not in "LM":
            return f"U+{ord(char):04X}"
    return None


def _marks_run(value: str) -> str | None:
    """Find marks piled up on a letter, or punctuation in a row."""
    run = 0
    for char in value:
        run = run + 1 if unicodedata.category(char) in {"Mn", "Me"} else 0
        if run > 3:  # noqa: PLR2004 - Vietnamese and Indic names stay under it
            return f"U+{ord(char):04X}"
    match = re.search(r"[-'\u2019.\u00b7]{2,}| {2,}|^[ .'\u2019-]|[ -]$", value)
    return match[0] if match else None


def field_fault(value: str, rules: ShieldRules, book: Phrasebook) -> str | None:
    """Return what keeps a value out of a message; None where nothing does.

    Args:
        value: The field's value as stored.
        rules: All rules of the shield.
        book: Phrases of the rules.
    """
    if not 1 <= len(value) <= rules.limits.field_characters:
        return f"{len(value)} characters"
    if not any(char.isalpha() for char in value):
        return value
    fault = _character(value) or _marks_run(value)
    if fault is not None:
        return fault
    lower = plain(value).casefold()
    match = _ROLES.search(lower)
    if match or re.search(r"\w\.\w{2,}", lower):
        return match[0] if match else value
    for text in (lower, *dict.fromkeys(disguises(lower))):
        words = words_of(text)
        for rule, hit in book.find(words).items():
            found = words[hit.start : hit.end]
            if rule in _BANNED and not rules.field_allow.issuperset(found):
                return " ".join(found)
    return None
