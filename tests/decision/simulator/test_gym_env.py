"""The Gymnasium face: its rules kept, and one row of the vector environment behind it."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
import pytest

from churnsaver_assets.decision.simulator.environment import RetentionVectorEnv
from churnsaver_assets.decision.simulator.gym_env import RetentionEnv
from churnsaver_serving.runtime.policy_features import feature_names, policy_features
from tests.support.decision.cohort import at_risk, nominal_world, small_setting
from tests.support.decision.table import drawn_table

if TYPE_CHECKING:
    from churnsaver_assets.decision.simulator.outcomes import Mode

_ID = "churnsaver-tests/Retention-v0"


@pytest.fixture
def registered() -> Iterator[str]:
    import gymnasium

    gymnasium.register(_ID, entry_point=RetentionEnv)
    yield _ID
    del gymnasium.registry[_ID]


def _hostile() -> Any:
    return msgspec.structs.replace(nominal_world(), disturbance=1.0, acceptance_offset=-0.7)


@pytest.mark.parametrize("mode", ["sampled", "integrated"])
@pytest.mark.parametrize("delays", [(0,), (0, 1, 3, 7)])
def test_gymnasium_finds_no_fault(registered: str, mode: Mode, delays: tuple[int, ...]) -> None:
    import gymnasium
    from gymnasium.utils.env_checker import check_env

    env = gymnasium.make(
        registered,
        setting=small_setting(30, delays=delays),
        worlds=[nominal_world(), _hostile()],
        mode=mode,
        multiplier=1.5,
        render_mode="ansi",
    )
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_env(env.unwrapped)


def _first_allowed(mask: np.ndarray) -> np.ndarray:
    """Choose the first allowed contact, else none."""
    offers_and_delays = np.argwhere(mask[1])
    return np.array([1, *offers_and_delays[0]] if len(offers_and_delays) else [0, 0, 0])


@pytest.mark.parametrize("mode", ["sampled", "integrated"])
def test_is_one_row_of_the_vector_environment(mode: Mode) -> None:
    """Same seed, same customer: the same observations, rewards and end."""
    setting = small_setting(6, delays=(0, 1, 3))
    table = drawn_table(setting, rate=0.5)
    env = RetentionEnv(setting, [_hostile()], mode=mode, multiplier=0.5)
    contacts = 0
    for customer in range(6):
        seen, info = env.reset(seed=42, options={"customer": customer})
        rng = np.random.default_rng(42)
        rng.integers(6)  # the customer, which the option overrides
        rng.integers(1)  # the world
        alone = replace(setting, cohort=setting.cohort.rows(np.array([customer])))
        row = RetentionVectorEnv(alone, [_hostile()], mode=mode, rng=rng)
        terminated = False
        while not terminated:
            observation = row.observe(np.array([0.5]))
            features = [policy_features(observation, delay)[0] for delay in range(3)]
            np.testing.assert_array_equal(seen, np.concatenate(features).astype(np.float32))
            assert info["weight"] == row.weight[0]
            flat = np.concatenate([[1], info["action_mask"][1].T.ravel()])
            np.testing.assert_array_equal(flat, row.eligible()[0])
            wanted = int(table[customer, int(row.contacts[0]), row.day])
            wanted = wanted if row.eligible()[0, wanted] else 0
            delay, offer = divmod(wanted - 1, 4)
            action = np.array([1, offer, delay] if wanted else [0, 2, 1])
            seen, reward, terminated, truncated, info = env.step(action)
            weight = row.weight[0]
            step = row.step(np.array([wanted]))
            contacts += int(step.contacted[0])
            assert reward == pytest.approx(weight * (step.reward[0] - 0.5 * step.cost[0]))
            assert not truncated
            assert not info["masked"]
            assert terminated == (row.done or not row.open[0])
    assert contacts > 5


def test_what_the_rules_forbid_counts_as_no_contact() -> None:
    env = RetentionEnv(small_setting(5), mode="integrated")
    _, info = env.reset(seed=42)
    assert info["action_mask"].shape == (2, 4, 1)
    assert info["action_mask"].all()
    _, _, _, _, info = env.step(np.array([1, 2, 0]))
    assert info["contacted"]
    assert not info["masked"]
    assert info["action_mask"][0].all()
    assert not info["action_mask"][1].any()
    _, reward, terminated, _, info = env.step(np.array([1, 2, 0]))
    assert (reward, terminated, info["contacted"], info["masked"]) == (0.0, False, False, True)


def test_sampled_episodes_are_worth_what_integrated_ones_say() -> None:
    """The undiscounted sum of rewards, one customer, a contact whenever allowed."""
    setting = small_setting(3)
    sums: dict[Mode, list[float]] = {"sampled": [], "integrated": []}
    for mode, episodes in (("sampled", 400), ("integrated", 1)):
        env = RetentionEnv(setting, [_hostile()], mode=mode)
        env.reset(seed=42)
        for _ in range(episodes):
            _, info = env.reset(options={"customer": 1})
            total, terminated = 0.0, False
            while not terminated:
                _, reward, terminated, _, info = env.step(_first_allowed(info["action_mask"]))
                total += reward
            sums[mode].append(total)
    sampled = np.array(sums["sampled"])
    error = sampled.std() / np.sqrt(len(sampled))
    assert error > 0.0
    assert abs(sampled.mean() - sums["integrated"][0]) < 4.0 * error


def test_a_seed_draws_customer_world_and_luck() -> None:
    env = RetentionEnv(small_setting(50), [nominal_world(), _hostile()], mode="sampled")
    first, again, other = (env.reset(seed=seed)[1]["customer_id"] for seed in (42, 42, 44))
    assert first == again != other
    drawn = {env.reset()[1]["customer_id"] for _ in range(30)}
    assert len(drawn) > 10


def test_an_episode_ends_when_the_case_is_closed() -> None:
    env = RetentionEnv(small_setting(20), mode="sampled", render_mode="ansi")
    lengths, told = set(), []
    env.reset(seed=42)
    for _ in range(60):
        _, info = env.reset()
        days, terminated = 0, False
        while not terminated:
            _, _, terminated, _, info = env.step(_first_allowed(info["action_mask"]))
            days += 1
        lengths.add(days)
        told.append(env.render())
    assert max(lengths) == 30
    assert min(lengths) < 8
    assert any("accepted" in str(line) for line in told)


def test_features_stay_within_the_declared_bounds() -> None:
    """Also for the oddest customers and the largest multipliers."""
    setting = small_setting(4, delays=(0, 7))
    odd = replace(
        at_risk(setting.cohort, np.array([1e-9, 1 - 1e-9, 1e-9, 1 - 1e-9])),
        monthly_charge_usd=np.array([0.0, 100_000.0, 100_000.0, 0.0]),
        accept_logit=np.sign(setting.cohort.accept_logit) * np.float32(80.0),
    )
    for multiplier in (0.0, 1e12):
        env = RetentionEnv(replace(setting, cohort=odd), multiplier=multiplier)
        for customer in range(4):
            seen, _ = env.reset(seed=1, options={"customer": customer})
            assert env.observation_space.contains(seen)
            assert env.observation_space.contains(env.step(np.array([1, 3, 0]))[0])


def test_wrappers_see_the_right_shapes() -> None:
    from gymnasium.wrappers import FlattenObservation

    env = RetentionEnv(small_setting(4, delays=(0, 1, 3)))
    seen, _ = FlattenObservation(env).reset(seed=42)
    assert seen.shape == (3 * len(feature_names((0, 5, 10, 20))),)
    assert seen.dtype == np.float32


def test_says_what_is_wrong() -> None:
    setting = small_setting(3)
    env = RetentionEnv(setting)
    assert env.render() is None
    with pytest.raises(ValueError, match="call reset"):
        env.step(np.array([0, 0, 0]))
    with pytest.raises(ValueError, match="only 'customer', got \\['customers'\\]"):
        env.reset(options={"customers": 1})
    env.reset(seed=42)
    with pytest.raises(ValueError, match="expected one of MultiDiscrete"):
        env.step(np.array([1, 4, 0]))
    with pytest.raises(ValueError, match="render_mode"):
        RetentionEnv(setting, render_mode="human")
    with pytest.raises(ValueError, match="worlds"):
        RetentionEnv(setting, [])
