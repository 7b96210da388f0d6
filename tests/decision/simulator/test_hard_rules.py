"""Whoever decides: cooldown, rest, the fatigue cap and days off hold in the array mode."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from churnsaver_assets.decision.simulator.calendar import Calendar
from churnsaver_serving.runtime.limits.rules import WEEKDAYS
from tests.support.decision.cohort import START, small_setting
from tests.support.decision.table import busy_setting, made_env, rough_world

_DAYS = 40


@given(
    cooldown=st.integers(0, 9),
    rest=st.integers(0, 30),
    cap=st.integers(1, 4),
    window=st.integers(1, 30),
    weekdays=st.sets(st.sampled_from(WEEKDAYS), min_size=1),
    mode=st.sampled_from(["sampled", "integrated"]),
    rate=st.floats(0.2, 1.0),
    seed=st.integers(0, 1000),
)
def test_no_rule_is_broken_by_who_contacts_all_they_can(
    cooldown: int,
    rest: int,
    cap: int,
    window: int,
    weekdays: set[str],
    mode: str,
    rate: float,
    seed: int,
) -> None:
    setting = small_setting(12, days=_DAYS)
    rules = msgspec.structs.replace(
        setting.rules,
        cooldown_days=cooldown,
        accepted_rest_days=rest,
        fatigue_cap=cap,
        fatigue_window_days=window,
        contact_weekdays=tuple(day for day in WEEKDAYS if day in weekdays),
    )
    holiday = START + timedelta(days=9)
    setting = replace(
        setting, rules=rules, calendar=Calendar.starting(START, _DAYS, rules, {holiday})
    )
    env = made_env(setting, rough_world(), mode, groups=2, seed=seed)
    rng = np.random.default_rng(seed)
    days: list[list[int]] = [[] for _ in range(env.size)]
    accepted: list[list[int]] = [[] for _ in range(env.size)]
    left = np.zeros(env.size, dtype=bool)
    while not env.done:
        rows = env.available()
        # What is free next is free only where the calendar has a day.
        if setting.calendar.working[env.day]:
            free = np.flatnonzero((env.next_chance() == 0) & ~left)
            np.testing.assert_array_equal(rows, free)
        rows = rows[rng.random(len(rows)) < rate]
        today = env.day
        step = env.step(rows, rng.integers(4, size=len(rows)))
        for row, yes in zip(rows.tolist(), step.accepted.tolist(), strict=True):
            assert not left[row]
            date = START + timedelta(days=today)
            assert WEEKDAYS[date.weekday()] in weekdays
            assert date != holiday
            assert not days[row] or today - days[row][-1] >= cooldown
            assert not accepted[row] or today - accepted[row][-1] >= rest
            days[row].append(today)
            assert sum(day > today - window for day in days[row]) <= cap
            if yes:
                accepted[row].append(today)
        left |= step.stay == 0.0


def test_what_the_rules_forbid_is_refused() -> None:
    env = made_env(busy_setting(3, 10), rough_world(), "integrated")
    env.step(np.array([0]), np.array([1]))
    assert env.available().tolist() == [1, 2]
    with pytest.raises(ValueError, match="row 0: no contact is allowed on day 1"):
        env.step(np.array([1, 0]), np.array([1, 1]))
    with pytest.raises(ValueError, match="twice"):
        env.step(np.array([1, 1]), np.array([1, 1]))
    for wrong in (np.array([4]), np.array([-1]), np.array([0, 1])):
        with pytest.raises(ValueError, match="expected 1 positions below 4"):
            env.step(np.array([1]), wrong)
    nobody = np.zeros(0, dtype=np.int64)
    while not env.done:
        env.step(nobody, nobody)
    with pytest.raises(ValueError, match="days are over"):
        env.step(nobody, nobody)
