"""95 % intervals by bootstrap: prompts are drawn anew, and with each all that belongs to it."""

import numpy as np
import numpy.typing as npt

from churnsaver_assets.common.estimates import CONFIDENCE, Interval

_LEAST_PROMPTS = 2
_DRAWN_AT_ONCE = 300_000  # numbers in memory


def mean_by_prompt(values: npt.ArrayLike, *, resamples: int, seed: int) -> Interval:
    """Mean with its percentile interval (Efron and Tibshirani 1993, section 13.3).

    Where all values are equal the interval is that one value: it says nothing of what wasn't drawn.

    Args:
        values: one of each prompt, shape (n,).
        resamples: of the prompts.
        seed: of the resamples; equal seeds draw equal prompts.

    Raises:
        ValueError: fewer than 2 prompts, or values that are not numbers.
    """
    numbers = np.asarray(values, dtype=np.float64)
    return ratio_by_prompt(numbers, np.ones_like(numbers), resamples=resamples, seed=seed)


def ratio_by_prompt(
    numerator: npt.ArrayLike, denominator: npt.ArrayLike, *, resamples: int, seed: int
) -> Interval:
    """Sum over sum, such as nats over tokens, with its percentile interval.

    Args:
        numerator: one of each prompt, shape (n,).
        denominator: shape (n,), above 0.
        resamples: of the prompts.
        seed: of the resamples.

    Raises:
        ValueError: fewer than 2 prompts, shapes that differ, values that are not numbers, or a
            denominator that isn't above 0.
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
    rng, count = np.random.default_rng(seed), len(above)
    drawn = np.empty(resamples)
    block = max(_DRAWN_AT_ONCE // count, 1)
    for start in range(0, resamples, block):
        size = min(block, resamples - start)
        rows = rng.integers(count, size=(size, count))
        drawn[start : start + size] = above[rows].sum(axis=1) / below[rows].sum(axis=1)
    low, high = np.quantile(drawn, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    return Interval(float(above.sum() / below.sum()), float(low), float(high))


def upper_bound_of_rate(events: int, trials: int) -> float:
    """Upper end of the exact one-sided 95 % interval of a rate (Clopper and Pearson 1934).

    No event in 300 trials: below 1 %.

    Args:
        events: that happened.
        trials: in all; without any, nothing is known and the answer is 1.

    Raises:
        ValueError: fewer trials than events.
    """
    from scipy.stats import beta

    if not 0 <= events <= trials:
        raise ValueError(f"expected 0 <= events <= trials, got {events} of {trials}")
    if events == trials:
        return 1.0
    return float(beta.ppf(CONFIDENCE, events + 1, trials - events))
