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
    """The text without what does not tell texts apart: case, width of characters, white space."""
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def group_of(messages: Sequence[Turn]) -> str:
    """What must stay on one side: all conversations with this opening.

    The conversations of one message tree open with the same turn, so a tree stays together, as do
    transcripts of which one continues another.
    """
    return normal(messages[0].content)


def prompt_id(messages: Sequence[Turn]) -> str:
    """Identifies a conversation up to case and white space; 32 hex digits."""
    key = json.dumps([(turn.role, normal(turn.content)) for turn in messages])
    return hashlib.blake2b(key.encode(), digest_size=16).hexdigest()


@dataclass(frozen=True, slots=True)
class Sides:
    """How prompts are split.

    Attributes:
        seed: another seed, another split.
        holdout: share of the groups that is held out.
        gold: share of the groups for the judge alone.
    """

    seed: int
    holdout: float
    gold: float

    def of(self, messages: Sequence[Turn]) -> Side:
        """The side of a conversation: depends on its opening and the seed, and on nothing else."""
        digest = hashlib.blake2b(f"{self.seed}:{group_of(messages)}".encode(), digest_size=8)
        place = int.from_bytes(digest.digest()) / 2**64
        if place < self.holdout:
            return "holdout"
        return "gold" if place < self.holdout + self.gold else "train"


def straddling_prompts(frame: pd.DataFrame) -> list[str]:
    """What stands on more than one side of a table's split; empty where all is well.

    Args:
        frame: `prompt_id`, `messages_json` and `split`.

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
