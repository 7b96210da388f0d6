"""Counts of outcomes beside those that the models expected: the belief's input."""

import numpy as np
import numpy.typing as npt

from churnsaver_serving.runtime.arrays import Floats
from churnsaver_serving.runtime.world.belief import SIGNALS, Tally


class OutcomeCounter:
    """A tally of what happened beside what the models expected. Rows are group-major.

    Args:
        groups: Number of groups, G.
        customers_per_row: Number of customers of the counted population that a row stands for.
        noise: Generator of the counts that a population of that size would show (Poisson), where
            rows carry probabilities in place of outcomes. None where rows carry outcomes.
    """

    def __init__(
        self, groups: int, *, customers_per_row: float, noise: np.random.Generator | None
    ) -> None:
        self._groups = groups
        self._customers_per_row = customers_per_row
        self._noise = noise
        self.tally = Tally.empty(groups)

    def reset(self) -> None:
        """Forget all counts."""
        self.tally = Tally.empty(self._groups)

    def add(
        self,
        signal: str,
        happened: npt.NDArray[np.generic],
        expected: npt.NDArray[np.generic],
    ) -> None:
        """Add one day.

        Args:
            signal: One of `SIGNALS`.
            happened: Outcomes, or their true probabilities where there is noise, shape (R,).
            expected: The same as the models have it, shape (R,).
        """
        column = SIGNALS.index(signal)
        observed = self._by_group(happened)
        if self._noise is not None:
            observed = self._noise.poisson(observed).astype(np.float64)
        self.tally.observed[:, column] += observed
        self.tally.expected[:, column] += self._by_group(expected)

    def _by_group(self, values: npt.NDArray[np.generic]) -> Floats:
        sums = values.reshape(self._groups, -1).sum(axis=1, dtype=np.float64)
        result: Floats = sums * self._customers_per_row
        return result
