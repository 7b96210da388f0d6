"""The Gymnasium face: its rules kept, and one row of the vector environment behind it."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from churnsaver_assets.decision.simulator.environment import RetentionVectorEnv
from churnsaver_assets.decision.simulator.gym_env import RetentionEnv
from churnsaver_assets.decision.simulator.population import everybody
from churnsaver_serving.runtime.policies.policy_features import feature_names, policy_features
from tests.support.decision.cohort import at_risk, nominal_world, small_setting

if TYPE_CHECKING:
    from churnsaver_assets.decision.simulator.environment import Mode

_ID = "churnsaver-tests/Retention-v0"
_DELAYS = tuple(range(8))
_MODES = ["sampled", "integrated"]
_NOTHING = np.array([0, 0, 0])


@pytest.fixture
def registered() -> Iterator[str]:
    import gymnasium

    gymnasium.register(_ID, entry_point=RetentionEnv)
    yield _ID
    del gymnasium.registry[_ID]


def _hostile(**changed: Any) -> Any:
    effects = {"disturbance": 1.0, "acceptance_offset": -0.7} | changed
    return msgspec.structs.replace(nominal_world(), **effects)


@pytest.mark.parametrize("mode", _MODES)
@pytest.mark.parametrize("delays", [(0,), _DELAYS])
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
    return np.array([1, *offers_and_delays[0]]) if len(offers_and_delays) else _NOTHING


@pytest.mark.parametrize("mode", _MODES)
def test_is_one_row_of_the_vector_environment(mode: Mode) -> None:
    """Same seed, same customer: the same observations, rewards and end."""
    setting, one = small_setting(6, days=60), np.array([0])
    env = RetentionEnv(setting, [_hostile()], mode=mode, multiplier=0.5)
    contacts = 0
    for customer in range(6):
        seen, info = env.reset(seed=42, options={"customer": customer})
        rng = np.random.default_rng(42)
        rng.integers(6)  # the customer, which the option overrides
        rng.integers(1)  # the world
        age = np.array([int(rng.integers(30))])
        row = RetentionVectorEnv(
            setting,
            everybody(np.array([customer]), age, 60),
            [_hostile()],
            mode,
            seed=int(rng.integers(2**31)),
        )
        terminated = truncated = False
        while not (terminated or truncated):
            features = policy_features(row.observe(one, np.array([0.5])))[0]
            np.testing.assert_array_equal(seen, np.append(features, 0.0).astype(np.float32))
            assert info["weight"] == row.weight[0]
            allowed = len(row.available()) > 0
            assert (info["action_mask"][1] == allowed).all()
            offer = row.day % 4
            action = np.array([1, offer, 0]) if allowed else _NOTHING
            seen, reward, terminated, truncated, info = env.step(action)
            weight = row.weight[0]
            rows = one if allowed else one[:0]
            step = row.step(rows, np.full(len(rows), offer))
            contacts += len(rows)
            assert reward == pytest.approx(weight * (step.gain - 1.5 * step.cost).sum())
            assert not info["masked"]
            assert terminated == (not row.dynamics.there[0])
            assert truncated == (row.done and not terminated)
    assert contacts > 5


def test_a_contact_after_a_delay_is_made_on_that_day_and_nothing_else_until_then() -> None:
    """Decided on a Friday for the Wednesday after."""
    env = RetentionEnv(small_setting(5, delays=_DELAYS), mode="integrated")
    _, info = env.reset(seed=42)
    for _ in range(4):
        _, _, _, _, info = env.step(_NOTHING)
    # Saturday and Sunday are closed.
    assert info["action_mask"][1, 0].tolist() == [1, 0, 0, 1, 1, 1, 1, 1]
    seen, reward, _, _, info = env.step(np.array([1, 2, 5]))
    near = [float(seen[-1])]
    for _ in range(4):
        assert (reward, info["contacted"]) == (0.0, False)
        assert not info["action_mask"][1].any()
        # Another contact in between isn't booked.
        seen, reward, _, _, info = env.step(np.array([1, 3, 0]))
        assert info["masked"]
        near.append(float(seen[-1]))
    assert (reward, info["contacted"]) == (0.0, False)
    assert near == pytest.approx([1 / 5, 1 / 4, 1 / 3, 1 / 2, 1.0])
    seen, reward, _, _, info = env.step(_NOTHING)
    assert info["contacted"]
    assert reward != 0.0
    assert seen[-1] == 0.0


@given(
    seed=st.integers(0, 10_000),
    actions=st.lists(
        st.tuples(st.integers(0, 1), st.integers(0, 3), st.integers(0, 7)), min_size=45, max_size=45
    ),
    mode=st.sampled_from(_MODES),
)
def test_masked_or_not_no_action_breaks_a_rule(
    seed: int, actions: list[tuple[int, int, int]], mode: Mode
) -> None:
    """Every contact keeps cooldown and days off; a pending one is always allowed on its day."""
    setting = small_setting(10, days=45, delays=_DELAYS)
    env = RetentionEnv(setting, [_hostile()], mode=mode)
    env.reset(seed=seed)
    contacted: list[int] = []
    for day, action in enumerate(actions):
        _, _, terminated, truncated, info = env.step(np.array(action))
        if info["contacted"]:
            assert setting.calendar.working[day]
            assert not contacted or day - contacted[-1] >= setting.rules.cooldown_days
            contacted.append(day)
        assert sum(one > day - 30 for one in contacted) <= setting.rules.fatigue_cap
        assert not (terminated and truncated)
        if terminated or truncated:
            break


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
    """The discounted sum of rewards, one customer, a contact whenever allowed."""
    setting = small_setting(3, days=20)
    setting = replace(setting, cohort=at_risk(setting.cohort, np.full(3, 0.6)))
    sums: dict[Mode, np.ndarray] = {}
    for mode in ("sampled", "integrated"):
        env = RetentionEnv(setting, [_hostile()], mode=mode)
        env.reset(seed=42)
        found = []
        for _ in range(150):
            _, info = env.reset(options={"customer": 1})
            total, discount, over = 0.0, 1.0, False
            while not over:
                action = _first_allowed(info["action_mask"])
                _, reward, terminated, truncated, info = env.step(action)
                total += discount * reward
                discount *= 1.0 - 1.0 / 180.0
                over = terminated or truncated
            found.append(total)
        sums[mode] = np.array(found)
    error = np.sqrt(sum(one.var() / len(one) for one in sums.values()))
    assert error > 0.0
    assert abs(sums["sampled"].mean() - sums["integrated"].mean()) < 4.0 * error
    # What is compared is not nothing.
    assert abs(sums["integrated"].mean()) > 4.0 * error


def test_a_seed_draws_customer_world_and_luck() -> None:
    env = RetentionEnv(small_setting(50), [nominal_world(), _hostile()], mode="sampled")
    first, again, other = (env.reset(seed=seed)[1]["customer_id"] for seed in (42, 42, 44))
    assert first == again != other
    drawn = {env.reset()[1]["customer_id"] for _ in range(30)}
    assert len(drawn) > 10


def test_who_leaves_ends_an_episode_and_the_calendar_only_cuts_it() -> None:
    setting = small_setting(20)
    setting = replace(setting, cohort=at_risk(setting.cohort, np.full(20, 0.6)))
    env = RetentionEnv(setting, mode="sampled", render_mode="ansi")
    env.reset(seed=42)
    ends, told = [], []
    for _ in range(60):
        env.reset()
        days, terminated, truncated = 0, False, False
        while not (terminated or truncated):
            _, _, terminated, truncated, info = env.step(_NOTHING)
            days += 1
        ends.append((terminated, truncated, days))
        told.append(str(env.render()))
        with pytest.raises(ValueError, match="call reset"):
            env.step(_NOTHING)
        assert (info["weight"] == 0.0) == terminated
    assert {end[:2] for end in ends} == {(True, False), (False, True)}
    assert {days for _, truncated, days in ends if truncated} == {30}
    assert min(days for terminated, _, days in ends if terminated) < 15
    assert all(("left" in line) == end[0] for line, end in zip(told, ends, strict=True))


def test_nobody_leaves_where_leaving_is_integrated() -> None:
    env = RetentionEnv(small_setting(20), mode="integrated")
    _, info = env.reset(seed=42)
    weights = [info["weight"]]
    terminated = truncated = False
    while not truncated:
        _, _, terminated, truncated, info = env.step(_NOTHING)
        assert not terminated
        weights.append(info["weight"])
    assert len(weights) == 31
    assert weights == sorted(weights, reverse=True)
    assert 0.0 < weights[-1] < weights[0] == 1.0


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
    assert seen.shape == (len(feature_names((0, 5, 10, 20))) + 1,)
    assert seen.dtype == np.float32


def test_says_what_is_wrong() -> None:
    setting = small_setting(3)
    env = RetentionEnv(setting)
    assert env.render() is None
    with pytest.raises(ValueError, match="call reset"):
        env.step(_NOTHING)
    with pytest.raises(ValueError, match="only 'customer', got \\['customers'\\]"):
        env.reset(options={"customers": 1})
    env.reset(seed=42)
    with pytest.raises(ValueError, match="expected one of MultiDiscrete"):
        env.step(np.array([1, 4, 0]))
    with pytest.raises(ValueError, match="render_mode"):
        RetentionEnv(setting, render_mode="human")
    with pytest.raises(ValueError, match="worlds"):
        RetentionEnv(setting, [])
