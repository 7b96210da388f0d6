"""Business metrics of a trial, and paired differences between trials."""

import numpy as np

from churnsaver_assets.common.estimates import Interval, over_replicates, ratio
from churnsaver_assets.decision.evaluation.results import DailyPath, PolicyFigures, Violations
from churnsaver_assets.decision.evaluation.trials import Ceiling, Conditions, Trial

POINTS = 100.0

# Value may exceed the bound by rounding: the bound's solver stops at this share of it.
_TOLERANCE = 1e-6


def policy_figures(trial: Trial, conditions: Conditions, ceiling: Ceiling) -> PolicyFigures:
    """What a policy came to.

    Headroom and retention have intervals over customers and luck. A cohort's offer cost is set by
    the budget, so those of cost and contacts are over luck.

    Args:
        trial: of the policy.
        conditions: of the trial.
        ceiling: the bound under these conditions.
    """
    played = trial.played
    gain, cost = trial.gain(ceiling), trial.cost()
    nothing, starting = conditions.nothing_usd(), conditions.starting_usd()
    over_cap = float(played.over_cap.mean())
    return PolicyFigures(
        headroom=headroom(trial, ceiling),
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
        above_bound=above_bound(trial, ceiling),
    )


def above_bound(trial: Trial, ceiling: Ceiling) -> bool:
    """Whether a policy is worth more than the bound allows, beyond what luck explains.

    The bound holds for exactly these customers, so only luck counts.
    """
    value = over_replicates(trial.gain(ceiling).mean(axis=1))
    return value.low > ceiling.usd_per_customer * (1.0 + _TOLERANCE)


def headroom(trial: Trial, ceiling: Ceiling) -> Interval:
    """Value over doing nothing, as a share of the bound's."""
    return ratio(trial.gain(ceiling), ceiling.by_customer)


def headroom_difference(one: Trial, other: Trial, ceiling: Ceiling) -> Interval:
    """Headroom of one policy less another's under the same conditions, paired, in points."""
    difference = one.gain(ceiling) - other.gain(ceiling)
    return ratio(POINTS * difference, ceiling.by_customer)


def daily_path(trial: Trial) -> DailyPath:
    """Means over the replicates."""
    multipliers = trial.multipliers
    return DailyPath(
        spent_usd=tuple(trial.played.spent_by_day.mean(axis=0).tolist()),
        contacts=tuple(trial.played.contacts_by_day.mean(axis=0).tolist()),
        multiplier=None if multipliers is None else tuple(multipliers.tolist()),
    )
