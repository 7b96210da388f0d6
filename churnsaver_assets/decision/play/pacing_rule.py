"""The start of pacing, fitted: what a policy spends in a month at each multiplier."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from churnsaver_assets.decision.play.served import ServedConditions, ServedMode
from churnsaver_assets.decision.simulator.arrivals import Arrival
from churnsaver_assets.decision.simulator.calendar import Calendar
from churnsaver_assets.decision.simulator.dynamics import Dynamics
from churnsaver_assets.decision.simulator.population import draw_population
from churnsaver_assets.decision.simulator.setting import Setting
from churnsaver_assets.experiments.pacing_spec import PacingSpec
from churnsaver_serving.runtime.arrays import Floats
from churnsaver_serving.runtime.policies.pacing import Pacing, PacingRule, Start
from churnsaver_serving.runtime.policies.policy import Policy

_ARRIVALS: tuple[Arrival, ...] = ("daily", "monthly")
_NO_LIMIT_USD = 1e6
_BUDGETS = 12


def fit_pacing_rule(
    policies: Sequence[Policy], setting: Setting, spec: PacingSpec, *, new_share: float, seed: int
) -> PacingRule:
    """Simulate policies at fixed multipliers, and read off where to begin at each budget.

    Played in served mode without a budget, with training customers. Asked about daily, customers
    are met more often, and the same price spends more; so there are two starts, daily and once a
    month. As many months as are counted are played before and left out: they begin with everybody
    open, and who accepts then is out of reach for the months that follow. Dual descent does the
    rest, so the start need not be exact.

    Args:
        policies: The policies, each of which begins where its own simulation says. All others
            begin where the first does.
        setting: Training customers, rules and the nominal world; its calendar's first day is where
            the simulation begins.
        spec: Multipliers, months and how pacing moves.
        new_share: New customers a month, as a share of those of the first day.
        seed: Seed for everything drawn.
    """
    some = some_customers(setting, spec.customers, seed)
    budgets = np.geomspace(spec.least_budget_usd, spec.most_budget_usd, _BUDGETS)
    starts = {}
    for policy in policies:
        curves = []
        for arrival in _ARRIVALS:
            spend = _monthly_spend(policy, some, arrival, spec, new_share=new_share, seed=seed)
            # A dearer dollar never buys more; what luck says otherwise is levelled.
            spend = np.minimum.accumulate(spend)
            multipliers = np.interp(budgets, spend[::-1], np.array(spec.multipliers)[::-1])
            curves.append(tuple(np.minimum.accumulate(multipliers).tolist()))
        starts[policy.name] = Start(*curves)
    return PacingRule(
        budgets_usd=tuple(budgets.tolist()),
        start=starts[policies[0].name],
        step=spec.step,
        correction=spec.correction,
        most_correction=spec.most_correction,
        most_overspend=spec.most_overspend,
        capacity_step_usd=spec.capacity_step_usd,
        waiting_share=spec.waiting_share,
        scarce_step=spec.scarce_step,
        own_starts=starts,
    )


def fixed_multiplier(multiplier: float) -> PacingRule:
    """Return the rule that keeps one multiplier, whatever is spent."""
    return PacingRule(
        budgets_usd=(1.0,),
        start=Start((multiplier,), (multiplier,)),
        step=0.0,
        correction=0.0,
        most_correction=1.0,
        most_overspend=1.0,
        capacity_step_usd=0.0,
        waiting_share=0.0,
        scarce_step=0.0,
    )


def some_customers(setting: Setting, size: int, seed: int) -> Setting:
    """Return the setting with some of its customers, drawn once, at most as many as it has."""
    n = len(setting.cohort)
    at = np.sort(np.random.default_rng(seed).choice(n, size=min(size, n), replace=False))
    believed = setting.believed
    return replace(
        setting,
        cohort=setting.cohort.rows(at),
        believed=None if believed is None else believed.rows(at),
    )


def _monthly_spend(
    policy: Policy,
    setting: Setting,
    arrival: Arrival,
    spec: PacingSpec,
    *,
    new_share: float,
    seed: int,
) -> Floats:
    """Return the expected spend in a month at each multiplier, USD a customer, shape (L,)."""
    first = setting.calendar.first.replace(day=1)
    months = first.year * 12 + first.month - 1 + 2 * spec.months
    end = first.replace(year=months // 12, month=months % 12 + 1)
    calendar = Calendar.starting(first, (end - first).days, setting.rules)
    whole = replace(setting, calendar=calendar)
    population = draw_population(
        whole.cohort, calendar, arrival=arrival, new_share=new_share, seed=seed
    )
    start = Dynamics(whole, population, [setting.nominal], seed=seed)
    later = np.unique(calendar.months)[spec.months :]
    result = []
    for multiplier in spec.multipliers:
        mode = ServedMode(
            start.copy(),
            policy,
            Pacing(fixed_multiplier(multiplier), population.first),
            ServedConditions(budget_usd=_NO_LIMIT_USD),
            seed=seed,
        )
        for _ in range(calendar.days):
            mode.play_day()
        accounts = mode.accounts(0)
        spent = [accounts[int(month)].expected_cents for month in later]
        result.append(float(np.mean(spent)) / 100.0 / population.first)
    return np.array(result)
