"""Metrics of rewards on pairs: accuracy with its interval, and AUC, all on margins."""

from collections.abc import Sequence

import numpy as np

from churnsaver_assets.common.bootstrap import ratio_by_prompt
from churnsaver_assets.common.estimates import Interval
from churnsaver_serving.runtime.arrays import Floats


def correct(margins: Floats) -> Floats:
    """Return 1 where the chosen reply's reward is the higher one, else 0; a tie is wrong.

    Args:
        margins: Reward of the chosen reply less that of the rejected one, shape (pairs,).
    """
    return (margins > 0).astype(np.float64)


def pair_auc(margins: Floats) -> float:
    """Return the AUC of margins as a test of which of two replies, in unknown order, was chosen.

    Pairs swapped at random give events (margin m) and others (margin -m). Here each pair is in both
    orders, which is what random swaps come to on average, without their noise. Ties count half.

    Raises:
        ValueError: There are no margins.
    """
    if not len(margins):
        raise ValueError("expected at least one margin")
    mirrored = np.sort(-margins)
    below = np.searchsorted(mirrored, margins, side="left")
    not_above = np.searchsorted(mirrored, margins, side="right")
    return float((below + not_above).sum() / (2.0 * len(margins) ** 2))


def by_prompt(
    values: Floats, prompts: Sequence[str], *, seed: int, resamples: int = 2000
) -> Interval:
    """Return the mean over pairs, its interval from resampled prompts.

    Pairs of one prompt are not independent, so prompts are drawn.

    Args:
        values: One value for each pair, shape (pairs,).
        prompts: The id of each pair's prompt, shape (pairs,).
        seed: Seed for the resamples.
        resamples: Number of resamples.

    Raises:
        ValueError: There are fewer than 2 prompts, or not one prompt for each value.
    """
    _, groups = np.unique(np.asarray(prompts), return_inverse=True)
    if len(groups) != len(values):
        raise ValueError(f"expected a prompt for each of {len(values)} values, got {len(groups)}")
    sums = np.bincount(groups, weights=values)
    return ratio_by_prompt(sums, np.bincount(groups), resamples=resamples, seed=seed)
