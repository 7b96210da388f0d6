"""The budgets that policies are compared at, with one upper bound for reference."""

from dataclasses import replace

import msgspec
import numpy as np

from churnsaver_assets.decision.planning.bound import UpperBounds
from churnsaver_assets.decision.planning.occupation_lp import occupation_optimum
from churnsaver_assets.decision.planning.programmes import CustomerProgrammes
from churnsaver_assets.decision.play.pacing_rule import fixed_multiplier
from churnsaver_assets.decision.play.served import ServedConditions, ServedMode
from churnsaver_assets.decision.simulator.calendar import Calendar
from churnsaver_assets.decision.simulator.dynamics import Dynamics
from churnsaver_assets.decision.simulator.population import draw_population
from churnsaver_assets.decision.simulator.setting import Setting
from churnsaver_assets.experiments.evaluation_spec import BudgetsSpec
from churnsaver_serving.runtime.policies.pacing import Pacing
from churnsaver_serving.runtime.policies.policy import OneStepPolicy

_NO_LIMIT_USD = 1e6
# The certificate's days go over the end of a month; few contacts a day, so that capacity binds.
_CERTIFIED_FROM, _CERTIFIED_DAYS = 18, 26
_CERTIFIED_CONTACTS = 0.1


class Budget(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One budget that policies are compared at.

    Attributes:
        budget_share: Budget as a share of what the one-step rule spends where money is free.
        budget_per_customer: Budget of a month, USD for each customer of the first day.
        daily_capacity: Most contacts a day; None for no limit.
    """

    budget_share: float
    budget_per_customer: float
    daily_capacity: int | None


class ReferenceBound(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The upper bound at the middle budget, for whoever begins with everybody untouched.

    Attributes:
        budget_per_customer: Budget of a month, USD for each customer of the first day.
        bound: No policy's expected value is above it, USD for each customer of the first day.
        gap: Most by which the bound can be above the least upper bound, as a share of it.
        multipliers: Value of the last dollar of each month, dollars.
    """

    budget_per_customer: float
    bound: float
    gap: float
    multipliers: tuple[float, ...]


class Budgets(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All budgets of an evaluation.

    Attributes:
        customers: Number of customers of the first day.
        months: Number of months played.
        unconstrained_spend: What the one-step rule spends in a month where money is free, USD for
            each customer of the first day.
        unconstrained_gain: What it gains in all months, over no contact.
        budgets: Budgets without a capacity, ascending, then the one with a capacity.
        reference: The upper bound at the middle budget.
    """

    customers: int
    months: int
    unconstrained_spend: float
    unconstrained_gain: float
    budgets: tuple[Budget, ...]
    reference: ReferenceBound

    @property
    def plain(self) -> tuple[Budget, ...]:
        """Return the budgets without a capacity."""
        return tuple(one for one in self.budgets if one.daily_capacity is None)

    @property
    def limited(self) -> Budget:
        """Return the budget with a capacity."""
        return next(one for one in self.budgets if one.daily_capacity is not None)


class Certificate(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The bound beside the exact optimum on a few customers.

    Attributes:
        daily_capacity: Most contacts a day; None for no limit.
        bound: Bound found by prices and dynamic programmes.
        optimum: Optimum of the same relaxed problem, by the linear programme over occupation
            measures.
    """

    daily_capacity: float | None
    bound: float
    optimum: float

    @property
    def error(self) -> float:
        """Return the relative difference of the two."""
        return abs(self.bound - self.optimum) / max(abs(self.optimum), 1e-9)


def find_budgets(
    setting: Setting, spec: BudgetsSpec, *, months: int, new_share: float, seed: int
) -> Budgets:
    """Find the amounts that `spec` names as shares, by simulating the one-step rule.

    It serves everybody daily, where money is free, from the calendar's first day on.

    Args:
        setting: Held-out customers and rules; the nominal world is the true one.
        spec: Budgets as shares, and the capacity.
        months: Months played, that of the burn-in included.
        new_share: New customers a month, as a share of those of the first day.
        seed: Seed for everything drawn.
    """
    start = _living(_over_months(setting, months), new_share, seed)
    size, days = start.population.first, start.setting.calendar.days
    mode = ServedMode(
        start.copy(),
        OneStepPolicy(),
        Pacing(fixed_multiplier(0.0), size),
        ServedConditions(budget_usd=_NO_LIMIT_USD),
        seed=seed,
    )
    made = [mode.play_day() for _ in range(days)]
    spend = sum(float(day.cost.sum()) for day in made) / size / months
    gain = sum(start.discount**day.day * float((day.gain - day.cost).sum()) for day in made) / size
    middle = spec.middle_share * spend
    bound = UpperBounds(CustomerProgrammes(start)).at(middle)
    capacity = max(1, round(spec.capacity.daily_contacts * size))
    return Budgets(
        customers=size,
        months=months,
        unconstrained_spend=spend,
        unconstrained_gain=gain,
        budgets=(
            *(Budget(share, share * spend, None) for share in spec.budget_shares),
            Budget(spec.capacity.budget_share, spec.capacity.budget_share * spend, capacity),
        ),
        reference=ReferenceBound(middle, bound.value, bound.gap, tuple(bound.multipliers.tolist())),
    )


def certify(setting: Setting, *, customers: int, share: float) -> tuple[Certificate, ...]:
    """Compare bound and optimum on a few customers, without and with a daily capacity.

    Args:
        setting: The evaluated setting; the nominal world is the true one.
        customers: Number of customers, from some that are at risk.
        share: Budget of a month as a share of their unconstrained spend.
    """
    by_risk = np.argsort(setting.cohort.p_churn)
    some = np.linspace(0.6, 0.95, customers) * (len(by_risk) - 1)
    first = setting.calendar.first.replace(day=_CERTIFIED_FROM)
    small = replace(
        setting,
        cohort=setting.cohort.rows(by_risk[some.astype(np.int64)]),
        believed=None,
        calendar=Calendar.starting(first, _CERTIFIED_DAYS, setting.rules),
    )
    dynamics = _living(small, 0.0, 0)
    result = []
    for capacity in (None, _CERTIFIED_CONTACTS * customers):
        programmes = CustomerProgrammes(
            dynamics, days_fill_up=capacity is not None, dtype=np.float64
        )
        bounds = UpperBounds(programmes)
        budget = share * float(bounds.at(np.inf).spend_usd.max())
        found = bounds.at(budget, capacity, tolerance=1e-5, max_evaluations=300)
        optimum = occupation_optimum(dynamics, budget_usd=budget, daily_capacity=capacity)
        result.append(Certificate(capacity, found.value, optimum))
    return tuple(result)


def _over_months(setting: Setting, months: int) -> Setting:
    """Return a setting over some whole months from the calendar's first month on."""
    first = setting.calendar.first.replace(day=1)
    following = first.year * 12 + first.month - 1 + months
    end = first.replace(year=following // 12, month=following % 12 + 1)
    return replace(setting, calendar=Calendar.starting(first, (end - first).days, setting.rules))


def _living(setting: Setting, new_share: float, seed: int) -> Dynamics:
    population = draw_population(
        setting.cohort, setting.calendar, arrival="daily", new_share=new_share, seed=seed
    )
    return Dynamics(setting, population, [setting.nominal], seed=seed)
