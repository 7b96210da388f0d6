"""The exact optimum of a few customers' joint problem: a certificate for the upper bound.

The linear programme over occupation measures (how likely each state and action is) optimises over
all randomised policies under the shared constraints in expectation (Puterman 1994, section 8.9;
Altman 1999). It grows with customers, days and delays, so it is for small instances only. States
and terms are enumerated one by one here, apart from the arrays of `dynamic_programme`.
"""

from dataclasses import dataclass, field

import numpy as np
from scipy.optimize import linprog
from scipy.sparse import coo_array

from churnsaver_assets.decision.simulator.cohort import Cohort
from churnsaver_assets.decision.simulator.setting import Setting
from churnsaver_serving.runtime.assumptions import World
from churnsaver_serving.runtime.calibration import sigmoid
from churnsaver_serving.runtime.effects import (
    acceptance_shift,
    contact_terms,
    daily_hazard,
    disturbed_hazard,
)

# Day, contacts so far (all refused), day of the latest (infinitely long ago for none).
_State = tuple[int, int, float]


@dataclass(slots=True)
class _Columns:
    """State-action pairs with their rewards, costs and transitions."""

    reward: list[float] = field(default_factory=list)
    cost: list[float] = field(default_factory=list)
    contact_day: list[int] = field(default_factory=list)
    reach: list[float] = field(default_factory=list)
    flow_row: list[int] = field(default_factory=list)
    flow_column: list[int] = field(default_factory=list)
    flow: list[float] = field(default_factory=list)
    start: list[float] = field(default_factory=list)


def occupation_optimum(
    setting: Setting,
    world: World,
    *,
    budget_per_customer: float,
    daily_capacity: float | None = None,
) -> float:
    """Find the greatest value over doing nothing, USD per customer, under constraints on average.

    A contact decided ahead takes capacity on its own day, if the customer is still there.

    Args:
        setting: Few customers and days; all delays of its space are actions.
        world: The true world, without hidden responsiveness.
        budget_per_customer: USD, finite.
        daily_capacity: Most contacts with all customers on a day; None for no limit.
    """
    columns = _Columns()
    for row in range(len(setting.cohort)):
        _enumerate(columns, setting, world, setting.cohort.rows(np.array([row])))
    size = len(columns.reward)
    limits, usage = [budget_per_customer * len(setting.cohort)], [np.array(columns.cost)]
    if daily_capacity is not None:
        day, reach = np.array(columns.contact_day), np.array(columns.reach)
        usage += [np.where(day == one, reach, 0.0) for one in range(setting.calendar.days)]
        limits += [daily_capacity] * setting.calendar.days
    answer = linprog(
        -np.array(columns.reward),
        A_ub=np.stack(usage),
        b_ub=limits,
        A_eq=coo_array(
            (columns.flow, (columns.flow_row, columns.flow_column)),
            shape=(len(columns.start), size),
        ).tocsr(),
        b_eq=columns.start,
        method="highs",
    )
    if not answer.success:
        raise RuntimeError(f"occupation measures: {answer.message}")
    return float(-answer.fun) / len(setting.cohort)


def _enumerate(columns: _Columns, setting: Setting, world: World, customer: Cohort) -> None:
    """Add one customer's states and actions, from the first day on."""
    rows: dict[_State, int] = {}
    waiting: list[_State] = []

    def row_of(state: _State) -> int:
        if state not in rows:
            rows[state] = len(columns.start)
            columns.start.append(0.0)
            waiting.append(state)
        return rows[state]

    def add(state: _State, then: _State, probability: float) -> None:
        column = len(columns.reward)
        columns.flow_row.append(rows[state])
        columns.flow_column.append(column)
        columns.flow.append(1.0)
        if then[0] < setting.calendar.days:
            columns.flow_row.append(row_of(then))
            columns.flow_column.append(column)
            columns.flow.append(-probability)

    columns.start[row_of((0, 0, -np.inf))] = 1.0
    while waiting:
        state = waiting.pop()
        day, contacts, latest = state
        stay = 1.0 - _hazard(world, customer, contacts)
        add(state, (day + 1, contacts, latest), stay)
        _book(columns, reward=0.0, cost=0.0, day=-1, reach=0.0)
        for delay in setting.space.delays_days if contacts < setting.rules.fatigue_cap else ():
            on = day + delay
            if on >= setting.calendar.days or not setting.calendar.working[on]:
                continue
            if on - latest < setting.rules.cooldown_days:
                continue
            reach = stay**delay
            go_on = 1.0 - _hazard(world, customer, contacts + 1)
            offers = _offers(setting, world, customer, (on, contacts, latest))
            for net, cost, p_accept in offers:
                add(state, (on + 1, contacts + 1, float(on)), reach * (1.0 - p_accept) * go_on)
                _book(columns, reward=reach * net, cost=reach * cost, day=on, reach=reach)


def _book(columns: _Columns, *, reward: float, cost: float, day: int, reach: float) -> None:
    columns.reward.append(reward)
    columns.cost.append(cost)
    columns.contact_day.append(day)
    columns.reach.append(reach)


def _hazard(world: World, customer: Cohort, refusals: int) -> float:
    base = daily_hazard(world, customer.p_churn)
    return float(disturbed_hazard(world, base, customer.p_churn, np.array([float(refusals)]))[0])


def _offers(
    setting: Setting, world: World, customer: Cohort, state: _State
) -> list[tuple[float, float, float]]:
    """Return net value, cost and probability to accept of each offer made in a state."""
    day, contacts, latest = state
    offers, calendar = setting.space.offers_pct, setting.calendar
    counted = min(contacts, customer.accept_logit.shape[1] - 1)
    base = customer.accept_logit[:, counted]
    since = np.array([day - latest])
    shift = acceptance_shift(world, offers, since, np.array([float(contacts)]))
    p_accept = sigmoid(base[:, None] + shift)
    terms = contact_terms(
        world,
        offers,
        p_churn=customer.p_churn,
        hazard=np.array([_hazard(world, customer, contacts)]),
        monthly_charge_usd=customer.monthly_charge_usd,
        p_accept=p_accept,
        days_left=np.array([float(calendar.days - day)]),
    )
    return list(
        zip(terms.net[0].tolist(), terms.cost[0].tolist(), p_accept[0].tolist(), strict=True)
    )
