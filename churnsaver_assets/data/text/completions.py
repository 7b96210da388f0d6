"""What the readers of text files hand on: conversations with one or two replies."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

Role = Literal["user", "assistant"]


class Turn(NamedTuple):
    """One turn of a conversation."""

    role: Role
    content: str


@dataclass(frozen=True, slots=True, order=True)
class Completion:
    """A reply to a conversation, and the worse one where people compared two.

    Attributes:
        messages: the conversation so far; the last turn is the user's.
        reply: the reply to learn, or the preferred one.
        rejected: the other; empty where the source has none.
        margin: how much better, in nats, where the source says so; else 0.
    """

    messages: tuple[Turn, ...]
    reply: str
    rejected: str = ""
    margin: float = 0.0


@dataclass(slots=True)
class Reading:
    """What a source's files hold.

    Attributes:
        completions: usable rows.
        dropped: reason to number of rows left out.
    """

    completions: list[Completion] = field(default_factory=list)
    dropped: Counter[str] = field(default_factory=Counter)
