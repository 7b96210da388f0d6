"""Pacing by dual descent: its start, its daily step, and its correction within a month."""

from typing import Any

import msgspec
import pytest
from hypothesis import given, seed
from hypothesis import strategies as st

from churnsaver_serving.runtime.policies.pacing import (
    Basis,
    Day,
    Pacing,
    PacingError,
    PacingRule,
    Places,
    Since,
    Start,
    places_a_day,
)

RULE = PacingRule(
    budgets_usd=(1.0, 4.0, 8.0),
    start=Start((3.0, 1.0, 0.2), (2.0, 0.5, 0.0)),
    step=0.05,
    correction=0.5,
    most_correction=2.0,
    most_overspend=1.0,
    capacity_step_usd=0.5,
    waiting_share=0.1,
    scarce_step=0.1,
)
PACING = Pacing(RULE, customers=1_000)


def start(
    *, daily: tuple[float, ...] = (3.0, 1.0, 0.2), monthly: tuple[float, ...] = (2.0, 0.5, 0.0)
) -> Start:
    return Start(daily, monthly)


BUDGET = 400_000  # 4 dollars a customer
DUE = BUDGET // 30


def after(
    kept: float = 1.0, basis: Basis | None = None, before: Basis | None = None, **told: Any
) -> float:
    since = Since(
        days=1,
        days_in_month=30,
        month_ended=False,
        in_force=kept,
        capacity_price_usd=0.0,
        booked_cents=DUE,
        remaining_cents=BUDGET,
    )
    return PACING.next(
        kept,
        msgspec.structs.replace(since, **told),
        basis=basis or Basis(BUDGET),
        before=before or Basis(BUDGET),
    )


@pytest.mark.parametrize(
    ("usd_per_customer", "begins"),
    [(0.5, 3.0), (1.0, 3.0), (2.5, 2.0), (4.0, 1.0), (6.0, 0.6), (8.0, 0.2), (100.0, 0.2)],
)
def test_start_lies_between_the_budgets_that_are_known(
    usd_per_customer: float, begins: float
) -> None:
    assert PACING.start(Basis(round(usd_per_customer * 100_000))) == pytest.approx(begins)


def test_who_is_asked_about_seldom_begins_at_the_other_price() -> None:
    assert PACING.start(Basis(BUDGET, 30.0)) == pytest.approx(0.5)
    assert PACING.start(Basis(BUDGET, 90.0)) == pytest.approx(0.5)
    assert 0.5 < PACING.start(Basis(BUDGET, 5.0)) < 1.0
    assert after(basis=Basis(BUDGET, 30.0)) == pytest.approx(0.5, abs=1e-4)


def test_requests_tell_how_often_customers_are_asked_about() -> None:
    assert PACING.asked_every_days(0, 0) == 1.0
    assert PACING.asked_every_days(1_000, 1) == 1.0
    assert PACING.asked_every_days(1_000, 28) == pytest.approx(28.0)
    assert PACING.asked_every_days(5_000, 1) == 1.0  # more customers than were declared


def test_a_day_that_books_what_was_due_moves_nothing() -> None:
    assert after(booked_cents=DUE) == pytest.approx(1.0, abs=1e-4)


def test_a_day_moves_by_the_step_for_each_due() -> None:
    assert after(booked_cents=0) == pytest.approx(0.95)
    assert after(booked_cents=DUE * 3 // 2) == pytest.approx(1.025, abs=1e-4)
    assert after(booked_cents=0, days=4) == pytest.approx(0.8)


def test_what_full_days_leave_over_makes_money_cheap_quickly() -> None:
    assert after(booked_cents=0, capacity_price_usd=0.5) == pytest.approx(0.9)
    assert after(booked_cents=DUE * 3 // 2, capacity_price_usd=0.5) == pytest.approx(
        1.025, abs=1e-4
    )


def test_a_month_begins_at_the_price_that_the_last_one_had_to_come_down_to() -> None:
    assert after(in_force=0.7, month_ended=True) == pytest.approx(0.7, abs=1e-4)
    assert after(in_force=0.7, month_ended=False) == pytest.approx(1.0, abs=1e-4)


def test_who_begins_in_mid_month_has_not_been_slow_with_the_money() -> None:
    on_the_20th = Day(20, 30, BUDGET, 0, first=20)
    assert PACING.in_force(0.8, on_the_20th) == pytest.approx(0.8)
    on_the_25th = Day(25, 30, BUDGET, 0, first=20)
    assert PACING.in_force(0.8, on_the_25th) == pytest.approx(0.8 * (6 / 11) ** 0.5)


def test_a_backlog_counts_as_little_as_is_declared() -> None:
    assert after(booked_cents=100 * DUE) == pytest.approx(1.05)
    assert after(booked_cents=100 * DUE, days=3) == pytest.approx(1.15)


def test_it_is_never_below_zero() -> None:
    assert after(0.01, booked_cents=0) == 0.0


def test_a_day_without_money_left_says_that_more_was_wanted() -> None:
    """Customers wait for the next month's money; at the same price they would take it at once."""
    assert after(booked_cents=0, remaining_cents=0) == pytest.approx(1.05)
    assert after(booked_cents=0, remaining_cents=0, days=3) == pytest.approx(1.15)
    assert after(booked_cents=0, remaining_cents=BUDGET // 2) < 1.0


def test_another_budget_moves_it_at_once_by_what_it_moves_the_start() -> None:
    raised = after(basis=Basis(2 * BUDGET), booked_cents=2 * DUE)
    assert raised == pytest.approx(1.0 + 0.2 - 1.0, abs=1e-4)
    lowered = after(basis=Basis(BUDGET // 4), booked_cents=DUE // 4)
    assert lowered == pytest.approx(1.0 + 3.0 - 1.0, abs=1e-3)


def test_a_policy_begins_where_its_own_simulation_says_and_a_switch_moves_at_once() -> None:
    own = msgspec.structs.replace(RULE, own_starts={"frugal": start(daily=(2.0, 0.6, 0.1))})
    paced = Pacing(own, customers=1_000)
    known, other = Basis(BUDGET, policy="frugal"), Basis(BUDGET, policy="unheard of")
    assert paced.start(known) == pytest.approx(0.6)
    assert paced.start(other) == PACING.start(other) == pytest.approx(1.0)
    switched = paced.next(
        0.9, Since(1, 30, False, 0.9, 0.0, DUE, BUDGET), basis=known, before=other
    )
    assert switched == pytest.approx(0.5, abs=1e-4)


def test_no_budget_at_all_is_no_error() -> None:
    assert after(basis=Basis(0), booked_cents=0) == pytest.approx(3.0)
    assert PACING.in_force(1.5, Day(10, 30, 0, 0)) == 1.5


@pytest.mark.parametrize(
    ("day", "spent_share", "factor"),
    [
        (1, 0.0, 1.0),
        (16, 0.5, 1.0),
        (16, 0.0, 0.5**0.5),
        (16, 0.75, 1.0),  # dual descent alone makes it dearer
        (30, 0.0, 0.5),  # more than that it may not fall
        (30, 1.0, 1.0),
        (2, 1.5, 1.0),
    ],
)
def test_what_is_unspent_lowers_the_price_of_the_day(
    day: int, spent_share: float, factor: float
) -> None:
    today = Day(day, 30, BUDGET, int(spent_share * BUDGET))
    assert PACING.in_force(0.8, today) == pytest.approx(0.8 * factor, rel=1e-3)


@seed(42)
@given(
    kept=st.floats(0, 10),
    more=st.floats(0, 10),
    day=st.integers(1, 31),
    spent=st.integers(0, 2 * BUDGET),
)
def test_the_more_is_spent_the_dearer(kept: float, more: float, day: int, spent: int) -> None:
    today = Day(day, 31, BUDGET, spent)
    assert 0.0 <= PACING.in_force(kept, today) <= PACING.in_force(kept + more, today)
    later = msgspec.structs.replace(today, expected_cents=spent + 1_000)
    assert PACING.in_force(kept, today) <= PACING.in_force(kept, later)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"start": start(daily=(3.0, 1.0))}, "start.multipliers: expected one for each of 3"),
        ({"start": start(monthly=(3.0,))}, "start.monthly_multipliers: expected one for each of 3"),
        ({"own_starts": {"ppo": start(daily=(1.0,))}}, "ppo.multipliers: expected one for each"),
        ({"budgets_usd": ()}, "budgets_usd: expected distinct ascending numbers"),
        ({"budgets_usd": (1.0, 1.0, 8.0)}, "budgets_usd: expected distinct ascending numbers"),
        ({"start": start(daily=(0.2, 1.0, 3.0))}, "expected numbers >= 0, not ascending"),
        ({"start": start(daily=(3.0, 1.0, -0.1))}, "expected numbers >= 0, not ascending"),
    ],
)
def test_rules_that_contradict_themselves_are_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(PacingError, match=message):
        msgspec.structs.replace(RULE, **change)


@pytest.mark.parametrize(
    ("places", "days", "price"),
    [
        (Places(10.0, 10, 0), 1, 2.0),  # as many as there are places for
        (Places(10.0, 15, 0), 1, 2.25),
        (Places(10.0, 10, 50), 1, 2.25),  # who waits counts a tenth a day
        (Places(10.0, 10, 50), 2, 2.0),
        (Places(10.0, 500, 0), 1, 2.5),  # a backlog's day counts for one day's places at most
        (Places(10.0, 0, 0), 3, 0.5),
        (Places(10.0, 0, 0), 30, 0.0),
        (Places(10.0, 40, 0), 0, 2.0),  # set twice on a day: no time has passed
        (Places(None, 500, 500), 1, 0.0),  # no limit, no price
        (Places(0.0, 0, 0), 1, 0.0),  # no places, nobody to pay for one
    ],
)
def test_a_place_is_dearer_the_more_is_booked(places: Places, days: int, price: float) -> None:
    if days == 0:
        places = Places(places.a_day, 0, 0)
    assert PACING.next_capacity_price(2.0, places, days) == pytest.approx(price)


def test_places_come_on_working_days_alone() -> None:
    assert places_a_day(7, ("mon", "tue", "wed", "thu", "fri")) == pytest.approx(5.0)
    assert places_a_day(None, ("mon",)) is None
