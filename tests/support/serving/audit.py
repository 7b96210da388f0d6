"""Invariants of any ledger, recomputed from its rows."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from datetime import date, timedelta
from itertools import pairwise
from typing import Any

import sqlalchemy as sa

from churnsaver_serving.live.store.database import Database
from churnsaver_serving.live.store.tables import (
    accounts,
    capacity,
    customers,
    days,
    decisions,
    outcomes,
    pacing,
)
from churnsaver_serving.live.totals.tally import belief_of
from churnsaver_serving.runtime.limits.rules import WEEKDAYS, Rules
from churnsaver_serving.runtime.policies.value import whole_cents

Rows = Sequence[sa.Row[Any]]


def audit(database: Database, rules: Rules, budgets_usd: Sequence[float] = ()) -> int:
    """Assert every invariant of the ledger under those rules; returns the number of decisions.

    Args:
        database: The ledger's database.
        rules: The rules in force.
        budgets_usd: Budgets that were in force so far, in turn, where there was more than one.
    """
    with database.read() as connection:
        made = connection.execute(sa.select(decisions).order_by(decisions.c.decided_at)).all()
        observed = connection.execute(sa.select(outcomes)).all()
        months = connection.execute(sa.select(accounts).order_by(accounts.c.month)).all()
        booked = dict(connection.execute(sa.select(capacity.c.day, capacity.c.contacts)).all())
        paced = connection.execute(sa.select(pacing)).all()
        of_day = connection.execute(sa.select(days)).all()
        known = {row.customer_id: row for row in connection.execute(sa.select(customers))}
    limits = [int(whole_cents(one)) for one in budgets_usd or [rules.budget_usd]]
    _audit_accounts(made, months, limits)
    _audit_contacts(made, booked, rules)
    _audit_states(made, observed, known)
    _audit_customers(made, observed, rules)
    _audit_outcomes(observed, made, rules)
    _audit_pacing(made, paced)
    _audit_days(made, of_day)
    return len(made)


def charge(row: Any) -> int:
    """Return what a decision's contact has cost so far, cents."""
    if row.contact_state == "accepted":
        return int(row.contact_cents + row.discount_cents)
    return int(row.contact_cents) if row.contact_state in {"refused", "expired"} else 0


def _audit_accounts(made: Rows, months: Rows, limits: list[int]) -> None:
    by_month: defaultdict[str, list[Any]] = defaultdict(list)
    for row in made:
        if row.contact:
            assert row.contact_month == f"{row.contact_on:%Y-%m}"
            by_month[row.contact_month].append(row)
    assert set(by_month) <= {row.month for row in months}
    carried, before = 0, None
    for row in months:
        assert carried == 0 or row.month == following(before)
        opened = [one for one in by_month[row.month] if one.contact_state == "open"]
        assert row.spent_cents == sum(map(charge, by_month[row.month])) + carried - (
            row.carried_cents
        )
        assert row.mean_cents == sum(one.mean_cents for one in opened)
        assert row.variance == sum(one.variance for one in opened)
        assert row.worst_cents == sum(one.contact_cents + one.discount_cents for one in opened)
        assert row.limit_cents in limits
        assert row.spent_cents <= max(limits)
        if limits == sorted(limits):  # never lowered
            assert row.spent_cents <= row.limit_cents
        carried, before = row.carried_cents, row.month
    assert carried == 0


def following(month: str | None) -> str:
    """Return the name of the month after."""
    assert month is not None
    year, number = map(int, month.split("-"))
    return f"{year + number // 12:04d}-{number % 12 + 1:02d}"


def _audit_contacts(made: Rows, booked: dict[date, int], rules: Rules) -> None:
    counted = Counter(row.contact_on for row in made if row.contact and row.cancelled_at is None)
    assert dict(counted) == {day: contacts for day, contacts in booked.items() if contacts}
    assert all(count <= rules.daily_capacity for count in counted.values())
    assert all(WEEKDAYS[day.weekday()] in rules.contact_weekdays for day in counted)


def _audit_states(made: Rows, observed: Rows, known: dict[str, Any]) -> None:
    kinds: defaultdict[str, set[str]] = defaultdict(set)
    for row in observed:
        kinds[row.decision_id].add(row.kind)
    opened: Counter[str] = Counter()
    for row in made:
        told = kinds[row.id] & {"accepted", "refused"}
        assert (row.contact_state is not None) == row.contact
        if told:
            assert {row.contact_state} == told
        else:
            assert row.contact_state not in {"accepted", "refused"}
        if row.contact_state == "cancelled":
            assert row.cancelled_at is not None
        if row.contact_state == "open":
            opened[row.customer_id] += 1
            state = known[row.customer_id]
            assert (state.open_id, state.open_on) == (row.id, row.contact_on)
    assert set(opened.values()) <= {1}
    assert {one for one, row in known.items() if row.open_id is not None} == set(opened)
    assert set(known) == {row.customer_id for row in made}


def _audit_customers(made: Rows, observed: Rows, rules: Rules) -> None:
    by_customer: defaultdict[str, list[Any]] = defaultdict(list)
    for row in made:
        if row.contact and row.contact_state != "cancelled" and row.cancelled_at is None:
            by_customer[row.customer_id].append(row)
    for contacts in by_customer.values():
        on = sorted(row.contact_on for row in contacts)
        assert all((b - a).days >= rules.cooldown_days for a, b in pairwise(on))
        for last in on:
            start = last - timedelta(days=rules.fatigue_window_days)
            assert sum(start < day <= last for day in on) <= rules.fatigue_cap
    for row in observed:
        later = [one for one in by_customer[row.customer_id] if one.decided_at > row.recorded_at]
        if row.kind == "opted_out":
            assert not later
        if row.kind == "accepted":
            rested = row.observed_at.date() + timedelta(days=rules.accepted_rest_days)
            assert all(one.contact_on >= rested for one in later)


def _audit_outcomes(observed: Rows, made: Rows, rules: Rules) -> None:
    kinds: defaultdict[str, set[str]] = defaultdict(set)
    accepted: defaultdict[str, list[date]] = defaultdict(list)
    for row in observed:
        kinds[row.decision_id].add(row.kind)
        if row.kind == "accepted":
            accepted[row.customer_id].append(row.observed_at.date())
    for of_one in kinds.values():
        assert not {"accepted", "refused"} <= of_one
        assert not {"retained", "churned"} <= of_one
    for of_customer in accepted.values():
        discounts = sorted(of_customer)
        assert all((b - a).days >= rules.accepted_rest_days for a, b in pairwise(discounts))


def _audit_pacing(made: Rows, paced: Rows) -> None:
    """Check that each decision was told a multiplier of its day and policy, and its belief."""
    of_day: defaultdict[Any, list[Any]] = defaultdict(list)
    for row in paced:
        of_day[row.day, row.release_id, row.policy].append(row)
    asked = set()
    for row in made:
        key = (row.decided_at.date(), row.release_id, row.policy)
        asked.add(key)
        assert (row.multiplier, tuple(row.belief)) in {
            (told.multiplier, belief_of(told.observed, told.expected))
            for told in of_day[key]
            if told.set_at <= row.decided_at
        }
    assert asked == set(of_day)


def _audit_days(made: Rows, of_day: Rows) -> None:
    for row in of_day:
        mine = [one for one in made if one.decided_at.date() == row.day]
        assert row.decisions == len(mine)
        assert row.contacts == sum(one.contact for one in mine)
        assert row.booked_cents == sum(one.mean_cents for one in mine)
    assert sum(row.decisions for row in of_day) == len(made)
