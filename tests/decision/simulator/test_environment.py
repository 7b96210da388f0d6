"""The array mode: its two ways to leave agree, and it counts and shows what a ledger would."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from churnsaver_assets.decision.simulator.environment import RetentionVectorEnv
from churnsaver_assets.decision.simulator.population import everybody
from churnsaver_serving.runtime.world.effects import daily_hazard, disturbed_hazard
from tests.support.decision.cohort import at_risk, indistinct, nominal_world, small_setting
from tests.support.decision.table import (
    busy_setting,
    by_table,
    drawn_table,
    made_env,
    rough_world,
    totals,
)

if TYPE_CHECKING:
    from churnsaver_assets.decision.simulator.environment import Mode
    from churnsaver_serving.runtime.world.belief import Tally

# Most standard errors that two means of the same quantity may be apart.
_ERRORS = 4.0
_NOBODY = np.zeros(0, dtype=np.int64)


def test_sampled_and_integrated_agree_in_expectation() -> None:
    """With all effects at work, and new customers joining."""
    found = {}
    for mode, seed in (("sampled", 42), ("integrated", 7)):
        env = made_env(
            busy_setting(60, 45), rough_world(), mode, groups=600, seed=seed, new_share=0.3
        )
        found[mode] = totals(env, drawn_table(env, rate=0.3))
    assert found["sampled"]["contacts"].mean() > 60
    assert found["sampled"]["accepted"].mean() > 10
    for name, values in found["sampled"].items():
        other = found["integrated"][name]
        error = math.sqrt((values.var() + other.var()) / len(values))
        assert error > 0.0, name
        assert abs(values.mean() - other.mean()) < _ERRORS * error, name


def test_integrated_weights_are_the_chance_to_be_there() -> None:
    env = made_env(busy_setting(30, 20), rough_world(), "integrated")
    table, expected = drawn_table(env, rate=0.5), np.ones(30)
    while not env.done:
        np.testing.assert_allclose(env.weight, expected, rtol=1e-12)
        step = env.step(*by_table(env, table))
        expected = expected * step.stay
        assert (step.stay < 1.0).all()
        assert env.dynamics.there.all()
    assert (expected < 1.0).all()


def test_sampled_customers_leave_once_and_are_not_available_then() -> None:
    env = made_env(busy_setting(300, 40), rough_world(), "sampled")
    table, left = drawn_table(env, rate=0.2), np.zeros(300, dtype=bool)
    while not env.done:
        assert not left[env.available()].any()
        assert (env.weight == ~left).all()
        step = env.step(*by_table(env, table))
        gone = ~left & (step.stay == 0.0)
        left |= gone
        np.testing.assert_array_equal(env.dynamics.there, ~left)
    assert left.sum() > 30


def test_who_joins_later_is_available_from_that_day_on() -> None:
    env = made_env(small_setting(100, days=14), nominal_world(), "integrated", new_share=1.0)
    start = env.dynamics.population.start
    assert (start > 0).any()
    while not env.done:
        expected = start <= env.day if env.setting.calendar.working[env.day] else start < 0
        np.testing.assert_array_equal(np.flatnonzero(expected), env.available())
        assert (env.weight[start > env.day] == 0.0).all()
        env.step(_NOBODY, _NOBODY)


@pytest.mark.parametrize("mode", ["sampled", "integrated"])
def test_the_same_seed_gives_the_same_days(mode: Mode) -> None:
    found = []
    for seed in (42, 42, 43):
        env = made_env(busy_setting(30, 20), rough_world(), mode, groups=3, seed=seed)
        found.append(totals(env, drawn_table(env, rate=0.3)))
    first, again, other = found
    for name, values in first.items():
        np.testing.assert_array_equal(values, again[name])
    assert not np.array_equal(first["gain"], other["gain"])


def test_counts_are_those_of_a_ledger() -> None:
    """Offers taken, customers lost after a refusal, customers lost without any contact."""
    env = made_env(busy_setting(200, 20), rough_world(), "sampled", groups=2)
    setting, world, table = env.setting, env.dynamics, drawn_table(env, rate=0.1)
    observed, expected = np.zeros((2, 3)), np.zeros((2, 3))
    contacted, refused_until = np.zeros(env.size, dtype=bool), np.full(env.size, -1)
    while not env.done:
        rows, offer = by_table(env, table)
        told = env.observe(rows, np.zeros(2)).p_accept[np.arange(len(rows)), offer]
        there, day = world.there.copy(), env.day
        months = world.population.months(day, setting.cohort.risk.shape[1] - 1)
        risk = setting.cohort.risk[world.customer, months[world.member]]
        step = env.step(rows, offer)
        contacted[rows] = True
        refused_until[rows[~step.accepted]] = day + round(setting.nominal.refusal_days)
        refused_until[rows[step.accepted]] = -1
        hazard = daily_hazard(setting.nominal, risk)
        once = disturbed_hazard(setting.nominal, hazard, risk, np.ones(env.size))
        after_refusal, untouched = there & (refused_until > day), there & ~contacted
        for column, (happened, awaited, at) in enumerate(
            (
                (step.accepted, told, rows),
                ((step.stay == 0) & after_refusal, after_refusal * once, slice(None)),
                ((step.stay == 0) & untouched, untouched * hazard, slice(None)),
            )
        ):
            observed[:, column] += np.bincount(env.group[at], happened, 2)
            expected[:, column] += np.bincount(env.group[at], awaited, 2)
    assert observed.min() > 0
    np.testing.assert_array_equal(env.tally.observed, observed)
    np.testing.assert_allclose(env.tally.expected, expected)


def test_counts_reach_back_to_the_month_before() -> None:
    env = made_env(small_setting(40, days=80), nominal_world(), "integrated")
    counts = []
    while not env.done:
        env.step(_NOBODY, _NOBODY)
        counts.append(float(env.tally.expected[0, 2]))
    # June has 30 days and July 31: on the first of August June is forgotten.
    steps = np.diff(counts)
    assert np.flatnonzero(steps < 0).tolist() == [59]
    assert counts[60] < counts[59]


def test_a_larger_population_is_counted_with_less_noise() -> None:
    tallies: list[Tally] = []
    for counted in (20, 20_000):
        env = made_env(
            busy_setting(20, 15), nominal_world(), "integrated", groups=300, counted=counted
        )
        totals(env, drawn_table(env, rate=0.3))
        tallies.append(env.tally)
    few, many = tallies
    np.testing.assert_allclose(many.expected, 1000.0 * few.expected, rtol=1e-9)
    assert abs(few.observed.mean() / few.expected.mean() - 1.0) < 0.05
    assert (many.belief().std(axis=0) < few.belief().std(axis=0) / 2.5).all()


def test_observations_show_neither_the_true_world_nor_hidden_traits_nor_luck() -> None:
    setting = small_setting(40)
    rows = np.arange(40)
    ours, theirs = (
        made_env(setting, world, "sampled", seed=seed).observe(rows, np.ones(1))
        for world, seed in ((rough_world(), 1), (setting.nominal, 2))
    )
    for name in ours.__dataclass_fields__:
        np.testing.assert_array_equal(getattr(ours, name), getattr(theirs, name), name)


def test_observations_show_what_is_believed_and_it_changes_nothing_true() -> None:
    setting = busy_setting(40, 20)
    blind = indistinct(setting.cohort)
    envs = [
        made_env(one, rough_world(), "sampled", groups=2)
        for one in (setting, replace(setting, believed=blind))
    ]
    seen, seen_blind = (env.observe(np.arange(80), np.ones(2)) for env in envs)
    assert np.ptp(seen.p_churn) > 0.1
    assert np.ptp(seen_blind.p_churn) == 0
    assert np.ptp(seen_blind.p_accept, axis=0).max() < 1e-12
    table = drawn_table(envs[0], rate=0.3)
    ours, theirs = (totals(env, table) for env in envs)
    for name, values in ours.items():
        np.testing.assert_array_equal(values, theirs[name], name)
    assert not np.array_equal(envs[0].tally.expected, envs[1].tally.expected)


def test_a_true_risk_that_nobody_believes_changes_who_leaves_alone() -> None:
    setting = small_setting(40)
    worse = at_risk(setting.cohort, np.minimum(2.0 * setting.cohort.p_churn, 0.95))
    plain = replace(setting, cohort=at_risk(setting.cohort, setting.cohort.p_churn))
    envs = [
        made_env(one, setting.nominal, "integrated")
        for one in (plain, replace(plain, cohort=worse, believed=plain.cohort))
    ]
    seen = [env.observe(np.arange(40), np.ones(1)) for env in envs]
    np.testing.assert_array_equal(seen[0].p_churn, seen[1].p_churn)
    for env in envs:
        env.step(_NOBODY, _NOBODY)
    assert (envs[1].weight < envs[0].weight).all()


def test_multipliers_are_by_group_or_by_row() -> None:
    env = made_env(small_setting(3), rough_world(), "integrated", groups=2)
    rows = np.array([1, 4])
    by_group = env.observe(rows, np.array([1.0, 2.0]))
    by_row = env.observe(rows, np.array([9.0, 1, 9, 9, 2, 9]))
    assert by_group.multiplier.tolist() == by_row.multiplier.tolist() == [1.0, 2.0]
    with pytest.raises(ValueError, match="fits neither groups nor rows"):
        env.observe(rows, np.ones(3))


def test_sampled_customers_stand_for_themselves() -> None:
    setting = small_setting(3)
    population = everybody(np.arange(3), np.zeros(3, dtype=np.int64), 30)
    with pytest.raises(ValueError, match="counted"):
        RetentionVectorEnv(setting, population, [setting.nominal], "sampled", seed=42, counted=1400)
