"""Diversity of a policy's messages: distinct n-grams, repetition, openings and clauses."""

import re
from collections import Counter
from collections.abc import Sequence

import msgspec

_WORD = re.compile(r"\w+(?:['\u2019]\w+)*")
_CLAUSE_END = re.compile(r"[.!?;,]+(?:\s+|$)")
_NUMBER = re.compile(r"\d+(?:[.,]\d+)*")
_OPENING_WORDS = 3
_REPEATED_WORDS = 3


class Diversity(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Diversity of one policy's messages; the figures depend on how many there are.

    Attributes:
        messages: Number of messages.
        distinct_1: Different words over all words (Li et al. 2016, section 5.2).
        distinct_2: Different pairs of words over all pairs.
        distinct_3: Different triples of words over all triples.
        repeated_share: Share of messages with the same words as an earlier message.
        self_repetition: Mean share of a message's word triples that stood in it before (Welleck
            et al. 2020, section 6, rep-n within one text).
        mean_tokens: Mean length of a body, end token included.
        common_opening: The most common first three words.
        common_opening_share: Share of messages that begin with `common_opening`.
    """

    messages: int
    distinct_1: float
    distinct_2: float
    distinct_3: float
    repeated_share: float
    self_repetition: float
    mean_tokens: float
    common_opening: str
    common_opening_share: float


def diversity(texts: Sequence[str], tokens: Sequence[int]) -> Diversity:
    """Measure how varied the texts are. Case and punctuation don't count.

    Args:
        texts: Bodies.
        tokens: Length of each body, end token included.

    Raises:
        ValueError: There are no texts, or not one length for each.
    """
    if not texts or len(texts) != len(tokens):
        raise ValueError(f"expected texts and their tokens, got {len(texts)} and {len(tokens)}")
    words = [tuple(_WORD.findall(text.lower())) for text in texts]
    openings = Counter(one[:_OPENING_WORDS] for one in words)
    # The smallest of the most common ones: equal inputs in any order give equal figures.
    opening, often = min(openings.items(), key=lambda item: (-item[1], item[0]))
    return Diversity(
        messages=len(texts),
        distinct_1=_distinct(words, 1),
        distinct_2=_distinct(words, 2),
        distinct_3=_distinct(words, 3),
        repeated_share=1 - len(set(words)) / len(words),
        self_repetition=sum(map(_self_repetition, words)) / len(words),
        mean_tokens=sum(tokens) / len(tokens),
        common_opening=" ".join(opening),
        common_opening_share=often / len(words),
    )


def common_clauses(texts: Sequence[str], most: int) -> list[tuple[str, float]]:
    """Return the most common clauses, each with the share of the texts that have it.

    A clause ends at a comma or at the end of a sentence; case doesn't count, and numbers are alike.

    Args:
        texts: Bodies.
        most: Number of clauses, the most common first.
    """
    said = Counter(
        clause
        for text in texts
        for clause in {_NUMBER.sub("#", part.strip()) for part in _CLAUSE_END.split(text.lower())}
        if clause
    )
    common = sorted(said.items(), key=lambda item: (-item[1], item[0]))[:most]
    return [(clause, often / len(texts)) for clause, often in common]


def _distinct(words: Sequence[tuple[str, ...]], size: int) -> float:
    found = [gram for one in words for gram in _grams(one, size)]
    return len(set(found)) / len(found) if found else 0.0


def _self_repetition(words: tuple[str, ...]) -> float:
    found = _grams(words, _REPEATED_WORDS)
    return 1 - len(set(found)) / len(found) if found else 0.0


def _grams(words: tuple[str, ...], size: int) -> list[tuple[str, ...]]:
    return [words[place : place + size] for place in range(len(words) - size + 1)]
