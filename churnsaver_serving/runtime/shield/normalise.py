"""Text as it reads to people: look-alikes mapped, tricks undone, words split."""

import json
import re
import unicodedata
from collections.abc import Iterator
from functools import lru_cache
from importlib import resources

END = "."
"""The token that stands for the end of a sentence or line."""

_STRAIGHT = str.maketrans(
    dict.fromkeys("\u2018\u2019\u02bc", "'")
    | dict.fromkeys("\u201c\u201d", '"')
    | dict.fromkeys("\u2013\u2014", "-")
)
_LOOKS_LIKE: dict[str, str] = json.loads(
    (resources.files("churnsaver_serving.runtime.shield") / "files/lookalikes.json").read_bytes()
)
"""By Latin letter: Cyrillic, Greek and other letters that NFKD leaves and people read as it."""
_HOMOGLYPHS = str.maketrans({like: to for to, likes in _LOOKS_LIKE.items() for like in likes})
_LEET = {"0": "o", "3": "e", "4": "a", "5": "s", "7": "t", "8": "b", "9": "g"} | {
    "@": "a", "$": "s", "+": "t", "\u20ac": "e", "\u00a3": "l", "\u00a2": "c"
}  # fmt: skip
_LEET_AS_I = str.maketrans(_LEET | {"1": "i", "!": "i", "|": "i"})
_LEET_AS_L = str.maketrans(_LEET | {"1": "l", "!": "l", "|": "l"})
_LEET_WORD = re.compile(
    r"(?<![^\s\"'(,.;:-])(?=[^\s]{0,30}?[a-z])[a-z0-9@$!|+\u20ac\u00a3\u00a2]{2,30}"
)
_LEET_MARK = re.compile(r"[0-9@$|+\u20ac\u00a3\u00a2]|!(?=[a-z])")
_SPACED = re.compile(r"(?<![a-z'])[a-z](?:[ ._*~|/\\-]{1,2}[a-z](?![a-z])){2,60}")
_JOINED = re.compile(r"(?<=[a-z])[._*~|/\\-](?=[a-z])")
_LONG_RUN = re.compile(r"([a-z])\1{2,}")
_TOKEN = re.compile(r"[^\W\d_]+(?:'[^\W\d_]+)*|\d+|[.!?;:\n]+")
_EXPANSIONS = {
    "can't": ("can", "not"), "cannot": ("can", "not"), "won't": ("will", "not"),
    "shan't": ("shall", "not"), "let's": ("let", "us"), "it's": ("it", "is"),
    "that's": ("that", "is"), "there's": ("there", "is"), "here's": ("here", "is"),
    "what's": ("what", "is"), "who's": ("who", "is"), "dont": ("do", "not"),
    "doesnt": ("does", "not"), "cant": ("can", "not"), "wont": ("will", "not"),
    "youll": ("you", "will"), "youre": ("you", "are"), "im": ("i", "am"),
}  # fmt: skip
_ENDINGS = {
    "n't": "not", "'ll": "will", "'re": "are", "'ve": "have", "'d": "would", "'m": "am",
}  # fmt: skip


def plain(text: str) -> str:
    """Return the text in compatibility form, without invisible or combining characters.

    Case, line breaks and punctuation are kept; look-alike letters become Latin ones.

    Args:
        text: Any text.
    """
    if text.isascii():
        return text
    spread = unicodedata.normalize("NFKD", text.translate(_STRAIGHT))
    kept = "".join(
        char
        for char in spread
        if char == "\n" or unicodedata.category(char) not in {"Mn", "Me", "Cf", "Cc", "Cs"}
    )
    return kept.translate(_HOMOGLYPHS).translate(_STRAIGHT)


@lru_cache(maxsize=8192)
def _expanded(token: str) -> tuple[str, ...]:
    known = _EXPANSIONS.get(token)
    if known:
        return known
    for ending, word in _ENDINGS.items():
        if token.endswith(ending):
            return (token[: -len(ending)], word)
    return (token.removesuffix("'s").replace("'", ""),)


def words_of(text: str) -> list[str]:
    """Split into words, contractions written out, with `END` at each end of a sentence or line.

    Args:
        text: The text in lower case. "don't stop!" gives `do not stop .`.
    """
    found = [END]
    for token in _TOKEN.findall(text):
        if token[0] in ".!?;:\n":
            if found[-1] != END:
                found.append(END)
        elif token.isascii() and token.isalpha() and token not in _EXPANSIONS:
            found.append(token)
        else:
            found.extend(word for word in _expanded(token) if word)
    if found[-1] != END:
        found.append(END)
    return found


def _unleet(text: str, table: dict[int, str]) -> str:
    def mapped(match: re.Match[str]) -> str:
        word = match[0]
        stem = word.rstrip("!")
        return stem.translate(table) + word[len(stem) :] if _LEET_MARK.search(stem) else word

    return _LEET_WORD.sub(mapped, text)


def _closed_up(match: re.Match[str]) -> str:
    return re.sub(r"[^a-z]", "", match[0])


def _closed_up_after_article(match: re.Match[str]) -> str:
    # "get a f r e e month": the article is no part of the word.
    letters = _closed_up(match)
    return f"{letters[0]} {letters[1:]}" if letters[0] in "ai" else letters


def disguises(lower: str) -> Iterator[str]:
    """Return other readings of a text, for matching only: leetspeak, spaced, joined, stretched.

    Args:
        lower: Plain text in lower case.
    """
    readings = []
    if _LEET_MARK.search(lower):
        readings += [_unleet(lower, _LEET_AS_I), _unleet(lower, _LEET_AS_L)]
    for reading in dict.fromkeys([lower, *readings]):
        for changed in (
            reading,
            _SPACED.sub(_closed_up, reading),
            _SPACED.sub(_closed_up_after_article, reading),
            _JOINED.sub("", reading),
            _LONG_RUN.sub(r"\1", reading),
            _LONG_RUN.sub(r"\1\1", reading),
        ):
            if changed != lower:
                yield changed
