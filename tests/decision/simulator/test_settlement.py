"""Budgets and capacities: used up, never exceeded, to the cent."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from churnsaver_assets.decision.simulator.accounts import Accounts
from churnsaver_assets.decision.simulator.settlement import settle

# (reserve, share of it that is the price, day), money in cents
_contacts = st.lists(
    st.tuples(st.integers(0, 3000), st.floats(0.0, 1.0), st.integers(0, 2)), max_size=40
)


def _in_turn(
    reserve: list[int], price: list[int], day: list[int], remaining: int, free: list[float]
) -> tuple[list[bool], int]:
    """Settle contacts one by one."""
    allowed = []
    free = list(free)
    for most, paid, on in zip(reserve, price, day, strict=True):
        fits = most <= remaining and free[on] > 0
        allowed.append(fits)
        if fits:
            remaining -= paid
            free[on] -= 1
    return allowed, remaining


def _usd(cents: list[int]) -> npt.NDArray[np.float64]:
    return np.array(cents, dtype=np.float64) / 100.0


@given(
    contacts=_contacts,
    budget=st.integers(0, 20_000),
    free=st.lists(st.integers(0, 15) | st.just(math.inf), min_size=3, max_size=3),
)
def test_settles_as_one_would_by_hand(
    contacts: list[tuple[int, float, int]], budget: int, free: list[float]
) -> None:
    reserve = [most for most, _, _ in contacts]
    price = [int(share * most) for most, share, _ in contacts]
    day = [on for _, _, on in contacts]
    settled = settle(
        _usd(reserve),
        _usd(price),
        budget / 100.0,
        day=np.array(day, dtype=np.int64),
        free=np.array(free, dtype=np.float64),
    )
    allowed, remaining = _in_turn(reserve, price, day, budget, free)
    assert settled.allowed.tolist() == allowed
    assert round(100 * settled.remaining_usd) == remaining
    assert settled.remaining_usd == remaining / 100.0
    paid = sum(cents for cents, fits in zip(price, allowed, strict=True) if fits)
    assert paid + remaining == budget


def test_a_refusal_makes_room_for_the_next() -> None:
    """Three contacts that may cost 5 each, of which two don't: 10 are enough, never 15 reserved."""
    settled = settle(np.full(3, 5.0), np.array([2.0, 2.0, 5.0]), 10.0)
    assert settled.allowed.all()
    assert settled.remaining_usd == 1.0


def test_a_cheaper_contact_is_made_where_a_dear_one_does_not_fit() -> None:
    settled = settle(np.array([20.0, 2.0]), np.array([20.0, 2.0]), 3.0)
    assert settled.allowed.tolist() == [False, True]


def test_what_money_refuses_takes_no_capacity() -> None:
    settled = settle(np.array([20.0, 2.0]), np.array([20.0, 2.0]), 3.0, free=np.array([1.0]))
    assert settled.allowed.tolist() == [False, True]


def test_no_budget_allows_everything() -> None:
    settled = settle(np.full(4, 5.0), np.full(4, 5.0), math.inf)
    assert settled.allowed.all()
    assert settled.remaining_usd == math.inf


def test_fractions_of_a_cent_are_not_spent() -> None:
    assert not settle(np.array([1.01]), np.array([1.01]), 1.0099).allowed.any()
    assert settle(np.array([1.01]), np.array([1.01]), 1.01 - 1e-13).allowed.all()


@pytest.fixture
def accounts() -> Accounts:
    return Accounts(np.array([10.0, 20.0]), daily_capacity=2, days=3)


def _serve(accounts: Accounts, group: list[int], day: list[int], usd: list[float]) -> list[bool]:
    money = np.array(usd)
    served = accounts.serve(np.array(group), np.array(day), reserve_usd=money, price_usd=money)
    return served.tolist()


def test_groups_share_nothing(accounts: Accounts) -> None:
    served = _serve(accounts, [0, 0, 0, 1, 1, 1], [0] * 6, [6.0, 4.01, 4.0, 15.0, 5.0, 0.0])
    assert served == [True, False, True, True, True, False]
    assert accounts.remaining_usd.tolist() == [0.0, 0.0]


def test_days_share_the_budget_and_not_the_capacity(accounts: Accounts) -> None:
    assert _serve(accounts, [1] * 5, [0, 0, 0, 1, 2], [1.0] * 5) == [True, True, False, True, True]
    assert _serve(accounts, [1] * 3, [0, 1, 1], [1.0] * 3) == [False, True, False]
    assert accounts.remaining_usd.tolist() == [10.0, 15.0]


def test_commitments_are_settled_and_cancelled_to_the_cent(accounts: Accounts) -> None:
    assert _serve(accounts, [0, 0], [2, 2], [5.1, 4.9]) == [True, True]
    assert accounts.remaining_usd[0] == 0.0
    accounts.settle_commitments(np.array([0]), np.array([5.1]), np.array([2.0]))
    assert accounts.remaining_usd[0] == 3.1
    assert _serve(accounts, [0], [2], [1.0]) == [False]
    accounts.cancel(np.array([0]), np.array([2]), np.array([4.9]))
    assert accounts.remaining_usd[0] == 8.0
    assert _serve(accounts, [0], [2], [1.0]) == [True]
