"""The customers' dynamic programmes against the environment itself, played in closed form."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import TYPE_CHECKING

import msgspec
import numpy as np
import pytest
from hypothesis import given, seed, settings
from hypothesis import strategies as st

from churnsaver_assets.decision.planning.dynamic_programme import CustomerProgrammes, Plan
from churnsaver_assets.decision.simulator.calendar import Calendar
from churnsaver_assets.decision.simulator.environment import RetentionVectorEnv
from churnsaver_assets.decision.simulator.worlds import Worlds
from tests.support.decision.cohort import nominal_world, small_cohort, small_setting

if TYPE_CHECKING:
    import numpy.typing as npt

    from churnsaver_assets.decision.simulator.setting import Setting
    from churnsaver_serving.runtime.assumptions import World

    Floats = npt.NDArray[np.float64]

DAYS = 30

worlds = st.builds(
    lambda response, disturbance, recency, hazard, offset, fatigue: msgspec.structs.replace(
        nominal_world(),
        offer_response=response,
        disturbance=disturbance,
        recency_penalty=recency,
        hazard_scale=hazard,
        acceptance_offset=offset,
        contact_fatigue=fatigue,
    ),
    st.floats(0, 0.2),
    st.floats(0, 2),
    st.floats(0, 2),
    st.floats(0.5, 3),
    st.floats(-1, 1),
    st.floats(0, 1),
)
prices = st.floats(0, 6)
capacity_prices = st.lists(st.floats(0, 10), min_size=DAYS, max_size=DAYS).map(np.array)


def ruled(n: int, *, cooldown: int, cap: int, start: date) -> Setting:
    setting = small_setting(n, days=DAYS)
    rules = msgspec.structs.replace(setting.rules, cooldown_days=cooldown, fatigue_cap=cap)
    return replace(setting, rules=rules, calendar=Calendar.starting(start, DAYS, rules))


def play_plan(env: RetentionVectorEnv, plan: Plan, price: Floats, charge: Floats) -> dict:
    """Follow a plan in the integrated environment; sums by row, and totals by day."""
    value, spend, contacts = np.zeros(env.size), [], []
    while not env.done:
        rows = np.flatnonzero(env.available())
        action = np.zeros(env.size, dtype=np.int64)
        if len(rows):
            since = np.where(env.contacts[rows] > 0, env.days_since[rows], 0.0)
            choice = plan.choice(
                env.day, rows, env.contacts[rows].astype(int), env.day - since.astype(int)
            )
            action[rows] = np.where(choice.advantage > 0, 1 + choice.offer, 0)
        weight, day = env.weight.copy(), env.day
        step = env.step(action)
        value += weight * (step.reward - price * step.cost - charge[day] * step.contacted)
        spend.append((weight * step.cost).sum())
        contacts.append((weight * step.contacted).sum())
    return {"value": value, "spend": np.array(spend), "contacts": np.array(contacts)}


@seed(42)
@settings(max_examples=25)
@given(
    two=st.lists(worlds, min_size=2, max_size=2),
    price=st.lists(prices, min_size=2, max_size=2),
    charge=capacity_prices,
    cooldown=st.sampled_from([0, 1, 3, 7]),
    cap=st.sampled_from([1, 2, 4]),
    start=st.dates(date(2026, 1, 1), date(2026, 12, 1)),
)
def test_a_plan_is_worth_what_playing_it_yields(
    *, two: list[World], price: list[float], charge: Floats, cooldown: int, cap: int, start: date
) -> None:
    """Value and flow equal those of the same plan in the environment, world by world."""
    n = 8
    setting = ruled(n, cooldown=cooldown, cap=cap, start=start)
    env = RetentionVectorEnv(setting, two, mode="integrated", rng=np.random.default_rng(42))
    by_row = np.repeat(price, n)
    programmes = CustomerProgrammes(
        setting.cohort.rows(env.customer), setting, Worlds.of_groups(two, n)
    )
    plan = programmes.solve(by_row, charge)
    played = play_plan(env, plan, by_row, charge)
    flow = plan.flow()
    assert plan.value == pytest.approx(played["value"], rel=1e-9, abs=1e-9)
    assert flow.spend_usd == pytest.approx(played["spend"], rel=1e-9, abs=1e-9)
    assert flow.contacts == pytest.approx(played["contacts"], rel=1e-9, abs=1e-9)


@seed(42)
@settings(max_examples=25)
@given(worlds, prices, capacity_prices, st.integers(0, 10_000), st.floats(0, 1))
def test_no_random_policy_does_better(
    world: World, price: float, charge: Floats, number: int, rate: float
) -> None:
    setting = ruled(20, cooldown=3, cap=3, start=date(2026, 6, 1))
    plan = CustomerProgrammes(setting.cohort, setting, world).solve(price, charge)
    rng = np.random.default_rng(number)
    env = RetentionVectorEnv(setting, [world], mode="integrated", rng=rng)
    value = np.zeros(env.size)
    while not env.done:
        offer = rng.integers(1, setting.space.size, env.size)
        wanted = env.available() & (rng.random(env.size) < rate)
        weight, day = env.weight.copy(), env.day
        step = env.step(np.where(wanted, offer, 0))
        value += weight * (step.reward - price * step.cost - charge[day] * step.contacted)
    assert (value <= plan.value + 1e-9).all()


@seed(42)
@settings(max_examples=25)
@given(worlds, prices, prices, st.floats(0, 1))
def test_value_is_convex_and_spend_falls_in_the_price(
    world: World, low: float, high: float, share: float
) -> None:
    low, high = sorted((low, high))
    setting = small_setting(20)
    programmes = CustomerProgrammes(setting.cohort, setting, world)
    cheap, dear = programmes.solve(low), programmes.solve(high)
    between = programmes.solve(share * low + (1 - share) * high)
    assert (between.value <= share * cheap.value + (1 - share) * dear.value + 1e-9).all()
    assert (dear.value <= cheap.value + 1e-9).all()
    assert dear.flow().spend_usd.sum() <= cheap.flow().spend_usd.sum() + 1e-9


def test_spend_is_the_slope_of_the_value() -> None:
    """Danskin: what justifies the flow as the gradient of the dual."""
    setting = small_setting(200)
    programmes = CustomerProgrammes(setting.cohort, setting, setting.nominal)
    charge, step = np.full(DAYS, 0.3), 1e-5
    flow = programmes.solve(1.3, charge).flow()
    rise = programmes.solve(1.3 + step, charge).value.sum()
    fall = programmes.solve(1.3 - step, charge).value.sum()
    assert (fall - rise) / (2 * step) == pytest.approx(flow.spend_usd.sum(), rel=1e-4)
    more, less = charge.copy(), charge.copy()
    more[1] += step
    less[1] -= step
    slope = programmes.solve(1.3, less).value.sum() - programmes.solve(1.3, more).value.sum()
    assert slope / (2 * step) == pytest.approx(flow.contacts[1], rel=1e-4)


@pytest.mark.parametrize("day", [4, 8, 21])
def test_starting_later_chooses_the_same(day: int) -> None:
    setting = small_setting(50)
    whole = CustomerProgrammes(setting.cohort, setting, setting.nominal)
    later = CustomerProgrammes(setting.cohort, setting, setting.nominal, from_day=day)
    rows = np.arange(50)
    for contacts, last in ((0, -1), (1, 0)):
        asked = day, rows, np.full(50, contacts), np.full(50, last)
        if contacts and day - last < setting.rules.cooldown_days:
            continue
        expected = whole.solve(1.0).choice(*asked)
        for plan in (whole.solve(1.0, from_day=day), later.solve(1.0)):
            found = plan.choice(*asked)
            assert np.array_equal(found.offer, expected.offer)
            assert found.advantage == pytest.approx(expected.advantage)
            assert found.cost == pytest.approx(expected.cost)
            assert found.p_accept == pytest.approx(expected.p_accept)


def test_hidden_responsiveness_adds_to_the_log_odds() -> None:
    setting = small_setting(50)
    hidden = np.random.default_rng(42).normal(size=50)
    moved = replace(
        setting.cohort,
        accept_logit=setting.cohort.accept_logit + hidden[:, None].astype(np.float32),
    )
    told = CustomerProgrammes(
        setting.cohort, setting, setting.nominal, responsiveness=hidden.astype(np.float32)
    ).solve(1.0)
    assert told.value == pytest.approx(
        CustomerProgrammes(moved, setting, setting.nominal).solve(1.0).value, rel=1e-5
    )


def test_without_contacts_allowed_nothing_is_worth_anything() -> None:
    setting = ruled(10, cooldown=7, cap=0, start=date(2026, 6, 1))
    plan = CustomerProgrammes(setting.cohort, setting, setting.nominal).solve(0.0)
    assert not plan.value.any()
    assert not plan.flow().contacts.any()


def test_refuses_a_history_from_before_the_period() -> None:
    setting = small_setting(2)
    plan = CustomerProgrammes(setting.cohort, setting, setting.nominal).solve(0.0)
    with pytest.raises(ValueError, match="before the period"):
        plan.choice(3, np.array([0]), np.array([1]), np.array([-5]))
    with pytest.raises(ValueError, match="within the cooldown"):
        plan.choice(3, np.array([0, 1]), np.array([0, 1]), np.array([-1, 1]))


def test_equal_customers_have_equal_plans() -> None:
    setting = small_setting(1)
    cohort = small_cohort(1).rows(np.zeros(5, dtype=np.int64))
    value = CustomerProgrammes(cohort, setting, setting.nominal).solve(0.5).value
    assert np.ptp(value) == 0.0
