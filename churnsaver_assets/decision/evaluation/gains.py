"""The learned policy against a baseline at equal budget, and the mission's goals."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from churnsaver_assets.common.estimates import Interval, around, ratio
from churnsaver_assets.decision.evaluation.metrics import POINTS
from churnsaver_assets.decision.evaluation.results import Gain, Verdict
from churnsaver_assets.decision.evaluation.trials import Conditions, Trial, UpperBound
from churnsaver_assets.experiments.evaluation_spec import GoalsSpec
from churnsaver_serving.runtime.arrays import Floats


@dataclass(frozen=True, slots=True)
class GainAndCost:
    """Gain and cost of a policy under one budget, USD, each of shape (R, n).

    Attributes:
        gain: Value over doing nothing.
        cost: Offer cost.
    """

    gain: Floats
    cost: Floats

    @classmethod
    def of(cls, trial: Trial, bound: UpperBound) -> "GainAndCost":
        """Return the gain and cost of a trial."""
        return cls(trial.gain(bound), trial.cost())


def gain_over(
    baseline: GainAndCost,
    *,
    ours: GainAndCost,
    curve: Sequence[GainAndCost],
    conditions: Conditions,
    bound: UpperBound,
    goals: GoalsSpec,
) -> Gain:
    """Compare the learned policy with a baseline under the same conditions.

    Args:
        baseline: The baseline under these conditions.
        ours: The learned policy under the same.
        curve: The learned policy under every budget, ascending.
        conditions: Conditions that both were played in.
        bound: The upper bound under these conditions.
        goals: The mission's goals.
    """
    nothing, starting = conditions.nothing_usd(), conditions.starting_usd()
    difference = ours.gain - baseline.gain
    retained = nothing + baseline.gain
    relative = ratio(difference, retained)
    costs = baseline.cost.any()
    saving = saving_at_equal_gain(baseline, curve) if costs else None
    allowed = float((nothing + bound.by_customer).mean() / retained.mean()) - 1.0
    return Gain(
        nrr_points=ratio(POINTS * difference, starting),
        nrr_relative=relative,
        offer_cost_relative=ratio(ours.cost - baseline.cost, baseline.cost) if costs else None,
        saving_at_equal_retention=saving,
        bound_nrr_relative=allowed,
        nrr_goal=verdict(relative, goals.nrr_gain) if allowed >= goals.nrr_gain else "impossible",
        # Nothing costs less than a baseline that costs nothing.
        offer_cost_goal=verdict(saving, goals.offer_cost_saving) if costs else "impossible",
    )


def saving_at_equal_gain(baseline: GainAndCost, curve: Sequence[GainAndCost]) -> Interval | None:
    """Estimate the share of the baseline's cost that a policy saves where it gains as much.

    Its cost there is read off the straight lines between its own budgets, from no budget and no
    gain on. More money buys less and less, so the lines lie above the true cost: what is found is
    at most the true saving.

    Args:
        baseline: The baseline whose gain is to be matched.
        curve: The policy under ascending budgets.

    Returns:
        None where the curve does not reach the baseline's gain; all of it where that is not above
        doing nothing.
    """
    zero = np.zeros_like(baseline.gain)
    points = [GainAndCost(zero, zero), *curve]
    gains = [float(point.gain.mean()) for point in points]
    aim, spent = float(baseline.gain.mean()), float(baseline.cost.mean())
    if aim <= 0:
        return Interval(1.0, 1.0, 1.0)
    after = next((k for k in range(1, len(gains)) if gains[k] >= aim), None)
    if after is None:
        return None
    low, high = points[after - 1], points[after]
    rise, climb = gains[after] - gains[after - 1], float((high.cost - low.cost).mean())
    share = (aim - gains[after - 1]) / rise
    cost = float(low.cost.mean()) + share * climb
    # The interpolated cost, linearised in all that it is read off from.
    gained = baseline.gain - (1.0 - share) * low.gain - share * high.gain
    at_aim = (1.0 - share) * low.cost + share * high.cost + climb / rise * gained
    influence = cost / spent**2 * _centred(baseline.cost) - _centred(at_aim) / spent
    return around(1.0 - cost / spent, influence / baseline.gain.size)


def verdict(found: Interval | None, goal: float) -> Verdict:
    """Judge whether a goal is reached; `missed` where there is nothing to judge."""
    if found is None or found.high < goal:
        return "missed"
    return "met" if found.low >= goal else "open"


def _centred(values: Floats) -> Floats:
    result: Floats = values - values.mean()
    return result
