"""The periods trained on: what is drawn, and what teachers say of it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from churnsaver_assets.decision.planning.dynamic_programme import CustomerProgrammes
from churnsaver_assets.decision.ppo.teacher import GreedyTeacher, ProgrammeTeacher, teacher_of

from churnsaver_assets.decision.ppo.episodes import Episode, draw_episode
from churnsaver_serving.runtime.policy import GreedyValuePolicy
from tests.support.decision.cohort import packaged_assumptions, small_setting
from tests.support.decision.ppo import small_spec

SETTING = small_setting(100)


def draw(seed: int = 42, **rollout: object) -> Episode:
    spec = small_spec(rollout=rollout).rollout
    return draw_episode(SETTING, packaged_assumptions(), spec, np.random.default_rng(seed))


def test_an_episode_is_as_its_spec_says() -> None:
    plain = draw(multipliers={"low": 1.0, "high": 2.0, "zero_share": 0.0})
    env = plain.env
    assert env.mode == "integrated"
    assert env.size == 16 * 48
    assert (env.contacts == 0.0).all()
    assert (np.isinf(env.days_since)).all()
    np.testing.assert_array_equal(env.setting.calendar.weekday, SETTING.calendar.weekday)
    assert ((plain.multiplier >= 1.0) & (plain.multiplier <= 2.0)).all()
    assert (np.ptp(plain.multiplier.reshape(16, -1), axis=1) == 0.0).all()
    assert np.ptp(plain.multiplier) > 0.0
    # One and the same world, the nominal one.
    assert (plain.world == plain.world[0]).all()
    assert len(np.unique(env.worlds.disturbance)) == 1


def test_randomised_episodes_differ_in_world_calendar_and_history() -> None:
    episode = draw(nominal_share=0.0, history_share=1.0, random_start_share=1.0, groups=40)
    env = episode.env
    assert len(np.unique(env.worlds.disturbance)) == 40
    assert (np.abs(episode.world) <= 1.0).all()
    contacted = env.contacts > 0
    assert 0.5 < contacted.mean() < 1.0
    assert np.isfinite(env.days_since[contacted]).all()
    assert np.isinf(env.days_since[~contacted]).all()
    assert env.contacts.max() == SETTING.rules.fatigue_cap
    months = {
        int(draw(seed, random_start_share=1.0).env.setting.calendar.month[0]) for seed in range(30)
    }
    assert len(months) > 6


def test_believed_customers_are_drawn_with_the_true_ones() -> None:
    blind = replace(SETTING, believed=SETTING.cohort.without_risk_model())
    spec = small_spec().rollout
    env = draw_episode(blind, packaged_assumptions(), spec, np.random.default_rng(42)).env
    assert env.setting.believed is not None
    np.testing.assert_array_equal(env.setting.believed.customer_id, env.setting.cohort.customer_id)
    assert len(np.unique(env.setting.believed.p_churn)) == 1
    assert len(np.unique(env.setting.cohort.p_churn)) > 1


def test_the_programme_teacher_says_what_the_plan_says() -> None:
    episode = draw(nominal_share=0.0)
    env = episode.env
    labels = teacher_of("programme", episode).label(np.arange(env.size))
    for group in (0, 7):
        own = env.group == group
        world = packaged_assumptions().nominal()
        alike = replace_world(world, env, int(np.flatnonzero(own)[0]))
        plan = CustomerProgrammes(
            env.setting.cohort, env.setting, alike, responsiveness=env.responsiveness[own]
        ).solve(float(episode.multiplier[own][0]))
        n = int(own.sum())
        best = plan.choice(0, np.arange(n), np.zeros(n, np.int64), np.full(n, -1))
        np.testing.assert_array_equal(
            labels.action[own], np.where(best.advantage > 0.0, 1 + best.offer, 0)
        )
        np.testing.assert_allclose(labels.stake_usd[own], np.abs(best.advantage))


def replace_world(world: object, env: object, row: int) -> object:
    import msgspec

    return msgspec.structs.replace(
        world,
        **{
            name: tuple(env.worlds.save_effect[row])
            if name == "save_effect"
            else float(getattr(env.worlds, name)[row])
            for name in world.__struct_fields__
        },
    )


def test_the_programme_teacher_follows_a_row_through_its_refusals() -> None:
    episode = draw(multipliers={"low": 0.1, "high": 0.2, "zero_share": 1.0})
    env, teacher = episode.env, ProgrammeTeacher(episode)
    contacts = 0
    while not env.done:
        action = np.zeros(env.size, dtype=np.int64)
        rows = np.flatnonzero(env.available())
        if len(rows):
            action[rows] = teacher.label(rows).action
        contacts += int((action > 0).sum())
        env.step(action)
    assert env.contacts.max() >= 2.0
    assert contacts == int(env.contacts.sum())


def test_the_programme_teacher_is_silent_about_older_contacts() -> None:
    episode = draw(history_share=1.0)
    rows = np.flatnonzero(episode.env.available())
    labels = ProgrammeTeacher(episode).label(rows)
    older = episode.env.contacts[rows] > 0
    assert older.any()
    assert (labels.stake_usd[older] == 0.0).all()
    assert (labels.stake_usd[~older] > 0.0).all()


def test_the_greedy_teacher_is_the_greedy_policy_in_the_nominal_world() -> None:
    episode = draw()
    rows = np.flatnonzero(episode.env.available())
    labels = GreedyTeacher(episode).label(rows)
    observation = episode.env.observe(episode.multiplier, rows)
    np.testing.assert_array_equal(
        labels.action, GreedyValuePolicy().probabilities(observation).argmax(axis=1)
    )


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"rollout": {"multipliers": {"low": 2.0, "high": 1.0, "zero_share": 0.0}}}, "low < high"),
        ({"rollout": {"start_dates": ["2026-02-01", "2026-01-01"]}}, "first <= last"),
        ({"distillation": {"updates": 0}, "ppo": {"updates": 0}}, "at least one"),
        ({"network": {"layers": 3}}, "Extra inputs"),
        (
            {
                "pid": {
                    "budget_per_customer": 5.0,
                    "proportional": 0.1,
                    "integral": 0.01,
                    "derivative": 0.01,
                    "initial": 1.0,
                }
            },
            "multiplier_input: must be false",
        ),
    ],
)
def test_specs_that_contradict_themselves_are_refused(changed: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        small_spec(**changed)
