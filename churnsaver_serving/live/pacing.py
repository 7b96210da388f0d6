"""The day's prices: set by the first transaction that decides, from running totals alone.

A row holds for its day, policy and budget. So where the budget is changed in mid-day the next
decision sets another, and two servers with different budgets each keep to their own.
"""

from datetime import date, datetime, timedelta
from typing import Any

import sqlalchemy as sa

from churnsaver_serving.live.decider import Decider
from churnsaver_serving.live.store.tables import pacing
from churnsaver_serving.live.totals.accounts import Accounts, days_in, month_at
from churnsaver_serving.live.totals.days import booked_since, contacts_after, recent_decisions
from churnsaver_serving.live.totals.tally import belief_of, read_tally
from churnsaver_serving.runtime.engine.decision import Pace
from churnsaver_serving.runtime.policies.pacing import (
    ASKED_DAYS,
    Basis,
    Day,
    Places,
    Since,
    places_a_day,
)
from churnsaver_serving.runtime.world.belief import SIGNALS
from churnsaver_serving.schemas import Belief, Count, DayPacing

_Key = tuple[date, str, str, int]
_Row = dict[str, Any]

_TODAY = sa.select(pacing).where(
    pacing.c.day == sa.bindparam("at"),
    pacing.c.release_id == sa.bindparam("release"),
    pacing.c.policy == sa.bindparam("by"),
    pacing.c.limit_cents == sa.bindparam("limit"),
)
# Whichever release, policy and budget it was set for: the customers are the same. Of a day's rows
# one of the same comes first.
_LATEST = (
    sa.select(
        pacing.c.day,
        pacing.c.limit_cents,
        pacing.c.kept,
        pacing.c.multiplier,
        pacing.c.asked_every_days,
        pacing.c.policy,
        pacing.c.capacity_price_usd,
    )
    .where(pacing.c.day <= sa.bindparam("at"))
    .order_by(
        pacing.c.day.desc(),
        sa.case((pacing.c.release_id == sa.bindparam("release"), 0), else_=1),
        sa.case((pacing.c.policy == sa.bindparam("by"), 0), else_=1),
        sa.case((pacing.c.limit_cents == sa.bindparam("limit"), 0), else_=1),
        pacing.c.set_at.desc(),
    )
    .limit(1)
)

_BEGUN = sa.select(sa.func.min(pacing.c.day))


class DayPace:
    """The pace that the policy is told today; remembered once read, since it never changes."""

    def __init__(self) -> None:
        self._known: tuple[_Key, Pace] | None = None

    def of(
        self, connection: sa.Connection, decider: Decider, now: datetime, accounts: Accounts
    ) -> Pace:
        """Return multiplier and belief. The first to ask on a day sets them for everybody else.

        Args:
            connection: A connection in a writing transaction, so that nobody else sets them
                meanwhile. They are undone with the transaction; the next one then sets them anew.
            decider: The release that decides.
            now: The time.
            accounts: The months' accounts under the budget in force.
        """
        key = _key(decider, now.date())
        if self._known is not None and self._known[0] == key:
            return self._known[1]
        row = _read(connection, key)
        if row is None:
            made = _reckon(connection, decider, key, now, accounts)
            connection.execute(pacing.insert(), made)
            return _pace(made)
        pace = _pace(row)
        self._known = key, pace  # somebody committed it
        return pace


def read_pace(connection: sa.Connection, decider: Decider, now: datetime) -> Pace:
    """Return what the policy is told today, or would be; nothing is written."""
    key = _key(decider, now.date())
    row = _read(connection, key)
    if row is None:
        accounts = Accounts(connection, now, decider.budget_cents)
        row = _reckon(connection, decider, key, now, accounts)
    return _pace(row)


def read_day_pacing(connection: sa.Connection, decider: Decider, today: date) -> DayPacing | None:
    """Read the day's multiplier and what it was set from; return None where it was not set."""
    row = _read(connection, _key(decider, today))
    if row is None:
        return None
    counts = zip(SIGNALS, row["observed"], row["expected"], strict=True)
    return DayPacing(
        day=row["day"],
        set_at=row["set_at"],
        release=row["release_id"],
        policy=row["policy"],
        multiplier=row["multiplier"],
        capacity_price_usd=row["capacity_price_usd"],
        kept=row["kept"],
        asked_every_days=row["asked_every_days"],
        belief=Belief(*belief_of(row["observed"], row["expected"])),
        budget_usd=row["limit_cents"] / 100,
        expected_usd=row["expected_cents"] / 100,
        booked_usd=row["booked_cents"] / 100,
        booked_contacts=row["booked_contacts"],
        waiting_contacts=row["waiting_contacts"],
        counts={signal: Count(observed, expected) for signal, observed, expected in counts},
    )


def _key(decider: Decider, today: date) -> _Key:
    return today, decider.release.id, decider.policy, decider.budget_cents


def _asked(key: _Key) -> _Row:
    return dict(zip(("at", "release", "by", "limit"), key, strict=True))


def _read(connection: sa.Connection, key: _Key) -> _Row | None:
    row = connection.execute(_TODAY, _asked(key)).mappings().one_or_none()
    return None if row is None else dict(row)


def _reckon(
    connection: sa.Connection, decider: Decider, key: _Key, now: datetime, accounts: Accounts
) -> _Row:
    """Reckon the row of a key from the latest row before it; see `runtime.pacing`."""
    today, release_id, policy, limit = key
    latest = connection.execute(_LATEST, _asked(key)).one_or_none()
    booked, contacts, capacity_price_usd = 0, 0, 0.0
    waiting = contacts_after(connection, today)
    asked = decider.pacing.asked_every_days(*recent_decisions(connection, today, ASKED_DAYS))
    basis = Basis(limit, asked, policy)
    if latest is None:
        kept = decider.pacing.start(basis)
    else:
        booked, contacts = booked_since(connection, latest.day, today)
        last = max(latest.day, today - timedelta(days=1))
        since = Since(
            days=(today - latest.day).days,
            days_in_month=days_in(today),
            month_ended=month_at(latest.day) != month_at(today),
            in_force=latest.multiplier,
            capacity_price_usd=latest.capacity_price_usd,
            booked_cents=booked,
            remaining_cents=accounts.of(month_at(last)).remaining_cents(
                decider.rules.reserve_deviations
            ),
        )
        before = Basis(latest.limit_cents, latest.asked_every_days, latest.policy)
        kept = decider.pacing.next(latest.kept, since, basis=basis, before=before)
        a_day = places_a_day(decider.rules.daily_capacity, decider.rules.contact_weekdays)
        capacity_price_usd = decider.pacing.next_capacity_price(
            latest.capacity_price_usd,
            Places(a_day, contacts, waiting),
            since.days,
        )
    expected = accounts.of(month_at(today)).expected_cents
    tally = read_tally(connection, today)
    return {
        "day": today,
        "release_id": release_id,
        "policy": policy,
        "limit_cents": limit,
        "multiplier": decider.pacing.in_force(
            kept, Day(today.day, days_in(today), limit, expected, _first(connection, today))
        ),
        "kept": kept,
        "capacity_price_usd": capacity_price_usd,
        "asked_every_days": asked,
        "booked_cents": booked,
        "booked_contacts": contacts,
        "waiting_contacts": waiting,
        "expected_cents": expected,
        "observed": tally.observed[0].tolist(),
        "expected": tally.expected[0].tolist(),
        "set_at": now,
    }


def _first(connection: sa.Connection, today: date) -> int:
    """Return the day of this month on which pacing began; 1 where it did before."""
    begun = connection.execute(_BEGUN).scalar_one() or today
    return begun.day if month_at(begun) == month_at(today) else 1


def _pace(row: _Row) -> Pace:
    belief = belief_of(row["observed"], row["expected"])
    return Pace(row["multiplier"], belief, row["capacity_price_usd"])
