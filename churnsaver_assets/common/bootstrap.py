"""95 % bootstrap intervals: rows, or prompts with all that belongs to them, are drawn anew."""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from churnsaver_assets.common.estimates import CONFIDENCE, Interval
from churnsaver_serving.runtime.arrays import Floats, Ints

LEVELS = ((1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2)
"""The quantiles of the resamples that are the ends of an interval."""

_LEAST_PROMPTS = 2
_DRAWN_AT_ONCE = 300_000  # numbers an array: 2.4 MB, beyond about 3 page faults dominate


def resampled(
    statistic: Callable[[Ints], Floats], rows: int, *, resamples: int, seed: int
) -> Floats:
    """Return the values of a statistic on resamples of rows, shape (..., resamples).

    Args:
        statistic: Function of the drawn rows' indices, shape (r, rows), to values of shape
            (..., r).
        rows: Number of rows in the sample and in each resample.
        resamples: Number of resamples.
        seed: Seed for the draws. Equal seeds draw equal rows, so statistics of one sample are
            paired.
    """
    rng = np.random.default_rng(seed)
    block = max(_DRAWN_AT_ONCE // rows, 1)
    return np.concatenate(
        [
            statistic(rng.integers(rows, size=(min(block, resamples - start), rows)))
            for start in range(0, resamples, block)
        ],
        axis=-1,
    )


def row_counts(drawn: Ints) -> Floats:
    """Return how often each resample holds each row, shape (r, n), from indices of that shape."""
    offsets = np.arange(len(drawn))[:, None] * drawn.shape[1]
    counts = np.bincount((drawn + offsets).ravel(), minlength=drawn.size)
    return counts.reshape(drawn.shape).astype(np.float64)


def percentile_interval(estimate: float, drawn: Floats) -> Interval:
    """Return the percentile interval (Efron and Tibshirani 1993, section 13.3).

    Args:
        estimate: The statistic of the whole sample.
        drawn: The statistic of each resample, shape (resamples,).
    """
    low, high = np.quantile(drawn, LEVELS)
    return Interval(float(estimate), float(low), float(high))


def mean_by_prompt(values: npt.ArrayLike, *, resamples: int, seed: int) -> Interval:
    """Return the mean over prompts with its percentile interval.

    Where all values are equal the interval is that one value: it says nothing of what wasn't drawn.

    Args:
        values: One value for each prompt, shape (n,).
        resamples: Number of resamples.
        seed: Seed for the resamples; equal seeds draw equal prompts.

    Raises:
        ValueError: There are fewer than 2 prompts, or values that are not numbers.
    """
    numbers = np.asarray(values, dtype=np.float64)
    return ratio_by_prompt(numbers, np.ones_like(numbers), resamples=resamples, seed=seed)


def ratio_by_prompt(
    numerator: npt.ArrayLike, denominator: npt.ArrayLike, *, resamples: int, seed: int
) -> Interval:
    """Return a sum over a sum, such as nats over tokens, with its percentile interval.

    Args:
        numerator: One value for each prompt, shape (n,).
        denominator: One value above 0 for each prompt, shape (n,).
        resamples: Number of resamples.
        seed: Seed for the resamples; equal seeds draw equal prompts.

    Raises:
        ValueError: There are fewer than 2 prompts, shapes that differ, values that are not
            numbers, or a denominator that isn't above 0.
    """
    above, below = np.asarray(numerator, np.float64), np.asarray(denominator, np.float64)
    if above.ndim != 1 or above.shape != below.shape or len(above) < _LEAST_PROMPTS:
        raise ValueError(
            "expected one value of each of at least 2 prompts, "
            f"got shapes {above.shape} and {below.shape}"
        )
    if not (np.isfinite(above).all() and np.isfinite(below).all()):
        raise ValueError("expected finite values: a score that is NaN or infinite has no mean")
    if not (below > 0).all():
        raise ValueError("denominator: expected values above 0")
    drawn = resampled(
        lambda rows: above[rows].sum(axis=1) / below[rows].sum(axis=1),
        len(above),
        resamples=resamples,
        seed=seed,
    )
    return percentile_interval(above.sum() / below.sum(), drawn)


def upper_bound_of_rate(events: int, trials: int) -> float:
    """Return the upper end of a rate's exact one-sided 95 % interval (Clopper and Pearson 1934).

    No event in 300 trials: below 1 %.

    Args:
        events: Number of events.
        trials: Number of trials; without any, nothing is known and the answer is 1.

    Raises:
        ValueError: There are fewer trials than events.
    """
    from scipy.stats import binomtest

    if not 0 <= events <= trials:
        raise ValueError(f"expected 0 <= events <= trials, got {events} of {trials}")
    if trials == 0:
        return 1.0
    exact = binomtest(events, trials, alternative="less").proportion_ci(CONFIDENCE, method="exact")
    return float(exact.high)
