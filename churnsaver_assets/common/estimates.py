"""Estimates with 95 % intervals; those over customers and replicates, crossed."""

import msgspec
import numpy as np

from churnsaver_serving.runtime.arrays import Floats

CONFIDENCE = 0.95


class Interval(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An estimate and the ends of its 95 % interval.

    Attributes:
        mean: The estimate. Its name in files is that of the most frequent one, a mean; it may be a
            ratio, an AUC, a perplexity.
        low: Lower end of the interval.
        high: Upper end of the interval.
    """

    mean: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self:.4g}"

    def __format__(self, spec: str) -> str:
        mean, low, high = (format(number, spec) for number in (self.mean, self.low, self.high))
        return f"{mean} [{low}, {high}]"

    def scaled(self, factor: float) -> "Interval":
        """Return the interval in other units; `factor` is positive."""
        return Interval(factor * self.mean, factor * self.low, factor * self.high)


def ratio(numerator: Floats, denominator: Floats) -> Interval:
    """Return a sum over a sum, with an interval over both customers and replicates.

    Each customer is in every replicate and each replicate holds every customer, so there are two
    sources of variance: which customers were held out, and luck. The ratio is linearised and the
    variance components of the two-way crossed layout are added up (Searle, Casella and McCulloch
    1992, ch. 4; Owen 2007, "The pigeonhole bootstrap", section 3). A difference between two
    policies is one ratio with the difference above: they met the same luck, so it is paired.

    Args:
        numerator: One value for each replicate's customers, shape (R, n), at least 2 of each.
        denominator: Values of shape (n,) where they are the same in each replicate, or (R, n).

    Raises:
        ValueError: There are fewer than 2 replicates or customers, or the denominator sums to 0.
    """
    below = np.broadcast_to(denominator, numerator.shape)
    total = float(below.sum())
    if min(numerator.shape) < 2:  # noqa: PLR2004 - no variance from one
        raise ValueError(f"expected at least 2 replicates and customers, got {numerator.shape}")
    if total == 0:
        raise ValueError("denominator: sums to 0")
    mean = float(numerator.sum()) / total
    return around(mean, (numerator - mean * below) / total)


def over_replicates(values: Floats) -> Interval:
    """Return the mean of one number a replicate, shape (R,), with an interval for luck alone.

    It serves statements on exactly these customers, such as that they exceeded no bound.
    """
    from scipy.stats import t

    half = t.ppf(0.5 + CONFIDENCE / 2, len(values) - 1) * values.std(ddof=1) / len(values) ** 0.5
    mean = float(values.mean())
    return Interval(mean, mean - float(half), mean + float(half))


def around(mean: float, influence: Floats) -> Interval:
    """Return the interval of any smooth statistic of sums over customers and replicates.

    Args:
        mean: The statistic.
        influence: The statistic's linearisation, shape (R, n): what each contribution adds,
            summing to 0.
    """
    from scipy.stats import t

    error, freedom = standard_error(influence)
    half = float(t.ppf(0.5 + CONFIDENCE / 2, freedom)) * error
    return Interval(mean, mean - half, mean + half)


def standard_error(influence: Floats) -> tuple[float, float]:
    """Return a sum's standard error over customers and replicates, and its degrees of freedom.

    The replicates' totals hold all the luck, and what a shared budget does to it. The customers'
    totals hold who was held out, and their own luck, which is taken out again. The degrees of
    freedom are Satterthwaite's: few where luck prevails (few replicates), many where customers do.

    Args:
        influence: What each customer of each replicate adds to the sum, shape (R, n).
    """
    replicates, customers = influence.shape
    luck = _clustered(influence.sum(axis=1))
    own_luck = replicates * float(influence.var(axis=0, ddof=1).sum())
    who = max(_clustered(influence.sum(axis=0)) - own_luck, 0.0)
    spread = luck**2 / (replicates - 1) + who**2 / (customers - 1)
    if spread == 0:
        return 0.0, float(replicates - 1)
    return float(np.sqrt(luck + who)), float((luck + who) ** 2 / spread)


def _clustered(sums: Floats) -> float:
    """Return the variance of a sum of independent clusters."""
    return float(len(sums) * sums.var(ddof=1))
