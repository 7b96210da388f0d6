"""Randomised data, and the protocol of models fitted on it."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from churnsaver_serving.runtime.arrays import Bools, Floats, Ints

CONTROL = 0
"""The arm without treatment."""


@dataclass(frozen=True, slots=True)
class Randomised:
    """Randomised data: n rows, each given an arm at random.

    Attributes:
        matrix: Features known before the treatment, shape (n, F).
        arm: Arm of each row: 0 for control, 1..K for the treatments, shape (n,).
        outcome: True where the outcome happened, shape (n,).
    """

    matrix: Floats
    arm: Ints
    outcome: Bools

    def __post_init__(self) -> None:
        """Refuse arrays that don't fit, a missing arm, and an arm in which nothing varies."""
        if not len(self.matrix) == len(self.arm) == len(self.outcome):
            raise ValueError(
                f"expected as many rows, arms and outcomes, got {len(self.matrix)}, "
                f"{len(self.arm)} and {len(self.outcome)}"
            )
        for arm in range(max(2, int(self.arm.max(initial=0)) + 1)):
            if len(np.unique(self.outcome[self.arm == arm])) != 2:  # noqa: PLR2004
                raise ValueError(f"arm {arm}: expected outcomes of both kinds: nothing to learn")

    @property
    def arms(self) -> int:
        """Return the number of arms, K + 1."""
        return int(self.arm.max()) + 1


class OutcomeModel(Protocol):
    """A model of the outcome under each arm."""

    def rates(self, matrix: Floats) -> Floats:
        """Return the probability of the outcome under each arm, shape (n, K + 1)."""


def uplift(model: OutcomeModel, matrix: Floats) -> Floats:
    """Predict each treatment's effect on the probability of the outcome, shape (n, K)."""
    rates = model.rates(matrix)
    return rates[:, CONTROL + 1 :] - rates[:, [CONTROL]]
