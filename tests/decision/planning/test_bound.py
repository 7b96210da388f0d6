"""The upper bound: tight against the exact optimum, and above whatever anyone attains."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
import pytest
from hypothesis import given, seed, settings
from hypothesis import strategies as st

from churnsaver_assets.decision.planning.bound import UpperBounds, upper_bound_from
from churnsaver_assets.decision.planning.occupation_lp import occupation_optimum
from churnsaver_assets.decision.planning.programmes import CustomerProgrammes
from churnsaver_assets.decision.planning.timing import Timing
from churnsaver_assets.decision.play.served import ServedConditions
from churnsaver_assets.decision.simulator.calendar import Calendar
from churnsaver_serving.runtime.policies.planner import StationaryPlanner
from churnsaver_serving.runtime.policies.policy import OneStepPolicy, PropensityPolicy
from tests.support.decision.cohort import at_risk
from tests.support.decision.living import (
    START,
    burnt_in,
    living,
    living_setting,
    run,
    with_budget,
)

if TYPE_CHECKING:
    from churnsaver_assets.decision.planning.bound import LagrangianBound
    from churnsaver_assets.decision.play.served import ServedMode
    from churnsaver_assets.decision.simulator.arrivals import Arrival
    from churnsaver_assets.decision.simulator.dynamics import Dynamics
    from churnsaver_serving.runtime.policies.policy import Policy

GROUPS = 8
BURN_IN = 31
# April to June.
DAYS = 91


def few(number: int, *, days: int = 30, arrival: Arrival = "daily", **world: Any) -> Dynamics:
    """Make a few customers of high risk, whom a short burn-in leaves in all kinds of states."""
    setting = living_setting(4, days, seed=number)
    rules = msgspec.structs.replace(
        setting.rules,
        cooldown_days=3,
        fatigue_cap=2,
        fatigue_window_days=9,
        accepted_rest_days=8,
    )
    nominal = msgspec.structs.replace(
        setting.nominal, contact_cost_usd=0.2, acceptance_offset=2.0, recency_penalty=1.0, **world
    )
    setting = replace(
        setting,
        cohort=replace(
            at_risk(setting.cohort, np.clip(2 * setting.cohort.p_churn, 0.2, 0.9)),
            tenure_months=np.ones(4, dtype=np.int64),
        ),
        rules=rules,
        calendar=Calendar.starting(START, days, rules),
        nominal=nominal,
    )
    dynamics = living(setting, arrival=arrival, new_share=1.0, seed=number)
    return burnt_in(dynamics, 12, 0.0, budget_usd=100.0).dynamics


def exact(dynamics: Dynamics, budget: float, capacity: float | None = None) -> LagrangianBound:
    programmes = CustomerProgrammes(dynamics, dtype=np.float64, days_fill_up=capacity is not None)
    return UpperBounds(programmes).at(budget, capacity, tolerance=1e-6, max_evaluations=200)


@seed(42)
@settings(max_examples=8)
@given(
    st.integers(0, 1000),
    st.sampled_from([6, 11, 90]),
    st.floats(0, 1.0),
    st.one_of(st.just(np.inf), st.floats(0.2, 3.0)),
    st.one_of(st.none(), st.floats(0.1, 1.0)),
)
def test_equals_the_exact_optimum_of_the_relaxed_problem(
    number: int, effect_days: int, disturbance: float, budget: float, capacity: float | None
) -> None:
    """From any state that a burn-in leaves, offers that outlast the rest among them."""
    dynamics = few(number, effect_days=float(effect_days), disturbance=disturbance)
    bound = exact(dynamics, budget, capacity)
    optimum = occupation_optimum(dynamics, budget_usd=budget, daily_capacity=capacity)
    assert bound.value == pytest.approx(optimum, rel=1e-5, abs=1e-9)
    assert bound.value >= optimum * (1 - 1e-9)
    assert bound.attained <= optimum * (1 + 1e-9)


@seed(42)
@settings(max_examples=8)
@given(
    st.integers(0, 1000),
    st.sampled_from(["daily", "monthly", "bursts"]),
    st.sampled_from([6, 11, 90]),
    st.floats(0, 1.0),
    st.one_of(st.just(np.inf), st.floats(0.2, 3.0)),
)
def test_is_above_the_exact_optimum_of_the_problem_itself(
    number: int, arrival: Arrival, effect_days: int, disturbance: float, budget: float
) -> None:
    """Everything remembered, the fatigue cap kept: no policy at all is above the bound."""
    dynamics = few(number, arrival=arrival, effect_days=float(effect_days), disturbance=disturbance)
    bound = exact(dynamics, budget)
    optimum = occupation_optimum(dynamics, budget_usd=budget, relaxed=False)
    assert optimum <= bound.value * (1 + 1e-9) + 1e-9


def test_is_the_exact_optimum_where_nothing_is_relaxed() -> None:
    """One contact at most fits into the days, so nothing can be forgotten."""
    setting = living_setting(3, 8)
    setting = replace(setting, cohort=at_risk(setting.cohort, np.array([0.5, 0.6, 0.7])))
    dynamics = living(setting, new_share=0.0)
    bound = exact(dynamics, 5.0)
    optimum = occupation_optimum(dynamics, budget_usd=5.0, relaxed=False)
    assert optimum > 1.0
    assert bound.value == pytest.approx(optimum, rel=1e-5)


@cache
def state(arrival: Arrival) -> ServedMode:
    """A month of service with some hundred customers."""
    setting = living_setting(300, BURN_IN + DAYS)
    return burnt_in(living(setting, groups=GROUPS, arrival=arrival), BURN_IN, 0.3, budget_usd=6.0)


@pytest.mark.parametrize("budget", [1.5, 4.0])
@pytest.mark.parametrize("capacity", [None, 5])
def test_its_own_certificate_is_tight_and_feasible(budget: float, capacity: int | None) -> None:
    dynamics = state("daily").dynamics
    bound = upper_bound_from(dynamics, budget_usd=budget, daily_capacity=capacity)
    assert 0.0 <= bound.gap <= (1e-3 if capacity is None else 2e-2)
    assert (bound.spend_usd <= budget * (1 + 1e-6)).all()
    assert bound.multipliers.max() > 0.0
    assert len(bound.multipliers) == 3
    if capacity is None:
        assert bound.evaluations <= 60
        assert not bound.capacity_multipliers.any()
    else:
        assert bound.contacts.max() <= capacity / 300 * (1 + 1e-6)
        assert bound.capacity_multipliers.max() > 0.0


def test_its_parts_add_up() -> None:
    bound = upper_bound_from(state("daily").dynamics, budget_usd=3.0)
    assert bound.value == pytest.approx(
        bound.by_member.sum() / 300 + 3.0 * bound.multipliers.sum(), rel=1e-9
    )
    assert (bound.by_member >= -1e-4).all()


@cache
def programmes() -> tuple[CustomerProgrammes, float]:
    """Programmes, and what a mixture of plans attains with 3 USD a month and 4 contacts a day."""
    found = CustomerProgrammes(state("daily").dynamics, days_fill_up=True)
    return found, UpperBounds(found).at(3.0, 4).attained


@seed(42)
@settings(max_examples=20)
@given(
    st.lists(st.floats(0, 10), min_size=3, max_size=3).map(np.array),
    st.lists(st.floats(0, 20), min_size=DAYS, max_size=DAYS).map(np.array),
)
def test_any_prices_give_a_bound(prices: np.ndarray, charge: np.ndarray) -> None:
    some, attained = programmes()
    dual = some.by_member(some.solve(prices, charge)).sum() + 3.0 * prices.sum()
    dual += charge[some.working].sum() * 4 / 300
    assert dual >= attained * (1 - 1e-5)


def test_grows_with_what_is_shared() -> None:
    bounds = UpperBounds(programmes()[0])
    values = [
        bounds.at(budget, capacity, tolerance=5e-3)
        for budget, capacity in ((1, 3), (1, 8), (4, 8), (4, None), (np.inf, None))
    ]
    assert [one.value for one in values] == sorted(one.value for one in values)


def test_money_for_everything_costs_nothing() -> None:
    some = programmes()[0]
    bound = UpperBounds(some).at(1e6, 300)
    assert not bound.multipliers.any()
    assert not bound.capacity_multipliers.any()
    assert bound.value == pytest.approx(some.by_member(some.solve(np.zeros(3))).sum())


def test_groups_that_are_alike_share_tables() -> None:
    """The mean over groups is the groups' mean, prices fixed."""
    dynamics = state("daily").dynamics
    prices = np.array([0.5, 0.3, 0.1])
    whole = CustomerProgrammes(dynamics, dtype=np.float64)
    value = whole.by_member(whole.solve(prices)).sum()
    parts = [CustomerProgrammes(dynamics, group=one, dtype=np.float64) for one in range(GROUPS)]
    values = [one.by_member(one.solve(prices)).sum() for one in parts]
    assert np.std(values) > 0.0
    assert value == pytest.approx(np.mean(values), rel=1e-9)


def test_knows_hidden_responsiveness() -> None:
    """Knowing who responds is worth more than the mean says."""
    setting = living_setting(200, DAYS)
    hidden = msgspec.structs.replace(setting.nominal, responsiveness=1.0)
    values = [
        upper_bound_from(living(setting, groups=2, world=world), budget_usd=3.0).value
        for world in (setting.nominal, hidden)
    ]
    assert values[1] > 1.02 * values[0]


def test_customers_who_join_later_count_from_their_first_day() -> None:
    setting = living_setting(200, DAYS)
    dynamics = living(setting, new_share=0.3)
    bound = upper_bound_from(dynamics, budget_usd=np.inf)
    joining = dynamics.population.start
    late, early = joining > DAYS - 5, (joining > 0) & (joining <= 30)
    assert late.any()
    assert early.any()
    assert 0.0 < 1.3 * bound.by_member[late].mean() < bound.by_member[early].mean()


POLICIES: list[tuple[Policy, float]] = [
    *((OneStepPolicy(), multiplier) for multiplier in (0.0, 0.3, 1.0)),
    *((StationaryPlanner(), multiplier) for multiplier in (0.0, 0.3)),
    (PropensityPolicy(0.5, 10), 0.0),
    (PropensityPolicy(0.2, 20), 0.0),
]


@pytest.mark.parametrize("arrival", ["daily", "monthly"])
@pytest.mark.parametrize("capacity", [None, 3])
def test_no_policy_in_service_is_above_it(arrival: Arrival, capacity: int | None) -> None:
    """From the state that a month of service leaves, budget, order and reserves as served."""
    mode = state(arrival)
    bound = upper_bound_from(mode.dynamics, budget_usd=6.0, daily_capacity=capacity)
    shares = []
    for policy, multiplier in POLICIES:
        other = with_budget(mode, policy, multiplier)
        other.conditions = ServedConditions(budget_usd=6.0, daily_capacity=capacity)
        played = run(other)
        error = played.value.std(ddof=1) / np.sqrt(GROUPS)
        assert played.value.mean() <= bound.value + 3 * error
        shares.append(played.value.mean() / bound.value)
    assert max(shares) >= 0.5


@pytest.mark.parametrize(("budget", "capacity"), [(0.0, None), (-1.0, None), (1.0, 0)])
def test_refuses_constraints_that_allow_nothing(budget: float, capacity: int | None) -> None:
    with pytest.raises(ValueError, match="> 0"):
        upper_bound_from(state("daily").dynamics, budget_usd=budget, daily_capacity=capacity)


def test_refuses_a_capacity_where_no_day_may_fill_up() -> None:
    bounds = UpperBounds(CustomerProgrammes(state("daily").dynamics))
    with pytest.raises(ValueError, match="daily_capacity"):
        bounds.at(3.0, 5)


@seed(42)
@settings(max_examples=200)
@given(st.lists(st.integers(7, 40), min_size=0, max_size=5))
def test_every_history_is_a_pattern_and_none_looks_more_recent_than_it_is(gaps: list[int]) -> None:
    timing = Timing.of(state("monthly").dynamics)
    days = np.cumsum([0, *gaps]).tolist()
    pattern = timing.history(days)
    assert pattern in timing.patterns
    ages = [days[-1] - day for day in days[-2::-1]]
    assert all(old >= age for old, age in zip(pattern, ages, strict=False))
    for since in range(7, 60):
        assert timing.after(pattern, since) in timing.patterns
