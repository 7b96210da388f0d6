"""Whatever is asked for: budget, capacity, cooldown, fatigue cap and days off hold, to the cent."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import msgspec
import numpy as np
import numpy.typing as npt
from hypothesis import given, settings
from hypothesis import strategies as st

from churnsaver_assets.decision.simulator.environment import RetentionVectorEnv
from tests.support.decision.cohort import at_risk, nominal_world, small_setting

if TYPE_CHECKING:
    from churnsaver_assets.decision.simulator.setting import Setting
    from churnsaver_serving.runtime.arrays import Floats, Ints


@dataclass
class _Ledger:
    """Keeps its own books on an environment, in whole cents, from actions and outcomes alone."""

    env: RetentionVectorEnv

    def __post_init__(self) -> None:
        env = self.env
        self.spent = np.zeros(env.groups, dtype=np.int64)
        self.last = np.full(env.size, -1_000)
        self.count = np.zeros(env.size, dtype=np.int64)
        self.accepted = np.zeros(env.size, dtype=bool)
        self.left = np.zeros(env.size, dtype=bool)
        # The day and reserve in cents of what is decided and still to come; -1 for nothing.
        self.due = np.full(env.size, -1)
        self.committed = np.zeros(env.size, dtype=np.int64)
        self.booked = np.zeros((env.groups, env.setting.calendar.days), dtype=np.int64)

    def _by_group(self, values: npt.NDArray[np.generic]) -> npt.NDArray[np.generic]:
        return values.reshape(self.env.groups, -1).sum(axis=1)

    def live(self, action: Ints, priority: Floats) -> None:
        env, rules = self.env, self.env.setting.rules
        day, rows = env.day, np.arange(env.size)
        delay = env.setting.space.delay_days[action]
        reserve = np.round(100 * env.reserve[rows, action]).astype(np.int64)
        step = env.step(action, priority)

        asked = action != 0
        assert not (step.dropped & ~asked).any()
        later = asked & (delay > 0) & ~step.dropped
        made = (self.due == day) | (asked & (delay == 0) & ~step.dropped)
        np.testing.assert_array_equal(step.contacted, made)
        assert not (made & (self.accepted | self.left)).any()
        assert not (made & (day - self.last < rules.cooldown_days)).any()
        assert env.setting.calendar.working[day] or not made.any()
        self.last[made] = day
        self.count[made] += 1
        assert self.count.max(initial=0) <= rules.fatigue_cap
        by_day = self._by_group(made)
        assert env.daily_capacity is None or (by_day <= env.daily_capacity).all()

        cents = np.round(100 * step.spent).astype(np.int64)
        assert (cents[made] >= 200).all()
        assert not cents[~made].any()
        self.spent += self._by_group(cents)
        self.due[self.due == day] = -1
        self.due[later] = day + delay[later]
        self.committed[later] = reserve[later]
        self.accepted |= step.accepted
        self.left = env.left.copy()
        assert not (self.accepted & self.left).any()
        # Who has left holds no commitment any more.
        self.due[self.left] = -1
        self.committed[self.due < 0] = 0
        np.testing.assert_array_equal(env.pending > 0, self.due >= 0)

        budget = np.round(100 * env.budget_usd)
        assert (self.spent <= budget).all()
        remaining = budget - self.spent - self._by_group(self.committed)
        np.testing.assert_array_equal(np.round(100 * env.remaining_usd), remaining)
        np.testing.assert_array_equal(env.remaining_usd, remaining / 100)
        assert (remaining >= 0).all()


@settings(max_examples=60)
@given(
    seed=st.integers(0, 1_000_000),
    budget_cents=st.integers(0, 30_000),
    capacity=st.none() | st.integers(0, 6),
    delays=st.sampled_from([(0,), (0, 1, 3, 7), (1, 2), (0, 2)]),
    cooldown=st.integers(1, 8),
    cap=st.integers(1, 4),
    eagerness=st.floats(0.05, 1.0),
)
def test_no_policy_can_break_the_rules(
    *,
    seed: int,
    budget_cents: int,
    capacity: int | None,
    delays: tuple[int, ...],
    cooldown: int,
    cap: int,
    eagerness: float,
) -> None:
    rng = np.random.default_rng(seed)
    setting = small_setting(12, 25, delays, seed=seed % 7)
    rules = msgspec.structs.replace(setting.rules, cooldown_days=cooldown, fatigue_cap=cap)
    hostile = msgspec.structs.replace(nominal_world(), disturbance=1.0, hazard_scale=1.5)
    env = RetentionVectorEnv(
        replace(setting, rules=rules),
        [hostile, nominal_world()],
        mode="sampled",
        rng=rng,
        budget_usd=np.array([budget_cents, 2 * budget_cents]) / 100,
        daily_capacity=capacity,
    )
    ledger = _Ledger(env)
    while not env.done:
        # Any eligible action, in any order; priorities have ties.
        weights = rng.random((env.size, env.setting.space.size)) * env.eligible()
        weights[:, 0] *= 1.0 - eagerness
        ledger.live(weights.argmax(axis=1), rng.integers(0, 3, env.size).astype(np.float64))


def _env(setting: Setting, usd: float, capacity: int | None = None) -> RetentionVectorEnv:
    return RetentionVectorEnv(
        setting,
        [setting.nominal],
        mode="sampled",
        rng=np.random.default_rng(42),
        budget_usd=np.array([usd]),
        daily_capacity=capacity,
    )


def test_the_first_in_line_are_served_and_ties_keep_the_order_of_rows() -> None:
    setting = small_setting(6)
    everybody = np.full(6, 1)
    step = _env(setting, 100.0, capacity=3).step(everybody, np.array([1.0, 2, 1, 3, 1, -np.inf]))
    assert np.flatnonzero(step.contacted).tolist() == [0, 1, 3]
    assert step.dropped.sum() == 3
    # Plain contacts at 2 $: money for two.
    step = _env(setting, 5.0).step(everybody, np.array([0.0, 0, 0, 0, 1, 1]))
    assert np.flatnonzero(step.contacted).tolist() == [4, 5]
    assert np.flatnonzero(_env(setting, 5.0).step(everybody).contacted).tolist() == [0, 1]


def test_a_day_that_is_booked_ahead_has_less_room_when_it_comes() -> None:
    setting = small_setting(4, delays=(0, 1))
    env = _env(setting, 1_000.0, capacity=1)
    tomorrow = setting.space.index(0, 1)
    step = env.step(np.array([tomorrow, tomorrow, 1, 1]))
    assert step.dropped.tolist() == [False, True, False, True]
    assert step.contacted.tolist() == [False, False, True, False]
    step = env.step(np.array([0, 1, 0, 1]))
    assert step.contacted.tolist() == [True, False, False, False]
    assert step.dropped.tolist() == [False, True, False, True]


def test_who_leaves_before_the_contact_gives_back_money_and_the_place() -> None:
    setting = small_setting(2, delays=(0, 3))
    doomed = replace(setting, cohort=at_risk(setting.cohort, np.array([0.5, 1 - 1e-15])))
    certain = msgspec.structs.replace(setting.nominal, hazard_scale=1.5)
    env = RetentionVectorEnv(
        doomed,
        [certain],
        mode="sampled",
        rng=np.random.default_rng(42),
        budget_usd=np.array([90.0]),
        daily_capacity=1,
    )
    step = env.step(np.array([0, setting.space.index(20, 3)]))
    assert not step.dropped.any()
    assert env.left.tolist() == [False, True]
    assert env.remaining_usd[0] == 90.0
    env.step(np.array([0, 0]))
    env.step(np.array([0, 0]))
    assert env.step(np.array([1, 0])).contacted.tolist() == [True, False]
