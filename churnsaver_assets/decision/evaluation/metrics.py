"""Business metrics of a trial, and paired differences between trials."""

import numpy as np

from churnsaver_assets.common.estimates import Interval, over_replicates, ratio
from churnsaver_assets.decision.evaluation.results import DailyPath, PolicyMetrics, Violations
from churnsaver_assets.decision.evaluation.trials import Conditions, Trial, UpperBound

POINTS = 100.0

# Value may exceed the bound by rounding: the bound's solver stops at this share of it.
_TOLERANCE = 1e-6


def policy_metrics(trial: Trial, conditions: Conditions, bound: UpperBound) -> PolicyMetrics:
    """Compute the metrics of one policy's trial.

    Headroom and retention have intervals over customers and luck. A cohort's offer cost is set by
    the budget, so those of cost and contacts are over luck.

    Args:
        trial: Trial of the policy.
        conditions: Conditions of the trial.
        bound: The upper bound under these conditions.
    """
    played = trial.played
    gain, cost = trial.gain(bound), trial.cost()
    nothing, starting = conditions.nothing_usd(), conditions.starting_usd()
    over_cap = float(played.over_cap.mean())
    return PolicyMetrics(
        headroom=headroom(trial, bound),
        nrr=ratio(nothing + gain, starting),
        offer_cost=over_replicates(played.spent_usd),
        contact_rate=over_replicates(played.contacts),
        roi=ratio(gain, cost) if cost.any() else None,
        budget_spent=over_replicates(played.spent_usd / conditions.budget_usd),
        violations=Violations(
            overspent=int(played.overspent.sum()),
            cooldown_breaches=int(played.cooldown_breaches.sum()),
            over_capacity_days=int(played.over_capacity.sum()),
            fatigue_over_cap=None if np.isnan(played.over_cap).any() else over_cap,
        ),
        above_bound=above_bound(trial, bound),
    )


def above_bound(trial: Trial, bound: UpperBound) -> bool:
    """Return whether a policy is worth more than the bound allows, beyond what luck explains.

    The bound holds for exactly these customers, so only luck counts.
    """
    value = over_replicates(trial.gain(bound).mean(axis=1))
    return value.low > bound.usd_per_customer * (1.0 + _TOLERANCE)


def headroom(trial: Trial, bound: UpperBound) -> Interval:
    """Return the value over doing nothing, as a share of the bound's."""
    return ratio(trial.gain(bound), bound.by_customer)


def headroom_difference(one: Trial, other: Trial, bound: UpperBound) -> Interval:
    """Return one policy's headroom less another's under the same conditions, paired, in points."""
    difference = one.gain(bound) - other.gain(bound)
    return ratio(POINTS * difference, bound.by_customer)


def daily_path(trial: Trial) -> DailyPath:
    """Return means over the replicates, day by day."""
    multipliers = trial.multipliers
    return DailyPath(
        spent_usd=tuple(trial.played.spent_by_day.mean(axis=0).tolist()),
        contacts=tuple(trial.played.contacts_by_day.mean(axis=0).tolist()),
        multiplier=None if multipliers is None else tuple(multipliers.tolist()),
    )
