"""Conversations with one or two replies, as the readers of text files return them."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

Role = Literal["user", "assistant"]

TextTable = Literal["sft_pairs", "preference_pairs"]
"""The tables that text sources' rows go to."""


class Turn(NamedTuple):
    """One turn of a conversation."""

    role: Role
    content: str


@dataclass(frozen=True, slots=True, order=True)
class Completion:
    """A reply to a conversation, and the worse one where people compared two.

    Attributes:
        messages: The conversation so far; the last turn is the user's.
        reply: The reply to learn, or the preferred one.
        rejected: The other reply; empty where the source has none.
        margin: Difference in quality in nats, where the source states one; else 0.
    """

    messages: tuple[Turn, ...]
    reply: str
    rejected: str = ""
    margin: float = 0.0


@dataclass(slots=True)
class Reading:
    """The content of a source's files.

    Attributes:
        completions: The usable rows.
        dropped: Reason to number of rows left out.
    """

    completions: list[Completion] = field(default_factory=list)
    dropped: Counter[str] = field(default_factory=Counter)
