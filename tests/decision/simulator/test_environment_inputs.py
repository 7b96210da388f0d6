"""Inputs matter where they should and nowhere else; what can't go in is refused."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import msgspec
import numpy as np
import pytest

from churnsaver_assets.decision.simulator.environment import RetentionVectorEnv
from tests.support.decision.cohort import at_risk, small_setting
from tests.support.decision.table import (
    allowed_by_table,
    busy_setting,
    drawn_table,
    made_env,
    rough_world,
    totals,
)

if TYPE_CHECKING:
    from churnsaver_assets.decision.simulator.outcomes import Mode

    from churnsaver_serving.runtime.arrays import Floats, Ints


def _history(env: RetentionVectorEnv, table: Ints, days: int) -> list[Floats]:
    seen = []
    for _ in range(days):
        step = env.step(allowed_by_table(env, table))
        seen.append(np.stack([step.contacted, step.accepted, step.spent, env.open, env.left]))
    return seen


def test_luck_is_common_to_policies_that_act_alike() -> None:
    """Until they differ, and for the customers whom they treat alike ever after."""
    setting = busy_setting(60, 30, (0, 1, 3))
    table = drawn_table(setting, rate=0.3)
    other = table.copy()
    other[:30, :, 10:] = 0
    ours = _history(made_env(setting, rough_world(), "sampled", groups=5), table, 30)
    theirs = _history(made_env(setting, rough_world(), "sampled", groups=5), other, 30)
    np.testing.assert_array_equal(ours[:10], theirs[:10])
    assert not np.array_equal(ours, theirs)
    alike = np.tile(np.arange(60) >= 30, 5)
    np.testing.assert_array_equal(np.array(ours)[..., alike], np.array(theirs)[..., alike])


@pytest.mark.parametrize("mode", ["sampled", "integrated"])
def test_same_seed_same_period(mode: Mode) -> None:
    setting = busy_setting(30, 20, (0, 1))
    table = drawn_table(setting, rate=0.3)
    first, again, other = (
        totals(made_env(setting, rough_world(), mode, groups=3, seed=seed), table)
        for seed in (42, 42, 43)
    )
    for name, values in first.items():
        np.testing.assert_array_equal(values, again[name])
    assert not np.array_equal(first["value"], other["value"])


def test_another_risk_model_changes_hazards() -> None:
    setting = small_setting(50)
    other = replace(setting, cohort=at_risk(setting.cohort, setting.cohort.p_churn / 2))
    ours, theirs = (made_env(one, setting.nominal, "integrated") for one in (setting, other))
    assert (theirs.hazard() < ours.hazard()).all()
    np.testing.assert_array_equal(ours.p_accept(), theirs.p_accept())


def test_another_acceptance_model_changes_acceptances() -> None:
    setting = small_setting(50)
    higher = replace(setting.cohort, accept_logit=setting.cohort.accept_logit + np.float32(1.0))
    ours, theirs = (
        made_env(one, setting.nominal, "integrated")
        for one in (setting, replace(setting, cohort=higher))
    )
    assert (theirs.p_accept() > ours.p_accept()).all()
    np.testing.assert_array_equal(ours.hazard(), theirs.hazard())
    contact = np.full(50, 2)
    assert ours.step(contact).reward.sum() != theirs.step(contact).reward.sum()


def test_what_is_believed_is_seen_and_changes_nothing_true() -> None:
    setting = busy_setting(40, 20, (0, 1))
    blind = setting.cohort.without_risk_model().without_acceptance_model()
    table = drawn_table(setting, rate=0.3)
    envs = [
        made_env(one, rough_world(), "sampled", groups=2)
        for one in (setting, replace(setting, believed=blind))
    ]
    seen, seen_blind = (env.observe(np.ones(2)) for env in envs)
    assert np.ptp(seen.p_churn) > 0.1
    assert np.ptp(seen_blind.p_churn) == 0
    assert np.ptp(seen_blind.p_accept[:, 0], axis=0).max() < 1e-12
    ours, theirs = (totals(env, table) for env in envs)
    for name, values in ours.items():
        same = np.array_equal(values, theirs[name])
        assert same == ("expected" not in name), name


def test_observation_shows_neither_the_true_world_nor_hidden_traits() -> None:
    setting = small_setting(40)
    ours, theirs = (
        made_env(setting, world, "sampled", seed=seed)
        for world, seed in ((rough_world(), 1), (setting.nominal, 2))
    )
    for name in ("p_churn", "p_accept", "belief", "eligible"):
        np.testing.assert_array_equal(
            getattr(ours.observe(np.ones(1)), name), getattr(theirs.observe(np.ones(1)), name)
        )


def test_refuses_what_the_rules_forbid() -> None:
    setting = small_setting(3, days=10)
    env = made_env(setting, setting.nominal, "sampled")
    env.step(np.array([1, 0, 0]))
    with pytest.raises(ValueError, match="row 0: action 1 is not allowed on day 1"):
        env.step(np.array([1, 0, 0]))
    for wrong in (np.array([0, 0, -1]), np.array([0, 0, 5]), np.array([0, 0])):
        with pytest.raises(ValueError, match="expected 3 indices below 5"):
            env.step(wrong)
    with pytest.raises(ValueError, match="NaN"):
        env.step(np.array([0, 1, 0]), np.array([0.0, np.nan, 0.0]))


def test_multipliers_are_by_group_or_by_row() -> None:
    env = made_env(small_setting(3), rough_world(), "integrated", groups=2)
    rows = np.array([1, 4])
    by_group = env.observe(np.array([1.0, 2.0]), rows)
    by_row = env.observe(np.array([9.0, 1, 9, 9, 2, 9]), rows)
    assert by_group.multiplier.tolist() == by_row.multiplier.tolist() == [1.0, 2.0]
    with pytest.raises(ValueError, match="fits neither groups nor rows"):
        env.observe(np.ones(3), rows)


def test_a_period_ends() -> None:
    setting = small_setting(2, days=3)
    env = made_env(setting, setting.nominal, "sampled")
    for _ in range(3):
        env.step(np.zeros(2, dtype=np.int64))
    assert env.done
    assert not env.available().any()
    with pytest.raises(ValueError, match="call reset"):
        env.step(np.zeros(2, dtype=np.int64))
    env.reset()
    assert env.days_left == 3


def test_refuses_parts_that_do_not_fit() -> None:
    setting = small_setting(3)
    rng = np.random.default_rng(42)
    dearer = msgspec.structs.replace(setting.nominal, contact_cost_usd=1.0)
    fewer = msgspec.structs.replace(setting.nominal, save_effect=(0.5,))
    for worlds, match in (([], "got none"), ([dearer], "contact_cost_usd"), ([fewer], "save_eff")):
        with pytest.raises(ValueError, match=match):
            RetentionVectorEnv(setting, worlds, mode="sampled", rng=rng)
    world = [setting.nominal]
    with pytest.raises(ValueError, match="share nothing"):
        RetentionVectorEnv(setting, world, mode="integrated", rng=rng, daily_capacity=1)
    with pytest.raises(ValueError, match="population"):
        RetentionVectorEnv(setting, world, mode="sampled", rng=rng, population=9)
    for budget in (np.array([-1.0]), np.array([1.0, 1.0]), np.array([np.nan])):
        with pytest.raises(ValueError, match="budget_usd"):
            RetentionVectorEnv(setting, world, mode="sampled", rng=rng, budget_usd=budget)
    with pytest.raises(ValueError, match="believed: 2 customers, expected 3"):
        replace(setting, believed=setting.cohort.rows(np.array([0, 1])))
    with pytest.raises(ValueError, match="more than the fatigue window"):
        small_setting(3, days=31)
    with pytest.raises(ValueError, match="save_effect"):
        replace(setting, nominal=fewer)
    short = replace(setting.cohort, accept_logit=setting.cohort.accept_logit[..., :2])
    with pytest.raises(ValueError, match="no acceptance after 3 contacts"):
        replace(setting, cohort=short)
