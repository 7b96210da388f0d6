"""Choices in turn: as if each customer were decided on alone, one after the other."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from churnsaver_serving.runtime.arrays import Bools, Floats, Ints
from churnsaver_serving.runtime.engine.choice import (
    Choices,
    Judge,
    Judged,
    SharedLimits,
    choose,
    month_of,
)
from churnsaver_serving.runtime.limits.account import Account, Commitments
from churnsaver_serving.runtime.limits.actions import ActionSpace
from churnsaver_serving.runtime.limits.constraints import NO_DAY

_SPACE = ActionSpace((0, 10, 20), (0, 1, 2))
_TODAY = 739_200  # 31 October 2024: the next days are another month's


class _Judge:
    """Values that depend on the row and the day, so that judging for another day shows."""

    def __init__(self, rng: np.random.Generator, n: int) -> None:
        self._values = rng.normal(0.0, 2.0, (n, 3, 4))
        self._values[..., 0] = 0.0
        self._discount = np.round(rng.uniform(0.0, 40.0, (n, 3)), 2)
        self._p = rng.uniform(0.05, 0.9, (n, 3))

    def __call__(self, rows: Ints, position: Ints) -> Judged:
        values = self._values[rows, position]
        return Judged(
            preferences=values.copy(),
            values=values.copy(),
            commitments=Commitments.of(2.0, self._discount[rows], self._p[rows]),
        )

    def only(self, row: int) -> "_OneRow":
        return _OneRow(self, row)


class _OneRow:
    def __init__(self, judge: _Judge, row: int) -> None:
        self._judge, self._row = judge, row

    def __call__(self, rows: Ints, position: Ints) -> Judged:
        return self._judge(rows + self._row, position)


def _shared(limit_cents: int, free: int) -> SharedLimits:
    return SharedLimits(
        accounts={
            int(month): Account(limit_cents) for month in np.unique(month_of(_TODAY + np.arange(3)))
        },
        free={_TODAY + day: free for day in range(3)},
        deviations=3.0,
    )


def _choose(judge: Judge, allowed: Bools, shared: SharedLimits, uniforms: Floats) -> Choices:
    return choose(
        judge,
        allowed,
        np.full(len(allowed), _TODAY),
        _SPACE,
        shared,
        uniforms,
        exploration=0.3,
        margin_usd=1.0,
    )


@settings(deadline=None)
@given(
    seed=st.integers(0, 10_000),
    n=st.integers(1, 25),
    limit_cents=st.integers(0, 40_000),
    free=st.integers(0, 6),
)
def test_equals_one_by_one(seed: int, n: int, limit_cents: int, free: int) -> None:
    """A batch decides as its customers would one after the other, and leaves the same behind."""
    rng = np.random.default_rng(seed)
    judge = _Judge(rng, n)
    allowed = rng.random((n, 3)) < 0.7
    uniforms = rng.random(n)
    together, alone = _shared(limit_cents, free), _shared(limit_cents, free)
    batch = _choose(judge, allowed, together, uniforms)
    for row in range(n):
        one = _choose(judge.only(row), allowed[row : row + 1], alone, uniforms[row : row + 1])
        for name in ("action", "position", "propensity", "greedy", "remaining_cents"):
            assert getattr(one, name)[0] == pytest.approx(getattr(batch, name)[row]), name
        assert np.allclose(one.probabilities[0], batch.probabilities[row])
        assert (one.affordable[0] == batch.affordable[row]).all()
    assert together == alone


@settings(deadline=None)
@given(seed=st.integers(0, 10_000), limit_cents=st.integers(0, 20_000), free=st.integers(0, 5))
def test_keeps_limits_and_allowed_days(seed: int, limit_cents: int, free: int) -> None:
    """No account requires more than its limit, no day has more contacts than were free."""
    rng = np.random.default_rng(seed)
    allowed = rng.random((30, 3)) < 0.5
    shared = _shared(limit_cents, free)
    found = _choose(_Judge(rng, 30), allowed, shared, rng.random(30))
    assert all(one.required_cents(3.0) <= limit_cents for one in shared.accounts.values())
    assert min(shared.free.values()) >= 0
    contact = np.flatnonzero(found.action > 0)
    assert allowed[contact, found.position[contact]].all()
    assert (found.action[found.position == NO_DAY] == 0).all()
    assert ((found.propensity > 0) & (found.propensity <= 1 + 1e-12)).all()
    assert np.allclose(found.probabilities.sum(axis=1), 1.0)


@pytest.mark.parametrize(
    ("values", "preferences", "probabilities"),
    [
        ([0.0, 5.0, 4.5, 1.0], [0.0, 5.0, 4.5, 1.0], [0.0, 0.85, 0.15, 0.0]),
        # A policy by other values: what is far better by these is not near-equal to its choice.
        ([0.0, 5.0, 4.5, 0.5], [1.0, 0.0, 0.0, 0.0], [0.85, 0.0, 0.0, 0.15]),
        ([0.0, 0.2, 0.1, 0.5], [1.0, -np.inf, -np.inf, 0.0], [0.85, 0.0, 0.0, 0.15]),
    ],
    ids=["falls short", "far better", "never"],
)
def test_explores_near_equal_actions_alone(
    values: list[float], preferences: list[float], probabilities: list[float]
) -> None:
    """What differs by more than the margin, or is never to be done, has probability 0."""

    def judge(rows: Ints, position: Ints) -> Judged:
        assert len(rows) == len(position) == 1
        amounts = Commitments.of(2.0, np.zeros((1, 3)), np.full((1, 3), 0.5))
        return Judged(np.array([preferences]), np.array([values]), amounts)

    shared = _shared(100_000, 5)
    found = _choose(judge, np.ones((1, 3), dtype=np.bool_), shared, np.array([0.99]))
    assert found.probabilities.tolist() == [pytest.approx(probabilities)]
    assert found.action[0] == np.flatnonzero(probabilities)[-1]
