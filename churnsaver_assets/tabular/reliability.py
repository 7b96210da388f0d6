"""Calibration over bins of equal mass: observed shares, ECE, and how much ECE is noise."""

from functools import cached_property

import msgspec
import numpy as np
import numpy.typing as npt

from churnsaver_serving.runtime.arrays import Bools, Floats, Ints

ECE_BINS = 15
DRAWS = 1000
_BATCH_NUMBERS = 300_000  # held at once per array: 2.4 MB


class NoiseFloor(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """ECE that perfectly calibrated probabilities show at this sample size.

    Attributes:
        mean: Average over samples.
        p95: The 95 % quantile over samples.
    """

    mean: float
    p95: float


class EqualMassBins:
    """Probabilities in ascending order, cut into bins of equal mass.

    Rows of equal probability share a bin, that of their middle rank: cut by position alone, the
    bins would depend on the order of the rows. So with large ties they are uneven, and fewer.

    Args:
        probabilities: Probabilities in [0, 1], shape (n,).
        bins: The most bins there may be.

    Raises:
        ValueError: There is no row, or a probability is outside [0, 1].
    """

    def __init__(self, probabilities: Floats, bins: int = ECE_BINS) -> None:
        from scipy.stats import rankdata

        if not len(probabilities) or not np.all((probabilities >= 0) & (probabilities <= 1)):
            raise ValueError("expected at least one probability and all of them in [0, 1]")
        self.order = np.argsort(probabilities, kind="stable")
        self.sorted = probabilities[self.order]
        middle = rankdata(self.sorted, method="average") - 0.5
        self.starts = run_starts((middle * bins / len(probabilities)).astype(np.int64))

    @cached_property
    def rows(self) -> Ints:
        """Return the rows in each bin, shape (bins,)."""
        return np.diff([*self.starts, len(self.sorted)])

    @cached_property
    def predicted(self) -> Floats:
        """Return the mean probability in each bin, shape (bins,), ascending."""
        return np.asarray(np.add.reduceat(self.sorted, self.starts) / self.rows)

    def observed(self, labels: Bools) -> Floats:
        """Return each bin's share of events, shape (bins,); labels in the probabilities' order."""
        events = np.add.reduceat(labels[self.order], self.starts, dtype=np.float64)
        return np.asarray(events / self.rows)

    def simulate(self, *, seed: int, draws: int = DRAWS) -> Floats:
        """Simulate each bin's share of events if every probability were right, shape (draws, bins).

        Consistency resampling (Bröcker & Smith 2007, section 3), with the probabilities held.
        """
        rng = np.random.default_rng(seed)
        events = []
        batch = max(1, _BATCH_NUMBERS // len(self.sorted))
        for start in range(0, draws, batch):
            shape = (min(batch, draws - start), len(self.sorted))
            labels = rng.random(shape) < self.sorted
            events.append(np.add.reduceat(labels, self.starts, axis=1, dtype=np.float64))
        return np.asarray(np.concatenate(events) / self.rows)

    def error(self, observed: Floats) -> Floats:
        """Return the ECE of shares of shape (..., bins): their mean gap to `predicted`, by mass."""
        gaps = np.abs(observed - self.predicted)
        return np.asarray((gaps * self.rows).sum(axis=-1) / len(self.sorted))


def noise_floor(
    probabilities: Floats, *, seed: int, draws: int = DRAWS, bins: int = ECE_BINS
) -> NoiseFloor:
    """Simulate the ECE of these probabilities if every one of them were right.

    Args:
        probabilities: Probabilities in [0, 1], shape (n,).
        seed: Seed for the simulation.
        draws: Number of simulated samples.
        bins: The most bins there may be.
    """
    binned = EqualMassBins(probabilities, bins)
    errors = binned.error(binned.simulate(seed=seed, draws=draws))
    return NoiseFloor(float(errors.mean()), float(np.quantile(errors, 0.95)))


def run_starts(values: npt.NDArray[np.generic]) -> npt.NDArray[np.intp]:
    """Return the index at which each run of equal values starts, for `np.add.reduceat`."""
    return np.flatnonzero(np.concatenate([[True], values[1:] != values[:-1]]))
