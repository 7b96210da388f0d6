"""Scores of messages, kept on disk as they come."""

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from churnsaver_assets.common.progress import Progress
from churnsaver_assets.common.resume import ChunkStore, Row
from churnsaver_assets.text.records import Completion, Prompt
from churnsaver_assets.text.reward.message_reward import Scorer
from churnsaver_serving.runtime.arrays import Floats

Score = Callable[[Sequence[Prompt], Sequence[Completion]], Mapping[str, Floats]]
"""Messages to numbers by name, each of shape (n,)."""


class Remembered:
    """A reward model that reads no reply twice.

    Args:
        scorer: reads them.
    """

    def __init__(self, scorer: Scorer) -> None:
        self._scorer = scorer
        self._known: dict[tuple[str, str], float] = {}

    @property
    def sha256(self) -> str:
        """Of the model."""
        return self._scorer.sha256

    def score(self, prompts: Sequence[str], replies: Sequence[str]) -> Floats:
        """Raw scores, shape (n,)."""
        pairs = list(zip(prompts, replies, strict=True))
        if unread := [pair for pair in dict.fromkeys(pairs) if pair not in self._known]:
            found = self._scorer.score([one for one, _ in unread], [reply for _, reply in unread])
            self._known.update(zip(unread, map(float, found), strict=True))
        return np.asarray([self._known[pair] for pair in pairs])

    def value_direction(self) -> tuple[npt.NDArray[np.floating], float]:
        """Of the model."""
        return self._scorer.value_direction()


def kept_scores(
    score: Score,
    prompts: Sequence[Prompt],
    completions: Sequence[Completion],
    *,
    made_by: Sequence[str],
    checkpoints: Path,
    chunk: int,
    progress: Progress | None = None,
    what: str = "scores",
) -> dict[str, Floats]:
    """Numbers for each message, by name, each of shape (n,); a killed run goes on at its chunk.

    Args:
        score: gives the numbers.
        prompts: n prompts, at least one.
        completions: one for each.
        made_by: whatever else the numbers depend on, such as hashes of models.
        checkpoints: folder of the chunks; those of other messages or makers are removed.
        chunk: messages between checkpoints.
        progress: called after each chunk.
        what: the numbers, for people.
    """

    def make(_: int, positions: range) -> list[Row]:
        found = score(
            [prompts[place] for place in positions], [completions[place] for place in positions]
        )
        return [
            {name: float(values[row]) for name, values in found.items()}
            for row in range(len(positions))
        ]

    settings = {
        "prompts": fingerprint(prompt.text for prompt in prompts),
        "completions": fingerprint(
            f"{one.finished} {one.tokens} {one.text}" for one in completions
        ),
        "made_by": list(made_by),
        "chunk": chunk,
    }
    store = ChunkStore(checkpoints, settings)
    rows = store.collect(len(prompts), chunk, make, progress=progress, what=what)
    return {name: np.asarray([row[name] for row in rows]) for name in rows[0]}


def fingerprint(texts: Iterable[str]) -> str:
    """sha256 of texts in their order."""
    digest = hashlib.sha256()
    for text in texts:
        encoded = text.encode()
        digest.update(f"{len(encoded)}\n".encode() + encoded)
    return digest.hexdigest()
