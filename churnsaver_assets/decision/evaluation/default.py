"""The default policy: the best over the prior in served mode, chosen by rule."""

from collections.abc import Mapping, Sequence

from churnsaver_assets.common.estimates import Interval, over_replicates
from churnsaver_serving.runtime.arrays import Floats


def behind_best(values: Mapping[str, Floats], among: Sequence[str]) -> dict[str, Interval]:
    """Return the mean by which each policy is behind the best one, paired by world.

    Args:
        values: Value of each policy in each world, shape (W,).
        among: Policies of which the one with the highest mean is the best.
    """
    best = values[max(among, key=lambda name: float(values[name].mean()))]
    return {name: over_replicates(best - value) for name, value in values.items()}


def choose_default(values: Mapping[str, Floats], order: Sequence[str]) -> str:
    """Choose the policy of highest mean; of those not surely behind it, the simplest.

    Args:
        values: Value of each policy in each world, shape (W,).
        order: Policies that may be chosen, the simplest first.

    Raises:
        ValueError: None of them was played.
    """
    played = [name for name in order if name in values]
    if not played:
        raise ValueError(f"none of {list(order)} was played; there are {sorted(values)}")
    behind = behind_best(values, played)
    return next(name for name in played if behind[name].low <= 0.0)
