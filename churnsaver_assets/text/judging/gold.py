"""A judge asked in both orders, with what length explains taken out."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from churnsaver_serving.runtime.arrays import Floats

Score = Callable[[Sequence[str], Sequence[str]], npt.ArrayLike]
"""Prompts and replies to one score each, shape (n,): higher is better."""


class PairwiseJudge(Protocol):
    """Says how likely the first reply is the better one, for each prompt."""

    def __call__(
        self, prompts: Sequence[str], first: Sequence[str], second: Sequence[str]
    ) -> Floats:
        """P(first is better), shape (n,)."""


def both_orders(
    judge: PairwiseJudge, prompts: Sequence[str], ours: Sequence[str], theirs: Sequence[str]
) -> tuple[Floats, float]:
    """The judge's answer averaged over both orders (Zheng et al. 2023, section 3.4).

    Returns:
        P(ours is better), shape (n,), and the mean gap between the orders.
    """
    ours_first = judge(prompts, ours, theirs)
    theirs_first = judge(prompts, theirs, ours)
    gap = float(np.abs(ours_first - (1 - theirs_first)).mean())
    return (ours_first + 1 - theirs_first) / 2, gap


@dataclass(frozen=True, slots=True)
class PointwiseJudge:
    """A pairwise judge from single scores, less what length alone explains (Bradley-Terry).

    Attributes:
        score: of a reply to a prompt.
        count: tokens of a reply.
        slope: score per token.
    """

    score: Score
    count: Callable[[str], int]
    slope: float

    def __call__(
        self, prompts: Sequence[str], first: Sequence[str], second: Sequence[str]
    ) -> Floats:
        """P(first is better), shape (n,)."""
        replies = [*first, *second]
        scores = np.asarray(self.score([*prompts, *prompts], replies), dtype=np.float64)
        left = scores - self.slope * np.asarray([self.count(reply) for reply in replies])
        # tanh is antisymmetric to the last bit and can't overflow
        return 0.5 * (1 + np.tanh((left[: len(prompts)] - left[len(prompts) :]) / 2))


def length_slope(scores: Floats, tokens: npt.ArrayLike) -> float:
    """Least-squares score per token; 0 where all lengths are equal.

    Fitted over both policies' messages together, so that what a policy wins by writing longer (or
    shorter) is taken out, even where the longer messages are the better ones: a strict control.

    Args:
        scores: shape (n,).
        tokens: shape (n,).
    """
    lengths = np.asarray(tokens, dtype=np.float64)
    centred = lengths - lengths.mean()
    spread = float(centred @ centred)
    return float(centred @ (scores - scores.mean())) / spread if spread > 0 else 0.0
