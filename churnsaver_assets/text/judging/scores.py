"""Scores of messages, kept on disk chunk by chunk."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import numpy.typing as npt

from churnsaver_assets.common.chunks import ROWS, ChunkStore, Row
from churnsaver_assets.common.fingerprint import fingerprint
from churnsaver_assets.text.records import Completion, Prompt
from churnsaver_assets.text.reward.message_reward import Scorer
from churnsaver_assets.text.run import Run
from churnsaver_serving.runtime.arrays import Floats

Score = Callable[[Sequence[Prompt], Sequence[Completion]], Mapping[str, Floats]]
"""Function of messages that returns numbers by name, each of shape (n,)."""


class Remembered:
    """A reward model that scores no reply twice.

    Args:
        scorer: The reward model that scores them.
    """

    def __init__(self, scorer: Scorer) -> None:
        self._scorer = scorer
        self._known: dict[tuple[str, str], float] = {}

    @property
    def sha256(self) -> str:
        """Return the sha256 of the model."""
        return self._scorer.sha256

    def score(self, prompts: Sequence[str], replies: Sequence[str]) -> Floats:
        """Return raw scores, shape (n,)."""
        pairs = list(zip(prompts, replies, strict=True))
        if unread := [pair for pair in dict.fromkeys(pairs) if pair not in self._known]:
            found = self._scorer.score([one for one, _ in unread], [reply for _, reply in unread])
            self._known.update(zip(unread, map(float, found), strict=True))
        return np.asarray([self._known[pair] for pair in pairs])

    def value_direction(self) -> tuple[npt.NDArray[np.floating], float]:
        """Return weights and bias of the model's head."""
        return self._scorer.value_direction()


def kept_scores(
    score: Score,
    prompts: Sequence[Prompt],
    completions: Sequence[Completion],
    run: Run,
    *,
    made_by: Sequence[str],
    chunk: int,
    what: str = "scores",
) -> dict[str, Floats]:
    """Score messages chunk by chunk; a killed run goes on at the chunk it was in.

    Args:
        score: Function that scores messages.
        prompts: Prompts, at least one.
        completions: One completion for each prompt.
        run: Folder of the chunks, where those of other messages or makers are removed; progress.
        made_by: All else that the numbers depend on, such as hashes of models.
        chunk: Number of messages between checkpoints.
        what: Name of the numbers, for people.

    Returns:
        Numbers by name, each of shape (n,).
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
        "prompts": [prompt.text for prompt in prompts],
        "completions": list(completions),
        "made_by": list(made_by),
        "chunk": chunk,
    }
    store = ChunkStore(run.checkpoints, fingerprint(settings), ROWS)
    rows = store.collect(len(prompts), chunk, make, progress=run.progress, what=what)
    return {name: np.asarray([row[name] for row in rows]) for name in rows[0]}
