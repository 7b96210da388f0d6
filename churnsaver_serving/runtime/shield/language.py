"""Plain English in plain characters."""

import re
import unicodedata

from churnsaver_serving.runtime.shield.normalise import END
from churnsaver_serving.runtime.shield.reading import Reading
from churnsaver_serving.runtime.shield.rules import LanguageRules

_USUAL = frozenset("\u2019\u2018\u201c\u201d\u2013\u2014\u2026\u00a0")
_LETTERS = re.compile(r"[a-zA-Z\s.,!?'\"\u2019\u2018\u201c\u201d:;()\u2013\u2014-]")
_SPELLED = re.compile(r"(?<![a-z'])[a-z](?:[\s._*~|/\\-]{1,3}[a-z](?![a-z'])){3,}")
_SPLIT = re.compile(r"[a-z][._*~|\\][a-z][._*~|\\][a-z]")
_UNLIKE = re.compile(r"^[^aeiouy]{3,}$|[^aeiouy]{6,}|(.)\1\1|^.{22,}$")


def obfuscation(reading: Reading) -> str | None:
    """Find characters or spacing that hide what a text says."""
    if not reading.raw.isascii():
        for char in reading.raw:
            if char.isascii() or char in _USUAL:
                continue
            kind = unicodedata.category(char)
            changed = unicodedata.normalize("NFKC", char) != char
            other = kind[0] == "L" and not unicodedata.name(char, "").startswith("LATIN")
            if kind in {"Cf", "Cc", "Cs", "Co", "Cn", "Mn", "Me"} or changed or other:
                return f"U+{ord(char):04X}"
    match = re.search(r"[\x00-\x09\x0b-\x1f\x7f]", reading.raw)
    if match:
        return f"U+{ord(match[0]):04X}"
    match = _SPELLED.search(reading.lower) or _SPLIT.search(reading.lower)
    return match[0] if match else None


def language(reading: Reading, rules: LanguageRules) -> str | None:
    """Find what makes a text unlike English: its characters, its spelling or its words."""
    text = reading.raw
    words = [word for word in reading.words if word != END]
    if not words:
        return "no words"
    odd = _LETTERS.sub("", text)
    if len(odd) > (1 - rules.least_letter_share) * len(text):
        return odd
    emoji = next((char for char in odd if unicodedata.category(char) in {"So", "Sk", "Lo"}), None)
    if emoji is not None:
        return emoji
    unlike = [word for word in words if _UNLIKE.search(word) and word not in {"dsl", "sms"}]
    if len(unlike) > rules.most_unlike_share * len(words):
        return " ".join(unlike)
    function = sum(word in rules.function_words for word in words)
    if function < rules.least_function_share * len(words):
        return f"{function} of {len(words)} everyday words"
    return None
