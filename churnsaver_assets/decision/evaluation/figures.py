"""Figures from groups' values: shares of the headroom, and paired differences, with intervals.

Intervals are for luck: these customers, other lives. Customers are the same in every group, so
what is said is said of them.
"""

import numpy as np

from churnsaver_assets.common.estimates import Interval, over_replicates
from churnsaver_assets.decision.evaluation.cells.played import CellResult, Played
from churnsaver_serving.runtime.arrays import Floats

POINTS = 100.0


def headroom(result: CellResult, played: Played) -> Interval:
    """Return the value as a share of the upper bound's.

    Raises:
        ValueError: The cell has no bound.
    """
    return over_replicates(np.array(played.value) / result.known_bound)


def headroom_difference(result: CellResult, one: Played, other: Played) -> Interval:
    """Return one's share of the headroom less the other's, paired, in points.

    Raises:
        ValueError: The cell has no bound.
    """
    difference = np.array(one.value) - np.array(other.value)
    return over_replicates(POINTS * difference / result.known_bound)


def value(played: Played) -> Interval:
    """Return the value, USD for each customer."""
    return over_replicates(np.array(played.value))


def retention(result: CellResult, played: Played) -> Interval:
    """Return the net revenue retention: what is retained less what is spent, over everything."""
    return _share(np.array(result.nothing) + np.array(played.value), np.array(result.unending))


def nothing_retention(result: CellResult) -> Interval:
    """Return the net revenue retention without any contact."""
    return _share(np.array(result.nothing), np.array(result.unending))


def _share(above: Floats, below: Floats) -> Interval:
    """Return a ratio of means over groups; linearised (delta method) for its interval."""
    mean = float(above.mean() / below.mean())
    return over_replicates(mean + (above - mean * below) / below.mean())
