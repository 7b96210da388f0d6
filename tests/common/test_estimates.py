"""Intervals: how wide they are, what they cover, and what has none."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from churnsaver_assets.common.estimates import (
    Interval,
    over_replicates,
    ratio,
    standard_error,
)

SEED = 42


def test_without_luck_the_error_is_the_customers_own() -> None:
    rng = np.random.default_rng(SEED)
    values = rng.normal(3.0, 2.0, 400)
    found = ratio(np.tile(values, (5, 1)), np.ones(400))
    assert found.mean == pytest.approx(values.mean())
    half = 1.966 * values.std(ddof=1) / 20.0  # t with 399 degrees of freedom
    assert found.high - found.mean == pytest.approx(half, rel=1e-3)


def test_a_paired_difference_of_equals_is_exactly_zero() -> None:
    values = np.random.default_rng(SEED).normal(size=(4, 50))
    assert ratio(values - values, np.ones(50)) == Interval(0.0, 0.0, 0.0)


@pytest.mark.parametrize(("who", "luck", "shared"), [(1.0, 3.0, 0.0), (2.0, 0.5, 0.0), (0.5, 1, 1)])
def test_the_error_is_that_of_a_crossed_layout(who: float, luck: float, shared: float) -> None:
    rng = np.random.default_rng(SEED)
    replicates, customers, draws = 8, 60, 600
    means, errors, covered = [], [], []
    for _ in range(draws):
        values = (
            rng.normal(0.0, who, customers)
            + rng.normal(0.0, shared / customers**0.5, (replicates, 1))
            + rng.normal(0.0, luck, (replicates, customers))
        )
        influence = (values - values.mean()) / values.size
        errors.append(standard_error(influence)[0] ** 2)
        found = ratio(values, np.ones(customers))
        means.append(found.mean)
        covered.append(found.low <= 0.0 <= found.high)
    assert np.mean(errors) == pytest.approx(np.var(means), rel=0.15)
    assert 0.92 <= np.mean(covered) <= 0.98


@given(
    st.integers(2, 5),
    st.integers(2, 9),
    st.integers(0, 10_000),
    st.floats(0.1, 10.0),
)
def test_intervals_ignore_order_and_follow_units(
    replicates: int, customers: int, seed: int, factor: float
) -> None:
    rng = np.random.default_rng(seed)
    above, below = rng.normal(size=(replicates, customers)), rng.uniform(0.5, 2.0, customers)
    plain = ratio(above, below)
    order = rng.permutation(customers)
    mixed = ratio(above[rng.permutation(replicates)][:, order], below[order])
    scaled = ratio(factor * above, below)
    assert plain.low <= plain.mean <= plain.high
    for one, other in zip(
        msgspec.structs.astuple(plain), msgspec.structs.astuple(mixed), strict=True
    ):
        assert one == pytest.approx(other, abs=1e-9)
    assert scaled.low == pytest.approx(factor * plain.low, abs=1e-9)


def test_one_replicate_has_no_interval() -> None:
    with pytest.raises(ValueError, match="at least 2 replicates"):
        ratio(np.ones((1, 5)), np.ones(5))
    with pytest.raises(ValueError, match="sums to 0"):
        ratio(np.ones((2, 5)), np.zeros(5))


def test_over_replicates_is_the_t_interval() -> None:
    from scipy.stats import t

    values = np.array([1.0, 2.0, 4.0])
    found = over_replicates(values)
    low, high = t.interval(0.95, 2, values.mean(), values.std(ddof=1) / 3**0.5)
    assert (found.low, found.high) == (pytest.approx(low), pytest.approx(high))
