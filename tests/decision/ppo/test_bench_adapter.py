"""The benchmark's face of the simulator for Stable-Baselines3: the same problem as ours."""

from __future__ import annotations

import importlib.util
import sys
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from churnsaver_assets.experiments.policy_spec import RolloutSpec
from churnsaver_serving.runtime.policies.actor import Inputs, LearnedSpec
from churnsaver_serving.runtime.policies.policy_features import feature_names
from tests.support import ROOT
from tests.support.decision.cohort import packaged_assumptions, packaged_section, small_setting

if TYPE_CHECKING:
    from churnsaver_assets.decision.ppo.episodes import Episode

GROUPS, CUSTOMERS, SCALE_USD = 3, 20, 10.0
ROWS = GROUPS * CUSTOMERS


@pytest.fixture(scope="module")
def adapter() -> Any:
    """By path: `ops` is no package of the distribution."""
    path = ROOT / "ops" / "bench" / "policy_vecenv.py"
    spec = importlib.util.spec_from_file_location("policy_vecenv", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def _episode(rng: np.random.Generator) -> Episode:
    from churnsaver_assets.decision.ppo.episodes import draw_episode

    rollout = RolloutSpec.model_validate(
        packaged_section("policy")["rollout"]
        | {"groups": GROUPS, "customers": CUSTOMERS, "parts": 2, "history_days": 0}
    )
    return draw_episode(small_setting(50), packaged_assumptions(), rollout, rng)


def _vec_env(adapter: Any, seed: int) -> Any:
    rng = np.random.default_rng(seed)
    offers = tuple(packaged_section("actions")["offers_pct"])
    names = feature_names(offers)
    inputs = Inputs(
        LearnedSpec(
            offers_pct=offers,
            features=names,
            mean=(0.0,) * len(names),
            scale=(1.0,) * len(names),
            clip=5.0,
            hidden=(8,),
            activation="relu",
        )
    )
    return adapter.CustomerVecEnv(lambda: _episode(rng), inputs, SCALE_USD)


@pytest.mark.parametrize("seed", range(5))
def test_rewards_sum_to_the_value_of_the_integrated_episode(adapter: Any, seed: int) -> None:
    vec = _vec_env(adapter, seed)
    wishes = np.random.default_rng(seed + 1)
    total, done, seen, by_day = np.zeros(ROWS), False, vec._observe(), {}
    while not done:
        day = vec.episode.env.day
        by_day[day] = wishes.integers(vec.action_space.n, size=ROWS)
        seen, reward, ended, _ = vec.step(by_day[day])
        assert vec.observation_space.contains(seen[0])
        assert np.isfinite(seen).all()
        assert ended.all() == ended.any()
        total += reward
        done = bool(ended.all())

    episode = _episode(np.random.default_rng(seed))
    env, going_on, value = episode.env, np.ones(ROWS), np.zeros(ROWS)
    multiplier, contacts = episode.multiplier[episode.env.group], 0
    while not env.done:
        rows = env.available()
        wanted = by_day.get(env.day, np.zeros(ROWS, dtype=np.int64))[rows]
        rows, offer = rows[wanted > 0], wanted[wanted > 0] - 1
        step = env.step(rows, offer)
        net = step.gain - (1.0 + multiplier[rows]) * step.cost
        value[rows] += going_on[rows] * net
        going_on = going_on * step.stay * (1.0 - 1.0 / 180.0)
        contacts += len(rows)
    assert contacts > ROWS / 2
    np.testing.assert_allclose(total * SCALE_USD * (1.0 + multiplier), value, rtol=1e-5, atol=1e-4)


def test_every_day_counts_and_only_contact_days_are_asked_about(adapter: Any) -> None:
    vec = _vec_env(adapter, 0)
    vec.row_days = 0
    vec.reset()
    episode, asked = vec.episode, []
    while vec.episode is episode:
        asked.append(episode.env.day)
        vec.step(np.ones(ROWS, dtype=np.int64))
    calendar = episode.env.setting.calendar
    assert asked == np.flatnonzero(calendar.working).tolist()
    # Of the next episode only the days before its first contact day have passed.
    assert vec.row_days == (calendar.days + vec.episode.env.day) * ROWS


def test_an_action_that_is_not_allowed_is_no_contact(adapter: Any) -> None:
    vec = _vec_env(adapter, 0)
    rested = []
    for _ in range(10):
        env = vec.episode.env
        before, available = env.dynamics.contact_days[:, 0].copy(), env.available()
        _, reward, _, _ = vec.step(np.full(ROWS, 1, dtype=np.int64))
        if vec.episode.env is not env:
            break
        contacted = np.flatnonzero(env.dynamics.contact_days[:, 0] != before)
        np.testing.assert_array_equal(contacted, available)
        others = np.setdiff1d(np.arange(ROWS), available)
        assert (reward[others] == 0).all()
        rested.append(len(others))
    assert max(rested) > 0


def test_stable_baselines3_learns_from_it(adapter: Any) -> None:
    import torch
    from stable_baselines3 import PPO

    vec = _vec_env(adapter, 0)
    model = PPO("MlpPolicy", vec, n_steps=5, batch_size=5 * ROWS, n_epochs=1, gamma=1.0, seed=42)
    before = [parameter.detach().clone() for parameter in model.policy.parameters()]
    model.learn(5 * ROWS)
    changed = [
        not torch.equal(old, new)
        for old, new in zip(before, model.policy.parameters(), strict=True)
    ]
    assert all(changed)
