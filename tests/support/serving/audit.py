"""Invariants of any ledger, recomputed from its rows."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from datetime import date, timedelta
from itertools import pairwise
from typing import Any

import numpy as np
import sqlalchemy as sa

from churnsaver_serving.live.limits import period_of
from churnsaver_serving.live.store.database import Database
from churnsaver_serving.live.store.tables import budgets, capacity, decisions, outcomes, pacing
from churnsaver_serving.runtime.belief import Tally
from churnsaver_serving.runtime.rules import WEEKDAYS, Rules
from churnsaver_serving.runtime.value import whole_cents

Rows = Sequence[sa.Row[Any]]


def audit(database: Database, rules: Rules) -> int:
    """Assert every invariant of the ledger under those rules; returns the number of decisions."""
    with database.read() as connection:
        made = connection.execute(sa.select(decisions).order_by(decisions.c.decided_at)).all()
        observed = connection.execute(sa.select(outcomes)).all()
        spent = connection.execute(sa.select(budgets)).all()
        booked = dict(connection.execute(sa.select(capacity.c.day, capacity.c.contacts)).all())
        paced = connection.execute(sa.select(pacing)).all()
    refused = {row.decision_id for row in observed if row.kind == "refused"}
    _audit_budget(made, refused, spent, int(whole_cents(rules.budget_usd)))
    _audit_contacts(made, observed, booked, rules)
    _audit_outcomes(observed)
    _audit_pacing(made, paced)
    return len(made)


def _audit_budget(made: Rows, refused: set[str], spent: Rows, limit: int) -> None:
    committed: Counter[str] = Counter()
    for row in made:
        assert row.reserve_cents <= row.budget_remaining_cents
        committed[period_of(row.decided_at)] += row.reserve_cents
        if row.id in refused:
            committed[period_of(row.decided_at)] -= row.discount_cents
    for row in spent:
        assert row.committed_cents == committed[row.period]
        assert 0 <= row.committed_cents <= row.limit_cents == limit


def _audit_contacts(made: Rows, observed: Rows, booked: dict[date, int], rules: Rules) -> None:
    days = Counter(row.contact_on for row in made if row.contact)
    assert dict(days) == booked
    assert all(count <= rules.daily_capacity for count in days.values())
    assert all(WEEKDAYS[day.weekday()] in rules.contact_weekdays for day in days)
    by_customer: defaultdict[str, list[date]] = defaultdict(list)
    for row in made:
        if row.contact:
            by_customer[row.customer_id].append(row.contact_on)
    for contacts in by_customer.values():
        contacts.sort()
        assert all((b - a).days >= rules.cooldown_days for a, b in pairwise(contacts))
        for last in contacts:
            start = last - timedelta(days=rules.fatigue_window_days)
            assert sum(start < day <= last for day in contacts) <= rules.fatigue_cap
    accepted = {row.decision_id: row for row in observed if row.kind == "accepted"}
    for row in accepted.values():
        rested = row.observed_at.date() + timedelta(days=rules.accepted_rest_days)
        for other in made:
            if other.customer_id == row.customer_id and other.decided_at > row.recorded_at:
                assert other.contact_on is None or other.contact_on >= rested
    opted_out = {row.customer_id: row.recorded_at for row in observed if row.kind == "opted_out"}
    for row in made:
        if row.customer_id in opted_out and row.contact:
            assert row.decided_at <= opted_out[row.customer_id]


def _audit_pacing(made: Rows, paced: Rows) -> None:
    """Check that a paced policy's decisions had their day's multiplier, all others none."""
    of_day = {(row.day, row.release_id, row.policy): row for row in paced}
    asked = set()
    for row in made:
        key = (row.decided_at.date(), row.release_id, row.policy)
        if row.policy != "learned":
            assert (key in of_day, row.multiplier, row.belief) == (False, 0.0, [0.0] * 3)
            continue
        asked.add(key)
        told = of_day[key]
        assert row.multiplier == told.multiplier
        assert (
            row.belief == Tally(np.array(told.observed), np.array(told.expected)).belief().tolist()
        )
        assert told.set_at <= row.decided_at
    assert asked == set(of_day)


def _audit_outcomes(observed: Rows) -> None:
    kinds: defaultdict[str, set[str]] = defaultdict(set)
    for row in observed:
        kinds[row.decision_id].add(row.kind)
    for of_one in kinds.values():
        assert not {"accepted", "refused"} <= of_one
        assert not {"retained", "churned"} <= of_one
