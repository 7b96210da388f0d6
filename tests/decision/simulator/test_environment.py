"""One dynamics, two modes: they agree with each other and with what is worked out by hand."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from churnsaver_assets.decision.simulator.environment import RetentionVectorEnv
from churnsaver_serving.runtime.effects import daily_hazard, disturbed_hazard
from churnsaver_serving.runtime.value import contact_value
from tests.support.decision.cohort import nominal_world, small_setting
from tests.support.decision.table import (
    allowed_by_table,
    busy_setting,
    drawn_table,
    made_env,
    rough_world,
    totals,
)

if TYPE_CHECKING:
    from churnsaver_assets.decision.simulator.setting import Setting
    from churnsaver_serving.runtime.assumptions import World
    from churnsaver_serving.runtime.belief import Tally


# Most standard errors that two means of the same quantity may be apart.
_ERRORS = 4.0


@pytest.mark.parametrize("delays", [(0,), (0, 1, 3)])
def test_sampled_and_integrated_agree_in_expectation(delays: tuple[int, ...]) -> None:
    setting = busy_setting(12, 25, delays)
    table = drawn_table(setting, rate=0.3)
    sampled = totals(made_env(setting, rough_world(), "sampled", groups=1500), table)
    integrated = totals(made_env(setting, rough_world(), "integrated", groups=1500, seed=7), table)
    assert sampled["contacts"].mean() > 12
    for name, values in sampled.items():
        other = integrated[name]
        error = math.sqrt((values.var() + other.var()) / len(values))
        assert abs(values.mean() - other.mean()) < _ERRORS * error, name


def _sigmoid(x: float) -> float:
    return 1.0 / (1.0 + math.exp(-x))


def _expected_worth(
    setting: Setting, world: World, plan: list[int | None], *, refusals: int, day: int, since: float
) -> float:
    """Compute expected revenue less costs of one customer from a day on, over all branches.

    `plan` has the position of each day's offer, or None.
    """
    cohort, calendar = setting.cohort, setting.calendar
    p, charge = float(cohort.p_churn[0]), float(cohort.monthly_charge_usd[0])
    worth = charge * world.horizon_months
    if day == calendar.days:
        return worth
    base = world.hazard_scale * (1.0 - (1.0 - p) ** (1.0 / world.period_days))
    rise = 1.0 + world.disturbance * (1.0 - p)
    hazard = min(base * rise**refusals, 1.0)
    offer = plan[day]
    if offer is None:
        later = _expected_worth(
            setting, world, plan, refusals=refusals, day=day + 1, since=since + 1
        )
        return (1.0 - hazard) * later
    pct = setting.space.offers_pct[offer]
    log_odds = (
        float(cohort.accept_logit[0, refusals])
        + world.acceptance_offset
        + world.offer_response * pct
        - world.recency_penalty * math.exp(-since / world.recency_decay_days)
        - world.contact_fatigue * refusals
    )
    p_accept = _sigmoid(log_odds)
    saved = worth * (1.0 - hazard * world.save_effect[offer]) ** (calendar.days - day)
    raised = min(base * rise ** (refusals + 1), 1.0)
    later = _expected_worth(setting, world, plan, refusals=refusals + 1, day=day + 1, since=1.0)
    discount = charge * world.discount_months * pct / 100.0
    return (
        p_accept * (saved - discount)
        + (1.0 - p_accept) * (1.0 - raised) * later
        - world.contact_cost_usd
    )


_unit = st.floats(0.0, 1.0)


_worlds = st.builds(
    lambda **effects: msgspec.structs.replace(nominal_world(), **effects),
    disturbance=_unit,
    acceptance_offset=st.floats(-0.7, 0.7),
    contact_fatigue=st.floats(0.0, 0.5),
    hazard_scale=st.floats(0.7, 1.5),
    save_effect=st.tuples(_unit, _unit, _unit, _unit),
)


@given(
    world=_worlds,
    plan=st.lists(st.none() | st.integers(0, 3), min_size=4, max_size=4),
    seed=st.integers(0, 50),
)
def test_integrated_value_is_that_of_all_branches_worked_out(
    world: World, plan: list[int | None], seed: int
) -> None:
    setting = small_setting(1, days=4, seed=seed)
    setting = replace(setting, rules=msgspec.structs.replace(setting.rules, cooldown_days=1))
    env = made_env(setting, world, "integrated")
    total = 0.0
    for offer in plan:
        weight = env.weight[0]
        total += weight * env.step(np.array([0 if offer is None else 1 + offer])).reward[0]
    start = {"refusals": 0, "day": 0, "since": math.inf}
    by_hand = _expected_worth(setting, world, plan, **start)
    nothing = _expected_worth(setting, world, [None] * 4, **start)
    # Rewards telescope: their sum is the value over doing nothing.
    assert total == pytest.approx(by_hand - nothing, rel=1e-9, abs=1e-9)


def test_conditional_expectation_is_unbiased_and_far_less_noisy() -> None:
    """Against raw revenue less what the same luck brings without any contact."""
    setting = busy_setting(20, 30, (0,))
    table = drawn_table(setting, rate=0.3)
    env = made_env(setting, rough_world(), "sampled", groups=1000)
    leave_luck = env._outcomes._leave  # type: ignore[attr-defined]
    scored, spent = np.zeros(env.size), np.zeros(env.size)
    hazard_if_saved = np.zeros(env.size)
    accepted_on = np.full(env.size, 99)
    while not env.done:
        action, day, hazard = allowed_by_table(env, table), env.day, env.hazard()
        step = env.step(action)
        scored += step.reward
        spent += step.spent
        took = step.accepted
        offer = (action[took] - 1) % 4
        hazard_if_saved[took] = hazard[took] * np.asarray(rough_world().save_effect)[offer]
        accepted_on[took] = day
    bound = accepted_on[None, :] <= np.arange(30)[:, None]
    left_later = ((leave_luck < hazard_if_saved) & bound).any(axis=0)
    untouched = made_env(setting, rough_world(), "integrated", groups=1000).hazard()
    left_untouched = (leave_luck < untouched).any(axis=0)
    worth = env.charge * env.worlds.horizon_months
    raw = worth * (left_untouched.astype(float) - (env.left | left_later)) - spent

    scored, raw = (values.reshape(1000, -1).mean(axis=1) for values in (scored, raw))
    gap = raw - scored
    assert abs(gap.mean()) < _ERRORS * gap.std() / math.sqrt(len(gap))
    assert abs(scored.mean()) > _ERRORS * gap.std() / math.sqrt(len(gap))
    assert scored.std() < raw.std() / 2.5


@pytest.mark.parametrize("action", range(1, 17))
def test_contact_value_is_what_the_simulator_pays(action: int) -> None:
    """Of one contact, now or later, in the world that is believed."""
    setting = small_setting(8, 30, delays=(0, 1, 3, 7))
    env = made_env(setting, setting.nominal, "integrated")
    multiplier = 0.7
    seen = env.observe(np.array([multiplier]))
    told = contact_value(
        seen.p_churn,
        seen.monthly_charge_usd,
        seen.p_accept,
        seen.space,
        seen.world,
        days_left=seen.days_left,
        multiplier=multiplier,
    )
    total = np.zeros(8)
    actions = np.full(8, action)
    while not env.done:
        weight = env.weight
        step = env.step(actions)
        total += weight * (step.reward - multiplier * step.cost)
        actions = np.zeros(8, dtype=np.int64)
    np.testing.assert_allclose(total, told[:, action], rtol=1e-9, atol=1e-12)


def test_untouched_customers_leave_as_the_risk_model_says() -> None:
    setting = small_setting(40)
    env = made_env(setting, setting.nominal, "integrated")
    while not env.done:
        env.step(np.zeros(40, dtype=np.int64))
    np.testing.assert_allclose(1.0 - env.weight, setting.cohort.p_churn, rtol=1e-9)


def test_counts_are_those_of_a_ledger() -> None:
    """Offers taken, customers lost after a refusal, customers lost without any contact."""
    setting = busy_setting(50, 20, (0, 1))
    table = drawn_table(setting, rate=0.05)
    env = made_env(setting, rough_world(), "sampled", groups=2)
    observed, expected = np.zeros((2, 3)), np.zeros((2, 3))
    while not env.done:
        before, p_accept = env.left, env.believed_p_accept()
        pending, was_open, action = env.pending, env.open, allowed_by_table(env, table)
        step = env.step(action)
        offer = (np.where(pending > 0, pending, action) - 1) % 4
        there = was_open & ~step.accepted
        refused, untouched = there & (env.refusals > 0), there & (env.contacts == 0)
        hazard = disturbed_hazard(
            setting.nominal,
            daily_hazard(setting.nominal, env.believed_p),
            env.believed_p,
            env.refusals,
        )
        for column, (happened, awaited) in enumerate(
            (
                (step.accepted, step.contacted * p_accept[np.arange(env.size), offer]),
                (env.left & ~before & refused, refused * hazard),
                (env.left & ~before & untouched, untouched * hazard),
            )
        ):
            observed[:, column] += happened.reshape(2, -1).sum(axis=1)
            expected[:, column] += awaited.reshape(2, -1).sum(axis=1)
    assert observed.min() > 0
    np.testing.assert_array_equal(env.tally.observed, observed)
    np.testing.assert_allclose(env.tally.expected, expected)


def test_population_scales_the_counts_and_their_noise() -> None:
    setting = busy_setting(20, 15, (0,))
    table = drawn_table(setting, rate=0.3)
    tallies: list[Tally] = []
    for population in (20, 20_000):
        env = RetentionVectorEnv(
            setting,
            [setting.nominal] * 300,
            mode="integrated",
            rng=np.random.default_rng(42),
            population=population,
        )
        totals(env, table)
        tallies.append(env.tally)
    few, many = tallies
    np.testing.assert_allclose(many.expected, 1000.0 * few.expected, rtol=1e-9)
    assert abs(few.observed.mean() / few.expected.mean() - 1.0) < 0.05
    assert (many.belief().std(axis=0) < few.belief().std(axis=0) / 2.5).all()
