"""What a reward model has to beat: the reply's length."""

import numpy as np

from churnsaver_assets.text.reward.probe import fit_weight
from churnsaver_serving.runtime.arrays import Floats

_TINY_RIDGE = 1e-6  # only so that separable pairs have a solution


def length_weight(differences: Floats) -> float:
    """Bradley-Terry coefficient of one token more, from training pairs' length differences.

    Args:
        differences: tokens of the chosen reply less those of the rejected one, shape (pairs,).

    Returns:
        0 where no pair's lengths differ: then length says nothing, and every pair is a tie.
    """
    if not np.any(differences):
        return 0.0
    return float(fit_weight(differences[:, None], np.zeros(len(differences)), _TINY_RIDGE)[0])


def combined_weights(lengths: Floats, margins: Floats) -> tuple[float, float]:
    """Coefficients of length and of a reward's margin, fitted together.

    Args:
        lengths: as for `length_weight`.
        margins: of pairs that the reward was not fitted on, shape (pairs,).

    Raises:
        ValueError: neither ever differs.
    """
    both = np.stack([lengths, margins], axis=1)
    weight = fit_weight(both, np.zeros(len(both)), _TINY_RIDGE)
    return float(weight[0]), float(weight[1])


def length_slope(gaps: Floats, lengths: Floats) -> float:
    """Reward per token of length within prompts: least squares through the origin.

    It is the same whichever reply of a pair was preferred.

    Args:
        gaps: reward differences of replies to one prompt, shape (pairs,).
        lengths: their length differences in tokens, same order.
    """
    squares = float(lengths @ lengths)
    return float(gaps @ lengths) / squares if squares else 0.0
