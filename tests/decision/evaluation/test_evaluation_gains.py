"""Gains over the baselines: the saving at equal gain, and when a goal is met."""

from __future__ import annotations

import numpy as np
import pytest

from churnsaver_assets.common.estimates import Interval
from churnsaver_assets.decision.evaluation.gains import GainAndCost, saving_at_equal_gain, verdict


def flat(gain: float, cost: float, seed: int | None = None) -> GainAndCost:
    noise = 0.0 if seed is None else np.random.default_rng(seed).normal(0.0, 0.1, (4, 30))
    return GainAndCost(np.full((4, 30), gain) + noise, np.full((4, 30), cost))


def test_the_saving_is_read_off_the_policys_own_curve() -> None:
    curve = [flat(4.0, 2.0), flat(6.0, 4.0)]
    half = saving_at_equal_gain(flat(5.0, 6.0), curve)
    low = saving_at_equal_gain(flat(2.0, 2.0), curve)
    assert half is not None
    assert low is not None
    assert half.mean == pytest.approx(0.5)
    assert low.mean == pytest.approx(0.5)
    assert half.low == pytest.approx(half.high)
    assert saving_at_equal_gain(flat(7.0, 6.0), curve) is None
    assert saving_at_equal_gain(flat(-1.0, 6.0), curve) == Interval(1.0, 1.0, 1.0)


def test_a_policy_saves_nothing_against_itself() -> None:
    curve = [flat(4.0, 2.0, seed=1), flat(6.0, 4.0, seed=2)]
    found = saving_at_equal_gain(curve[1], curve)
    assert found is not None
    assert found.mean == pytest.approx(0.0)
    assert found.high - found.low == pytest.approx(0.0, abs=1e-9)


@pytest.mark.parametrize(
    ("interval", "expected"),
    [
        (Interval(0.04, 0.03, 0.05), "met"),
        (Interval(0.03, 0.02, 0.04), "open"),
        (Interval(0.01, 0.0, 0.02), "missed"),
        (None, "missed"),
    ],
)
def test_a_goal_is_met_only_where_the_interval_says_so(
    interval: Interval | None, expected: str
) -> None:
    assert verdict(interval, 0.03) == expected
