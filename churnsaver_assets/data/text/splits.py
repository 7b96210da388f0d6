"""Sides by prompt: a keyed hash of the conversation's opening, the same in every table."""

from __future__ import annotations

import hashlib
import json
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import pandas as pd

    from churnsaver_assets.data.text.completions import Turn

Side = Literal["train", "gold", "holdout"]


def normal(text: str) -> str:
    """Return the text without differences in case, width of characters and white space."""
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def group_of(messages: Sequence[Turn]) -> str:
    """Return the key of the group that stays on one side: all conversations with this opening.

    The conversations of one message tree open with the same turn, so a tree stays together, as do
    transcripts of which one continues another.
    """
    return normal(messages[0].content)


def prompt_id(messages: Sequence[Turn]) -> str:
    """Return a conversation's identifier, the same up to case and white space; 32 hex digits."""
    key = json.dumps([(turn.role, normal(turn.content)) for turn in messages])
    return hashlib.blake2b(key.encode(), digest_size=16).hexdigest()


@dataclass(frozen=True, slots=True)
class Sides:
    """A split of prompts into sides.

    Attributes:
        seed: Seed of the keyed hash; another seed, another split.
        holdout: Share of the groups that is held out.
        gold: Share of the groups for the judge alone.
    """

    seed: int
    holdout: float
    gold: float

    def of(self, messages: Sequence[Turn]) -> Side:
        """Return a conversation's side, which depends on its opening and the seed alone."""
        digest = hashlib.blake2b(f"{self.seed}:{group_of(messages)}".encode(), digest_size=8)
        place = int.from_bytes(digest.digest()) / 2**64
        if place < self.holdout:
            return "holdout"
        return "gold" if place < self.holdout + self.gold else "train"


def straddling_prompts(frame: pd.DataFrame) -> list[str]:
    """Find what stands on more than one side of a table's split; empty where all is well.

    Args:
        frame: A table with `prompt_id`, `messages_json` and `split`.

    Returns:
        Openings of conversations, ids of prompts, and last turns, each once.
    """
    turns = [json.loads(text) for text in frame["messages_json"]]
    keys = {
        "opening": [normal(messages[0]["content"]) for messages in turns],
        "prompt_id": list(frame["prompt_id"]),
        "last turn": [normal(messages[-1]["content"]) for messages in turns],
    }
    found = []
    for name, values in keys.items():
        sides = frame["split"].groupby(values).nunique()
        found += [f"{name}: {value}" for value in sides.index[sides > 1]]
    return found
