"""Accounts: reserves of open contacts, what answers charge, and the limit to the cent."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from churnsaver_serving.runtime.limits.account import Account, Commitment, Commitments, settle

_DEVIATIONS = 3.0

commitments = st.builds(
    lambda discount, p: Commitments.of(2.0, np.array([[discount]]), np.array([[p]])).one(0, 0),
    st.integers(0, 6000).map(lambda cents: cents / 100),
    st.floats(0, 1),
)


def test_reserves_less_than_the_worst_case_of_many() -> None:
    """Many open contacts reserve little more than they will cost on average."""
    one = Commitments.of(2.0, np.array([[30.0]]), np.array([[0.2]])).one(0, 0)
    account = Account(10_000_000)
    for _ in range(200):
        account = account.committed(one)
    mean, deviation = 200 * 800, (200 * 0.2 * 0.8) ** 0.5 * 3000
    assert account.required_cents(_DEVIATIONS) == pytest.approx(mean + 3 * deviation, rel=1e-3)
    assert account.required_cents(_DEVIATIONS) < 0.55 * account.worst_cents


def test_reserves_no_more_than_the_worst_case() -> None:
    """One open contact reserves its worst case, not three deviations above its mean."""
    one = Commitment(contact_cents=200, discount_cents=3000, mean_cents=800, variance=1_440_000)
    assert Account(10_000).committed(one).required_cents(_DEVIATIONS) == one.worst_cents


def test_rounds_amounts_up_to_whole_cents() -> None:
    """What is committed covers what is paid; 10.55 dollars are 1,055 cents."""
    found = Commitments.of(0.005, np.array([[10.55, 0.001]]), np.array([[0.5, 0.5]]))
    assert found.contact_cents == 1
    assert found.discount_cents.tolist() == [[1055, 1]]
    assert found.mean_cents.tolist() == [[1 + 528, 2]]


def test_charges_to_next_month_what_the_limit_does_not_cover() -> None:
    """An offer that was made is kept; the month's account stops at its limit."""
    one = Commitment(contact_cents=200, discount_cents=3000, mean_cents=800, variance=0)
    account, carried = Account(2500).committed(one).accepted(one)
    assert (account.spent_cents, carried) == (2500, 700)


@given(st.integers(0, 50_000), st.lists(st.tuples(commitments, st.integers(0, 2)), max_size=40))
def test_never_charges_more_than_the_limit(
    limit: int, contacts: list[tuple[Commitment, int]]
) -> None:
    """Whatever comes of the contacts that fitted, the account stays within its limit."""
    account, opened = Account(limit), []
    for one, end in contacts:
        after = account.committed(one)
        if after.required_cents(_DEVIATIONS) <= limit:
            account = after
            opened.append((one, end))
    total = 0
    for one, end in opened:
        if end == 0:
            account, carried = account.accepted(one)
            total += carried
        elif end == 1:
            account, carried = account.refused(one)
            total += carried
        else:
            account = account.released(one)
        assert account.spent_cents <= limit
    assert (account.mean_cents, account.variance, account.worst_cents) == (0, 0, 0)
    due = sum((one.worst_cents, one.contact_cents, 0)[end] for one, end in opened)
    assert account.spent_cents + total == due


def test_what_does_not_fit_goes_from_month_to_month() -> None:
    """Each month takes what it can; nothing is lost."""
    months = {10: Account(1000, 900), 11: Account(1000, 800), 12: Account(1000), 13: Account(1000)}
    settled = settle(months.__getitem__, 10, *months[10].charged(1500))
    assert {month: (one.spent_cents, onward) for month, (one, onward) in settled.items()} == {
        10: (1000, 1400),
        11: (1000, 1200),
        12: (1000, 200),
        13: (200, 0),
    }


def test_what_fits_nowhere_is_charged_all_the_same() -> None:
    """Under a budget of nothing, or one far too low, money that was spent is not lost."""
    settled = settle(lambda _: Account(0), 10, *Account(0).charged(500))
    assert [one.spent_cents for one, _ in settled.values()] == [0, 500]
    settled = settle(lambda _: Account(1), 10, *Account(1).charged(500))
    assert [one.spent_cents for one, _ in settled.values()] == [1] * 12 + [488]
