"""The Lagrangian planner: near the bound where its world is right, and blind to the true one."""

from __future__ import annotations

import copy
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING

import msgspec
import numpy as np
import pytest
from churnsaver_assets.decision.play.paced import FixedMultiplierAgent

from churnsaver_assets.decision.planning.bound import upper_bound
from churnsaver_assets.decision.planning.dynamic_programme import CustomerProgrammes
from churnsaver_assets.decision.planning.planner import AdaptivePlanner, LagrangianPlanner
from churnsaver_assets.decision.planning.world_estimator import WorldEstimator
from churnsaver_assets.decision.play.agents import DecisionContext
from churnsaver_assets.decision.play.execution import PeriodResult, play
from churnsaver_assets.decision.simulator.environment import RetentionVectorEnv
from tests.support.decision.cohort import nominal_world, packaged_assumptions, small_setting

if TYPE_CHECKING:
    from churnsaver_assets.decision.play.agents import ContactRequests, MultiplierPolicy
    from churnsaver_assets.decision.simulator.setting import Setting
    from churnsaver_serving.runtime.assumptions import World

GROUPS = 10


def world_with(**changes: float) -> World:
    return msgspec.structs.replace(nominal_world(), **changes)


def first_context(setting: Setting, worlds: list[World]) -> DecisionContext:
    env = RetentionVectorEnv(setting, worlds, mode="sampled", rng=np.random.default_rng(42))
    return DecisionContext(env, None, None)


def first_requests(
    policy: MultiplierPolicy, setting: Setting, worlds: list[World], price: list[float]
) -> ContactRequests:
    context = first_context(setting, worlds)
    policy.begin(context)
    return policy.decide(context, np.array(price))


def played(
    policy: MultiplierPolicy,
    setting: Setting,
    world: World,
    *,
    budget: float = np.inf,
    price: float = 0.0,
    capacity: int | None = None,
) -> PeriodResult:
    return play(
        FixedMultiplierAgent(policy, price),
        setting,
        [world] * GROUPS,
        budget_per_customer=budget,
        seed=42,
        daily_capacity=capacity,
    )


def error(values: np.ndarray) -> float:
    return float(values.std(ddof=1) / np.sqrt(len(values)))


def test_attains_the_bound_where_nothing_is_scarce() -> None:
    setting = small_setting(400)
    value = CustomerProgrammes(setting.cohort, setting, setting.nominal).solve(0.0).value.mean()
    gain = played(LagrangianPlanner(), setting, setting.nominal).gain_usd
    assert gain.mean() == pytest.approx(value, abs=4 * error(gain))


@pytest.mark.parametrize("share", [0.15, 0.35, 0.7])
def test_is_near_the_bound_under_a_hard_cap(share: float) -> None:
    setting = small_setting(600)
    programmes = CustomerProgrammes(setting.cohort, setting, setting.nominal)
    budget = share * upper_bound(programmes, budget_per_customer=np.inf).spend
    bound = upper_bound(programmes, budget_per_customer=budget)
    result = played(
        LagrangianPlanner(), setting, setting.nominal, budget=budget, price=bound.multiplier
    )
    assert result.gain_usd.mean() >= 0.93 * bound.value
    assert not result.overspent.any()
    assert not result.cooldown_breaches.any()


def test_groups_are_decided_on_apart() -> None:
    """Groups share solutions where their prices are equal; that must not show."""
    setting = small_setting(60)
    price = [0.5, 2.0, 0.5, 0.0]
    together = first_requests(LagrangianPlanner(), setting, [setting.nominal] * 4, price)
    for group, one in enumerate(price):
        alone = first_requests(LagrangianPlanner(), setting, [setting.nominal], [one])
        at = slice(60 * group, 60 * (group + 1))
        assert np.array_equal(together.action[at], alone.action)
        assert np.array_equal(together.priority[at], alone.priority)


def test_spends_what_its_programmes_expect() -> None:
    """All days, all states: the integrated spend of each group is its plan's."""
    setting = small_setting(100)
    price = np.array([0.0, 0.8, 2.0])
    env = RetentionVectorEnv(
        setting, [setting.nominal] * 3, mode="integrated", rng=np.random.default_rng(42)
    )
    planner = LagrangianPlanner()
    planner.begin(DecisionContext(env, None, None))
    spend = np.zeros(3)
    while not env.done:
        weight = env.weight.copy()
        step = env.step(planner.decide(DecisionContext(env, None, None), price).action)
        spend += (weight * step.cost).reshape(3, -1).sum(axis=1)
    programmes = CustomerProgrammes(setting.cohort, setting, setting.nominal)
    expected = [programmes.solve(one).flow().spend_usd.sum() for one in price]
    assert spend == pytest.approx(expected)


def test_contacts_only_where_that_beats_waiting() -> None:
    setting = small_setting(60)
    requests = first_requests(LagrangianPlanner(), setting, [setting.nominal], [1.0])
    assert np.array_equal(requests.action > 0, requests.priority > 0)
    assert 0 < (requests.action > 0).sum() < 60


def test_knows_the_believed_customers_and_not_the_true_world() -> None:
    setting = small_setting(60)
    believed = replace(setting, believed=setting.cohort.without_risk_model())
    only = replace(setting, cohort=setting.cohort.without_risk_model())
    price, strange = [0.5], world_with(acceptance_offset=-0.7, disturbance=1.0, hazard_scale=1.5)
    for policy in (LagrangianPlanner(), AdaptivePlanner(packaged_assumptions())):
        told = first_requests(policy, believed, [strange], price)
        expected = first_requests(policy, only, [only.nominal], price)
        assert np.array_equal(told.action, expected.action)
        honest = first_requests(policy, setting, [setting.nominal], price)
        assert not np.array_equal(told.action, honest.action)


def test_capacity_prices_spread_the_contacts() -> None:
    """Priced days keep the planner within capacity by itself, at nearly no loss.

    Fixed prices leave a place free where chance took customers away, which asking for too many and
    serving the most valuable does not: 0.6 % over 100 populations.
    """
    setting = small_setting(400)
    programmes = CustomerProgrammes(setting.cohort, setting, setting.nominal)
    capacity = 12
    bound = upper_bound(programmes, budget_per_customer=1e6, daily_capacity=capacity)
    at_prices, plain = (
        played(LagrangianPlanner(capacity_multipliers=prices), setting, setting.nominal,
               capacity=capacity)
        for prices in (bound.capacity_multipliers, None)
    )  # fmt: skip
    assert at_prices.dropped.mean() < 0.1 * plain.dropped.mean()
    assert not at_prices.over_capacity.any()
    assert at_prices.gain_usd.mean() > 0.98 * plain.gain_usd.mean()
    assert at_prices.gain_usd.mean() > 0.95 * bound.value


def test_the_right_world_wins_where_refusals_drive_people_away() -> None:
    setting, world = small_setting(400), world_with(disturbance=1.0)
    nominal, told = (
        played(policy, setting, world).gain_usd
        for policy in (LagrangianPlanner(), LagrangianPlanner(world))
    )
    difference = told - nominal
    assert difference.mean() > 3 * error(difference)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("acceptance_offset", 0.7),
        ("acceptance_offset", -0.7),
        ("hazard_scale", 1.5),
        ("disturbance", 1.0),
    ],
)
def test_evidence_finds_what_is_off(name: str, value: float) -> None:
    """After three weeks it has gone a good part of the way, and other numbers stay put."""
    worlds, _ = after_three_weeks(world_with(**{name: value}))
    for uncertain, slack in (
        ("acceptance_offset", 0.15),
        ("hazard_scale", 0.15),
        ("disturbance", 0.25),
    ):
        nominal = getattr(nominal_world(), uncertain)
        found = np.mean([getattr(one, uncertain) for one in worlds])
        if uncertain == name:
            assert 0.35 < (found - nominal) / (value - nominal) < 1.2
        else:
            assert found == pytest.approx(nominal, abs=slack)


def test_evidence_leaves_a_right_world_about_where_it_was() -> None:
    worlds, _ = after_three_weeks(nominal_world())
    assert np.mean([one.acceptance_offset for one in worlds]) == pytest.approx(0.0, abs=0.1)
    assert np.mean([one.hazard_scale for one in worlds]) == pytest.approx(1.0, abs=0.1)
    assert np.mean([one.disturbance for one in worlds]) == pytest.approx(0.1, abs=0.15)


def test_the_adaptive_planner_plans_in_the_worlds_it_found() -> None:
    worlds, (context, planner) = after_three_weeks(world_with(acceptance_offset=0.7))
    price = np.full(context.groups, 0.5)
    requests = planner.decide(context, price)
    for group, world in enumerate(worlds):
        told = LagrangianPlanner(world)
        told.begin(context)
        own = context.group == group
        expected = told.decide(context, price)
        assert np.array_equal(requests.action[own], expected.action[own])
        assert requests.priority[own] == pytest.approx(expected.priority[own])


@cache
def after_three_weeks(world: World) -> tuple[list[World], tuple[DecisionContext, AdaptivePlanner]]:
    """Return the adaptive planner's belief of each group, and its context."""
    setting, groups = small_setting(800), 5
    env = RetentionVectorEnv(
        setting, [world] * groups, mode="sampled", rng=np.random.default_rng(42)
    )
    planner = AdaptivePlanner(packaged_assumptions())
    planner.begin(DecisionContext(env, None, None))
    last, action = None, None
    for _ in range(21):
        action = planner.decide(DecisionContext(env, last, action), np.full(groups, 0.5)).action
        last = env.step(action)
    context = DecisionContext(env, last, action)
    # A copy, since planning on takes yesterday's outcomes in again.
    return copy.deepcopy(planner)._worlds(context), (context, planner)


def test_no_evidence_changes_nothing() -> None:
    setting = small_setting(20)
    context = first_context(setting, [setting.nominal] * 2)
    prior_mean = packaged_assumptions().prior_mean()
    for world in (setting.nominal, prior_mean):
        evidence = WorldEstimator(context, world, packaged_assumptions())
        assert evidence.refit(context) == [world, world]
