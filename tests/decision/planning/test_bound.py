"""The upper bound: tight against the exact optimum, and above whatever anyone attains."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING

import msgspec
import numpy as np
import pytest
from churnsaver_assets.decision.play.paced import FixedMultiplierAgent
from hypothesis import given, seed, settings
from hypothesis import strategies as st

from churnsaver_assets.decision.planning.bound import upper_bound
from churnsaver_assets.decision.planning.dynamic_programme import CustomerProgrammes
from churnsaver_assets.decision.planning.occupation_lp import occupation_optimum
from churnsaver_assets.decision.planning.planner import LagrangianPlanner
from churnsaver_assets.decision.play.execution import play
from churnsaver_assets.decision.simulator.calendar import Calendar
from churnsaver_serving.runtime.actions import ActionSpace
from tests.support.decision.cohort import START, at_risk, small_cohort, small_setting

if TYPE_CHECKING:
    from churnsaver_assets.decision.simulator.setting import Setting

GROUPS = 8


def few(n: int, *, days: int, delays: tuple[int, ...] = (0,), number: int = 42) -> Setting:
    """Make a setting of a few customers and days, with room for two contacts."""
    setting = small_setting(n, days=days, delays=delays)
    rules = msgspec.structs.replace(setting.rules, cooldown_days=3, fatigue_cap=2)
    cohort = small_cohort(n, number)
    # Risks high enough for a contact to be worth its cost within so few days.
    cohort = at_risk(cohort, np.clip(3 * cohort.p_churn, 0.2, 0.9))
    calendar = Calendar.starting(START, days, rules)
    return replace(setting, cohort=cohort, rules=rules, calendar=calendar)


def unconstrained(setting: Setting) -> CustomerProgrammes:
    return CustomerProgrammes(setting.cohort, setting, setting.nominal)


@seed(42)
@settings(max_examples=15)
@given(
    st.integers(0, 1000),
    st.floats(0.1, 1.2),
    st.one_of(st.none(), st.floats(0.1, 2.0)),
    st.floats(0, 1.5),
)
def test_equals_the_exact_optimum_whatever_the_delays(
    number: int, share: float, capacity: float | None, disturbance: float
) -> None:
    """Tight with and without capacity; and deciding ahead never beats waiting."""
    setting = few(4, days=10, number=number)
    world = msgspec.structs.replace(setting.nominal, disturbance=disturbance)
    programmes = CustomerProgrammes(setting.cohort, setting, world)
    free = upper_bound(programmes, budget_per_customer=np.inf)
    budget = share * free.spend + 0.01
    bound = upper_bound(
        programmes, budget_per_customer=budget, daily_capacity=capacity, tolerance=1e-5
    )
    exact = occupation_optimum(setting, world, budget_per_customer=budget, daily_capacity=capacity)
    ahead = replace(setting, space=ActionSpace(setting.space.offers_pct, (0, 1, 3)))
    delayed = occupation_optimum(ahead, world, budget_per_customer=budget, daily_capacity=capacity)
    assert bound.value == pytest.approx(exact, rel=1e-4)
    assert bound.value >= exact * (1 - 1e-9)
    assert bound.attained <= exact * (1 + 1e-9)
    assert delayed == pytest.approx(exact, rel=1e-9)


@pytest.mark.parametrize("share", [0.15, 0.35, 0.7])
@pytest.mark.parametrize("capacity", [None, 9])
def test_its_own_certificate_is_tight_and_feasible(share: float, capacity: int | None) -> None:
    setting = small_setting(300)
    programmes = unconstrained(setting)
    budget = share * upper_bound(programmes, budget_per_customer=np.inf).spend
    bound = upper_bound(programmes, budget_per_customer=budget, daily_capacity=capacity)
    assert 0.0 <= bound.gap <= 1e-4
    assert bound.spend <= budget * (1 + 1e-9)
    if capacity is not None:
        assert bound.contacts_by_day.max() <= capacity / 300 * (1 + 1e-9)
        assert bound.capacity_multipliers.max() > 0.0
    assert (bound.capacity_multipliers >= 0.0).all()
    assert bound.multiplier >= 0.0


@cache
def bounded() -> tuple[CustomerProgrammes, float]:
    """Programmes, and what a mixture of plans attains with 3 USD and 2 contacts a day."""
    programmes = unconstrained(small_setting(30))
    return programmes, upper_bound(programmes, budget_per_customer=3.0, daily_capacity=2).attained


@seed(42)
@settings(max_examples=20)
@given(st.floats(0, 10), st.lists(st.floats(0, 20), min_size=30, max_size=30).map(np.array))
def test_any_prices_give_a_bound(price: float, charge: np.ndarray) -> None:
    programmes, attained = bounded()
    dual = programmes.solve(price, charge).value.mean() + price * 3.0
    dual += charge[programmes.contact_days.days].sum() * 2 / 30
    assert dual >= attained - 1e-9


def test_grows_with_what_is_shared() -> None:
    programmes = unconstrained(small_setting(100))
    values = [
        upper_bound(programmes, budget_per_customer=budget, daily_capacity=capacity).value
        for budget, capacity in ((1, 2), (1, 4), (4, 4), (4, None), (np.inf, None))
    ]
    assert values == sorted(values)


def test_money_for_everything_costs_nothing() -> None:
    programmes = unconstrained(small_setting(100))
    bound = upper_bound(programmes, budget_per_customer=1e6, daily_capacity=100)
    assert bound.multiplier == 0.0
    assert not bound.capacity_multipliers.any()
    assert bound.value == pytest.approx(programmes.solve(0.0).value.mean())


def test_more_risk_another_bound() -> None:
    """The risk model's probabilities reach the bound; so do the acceptance model's."""
    setting = small_setting(100)
    safer = replace(setting, cohort=at_risk(setting.cohort, setting.cohort.p_churn / 2))
    shy = replace(setting, cohort=setting.cohort.without_acceptance_model())
    values = [
        upper_bound(unconstrained(one), budget_per_customer=3.0).value
        for one in (setting, safer, shy)
    ]
    assert values[1] < 0.8 * values[0]
    assert abs(values[2] / values[0] - 1) > 0.01


@pytest.mark.parametrize("capacity", [None, 12])
@pytest.mark.parametrize("disturbance", [0.1, 1.0])
def test_no_planner_is_above_it(capacity: int | None, disturbance: float) -> None:
    """Sampled, under the hard cap, and told the true world."""
    setting = small_setting(300)
    world = msgspec.structs.replace(setting.nominal, disturbance=disturbance)
    bound = upper_bound(
        CustomerProgrammes(setting.cohort, setting, world),
        budget_per_customer=5.0,
        daily_capacity=capacity,
    )
    agent = FixedMultiplierAgent(
        LagrangianPlanner(world, capacity_multipliers=bound.capacity_multipliers), bound.multiplier
    )
    played = play(
        agent,
        setting,
        [world] * GROUPS,
        budget_per_customer=5.0,
        seed=42,
        daily_capacity=capacity,
    )
    error = played.gain_usd.std(ddof=1) / np.sqrt(GROUPS)
    assert played.gain_usd.mean() <= bound.value + 3 * error
    assert played.gain_usd.mean() >= 0.9 * bound.value


@pytest.mark.parametrize(("budget", "capacity"), [(0.0, None), (-1.0, None), (1.0, 0.0)])
def test_refuses_constraints_that_allow_nothing(budget: float, capacity: float | None) -> None:
    programmes = unconstrained(small_setting(3))
    with pytest.raises(ValueError, match="> 0"):
        upper_bound(programmes, budget_per_customer=budget, daily_capacity=capacity)
