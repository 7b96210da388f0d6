"""The day's multiplier: set by the first transaction of a day that decides, read by all others."""

from datetime import date, datetime
from typing import Any

import numpy as np
import sqlalchemy as sa

from churnsaver_serving.live.decider import Decider
from churnsaver_serving.live.limits import Budget
from churnsaver_serving.live.store.tables import pacing
from churnsaver_serving.live.tally import count_customers, read_tally
from churnsaver_serving.runtime.belief import SIGNALS, Tally
from churnsaver_serving.runtime.decision import Pace
from churnsaver_serving.runtime.pacing import Pacing
from churnsaver_serving.runtime.period import day_index, first_day
from churnsaver_serving.schemas import Belief, Count, DayPacing

_Key = tuple[date, str, str]

_TODAY = sa.select(pacing).where(
    pacing.c.day == sa.bindparam("at"),
    pacing.c.release_id == sa.bindparam("release"),
    pacing.c.policy == sa.bindparam("by"),
)
# Whatever release set them: the customers are the same.
_LEAST = sa.select(sa.func.min(pacing.c.multiplier)).where(
    pacing.c.day >= sa.bindparam("first"), pacing.c.day < sa.bindparam("at")
)


class DayPace:
    """The pace that the policy is told today; remembered once read, since it never changes."""

    def __init__(self) -> None:
        self._known: tuple[_Key, Pace] | None = None

    def of(
        self, connection: sa.Connection, decider: Decider, now: datetime, budget: Budget
    ) -> Pace:
        """Return multiplier and belief. The first to ask on a day sets them for everybody else.

        Args:
            connection: A connection in a writing transaction, so that nobody else sets them
                meanwhile. They are undone with the transaction; the next one then sets them anew.
            decider: The release that decides. The multiplier of a policy without pacing is 0.
            now: The time.
            budget: The month's budget.
        """
        if decider.pacing is None:
            return Pace()
        key = _key(decider, now.date())
        if self._known is not None and self._known[0] == key:
            return self._known[1]
        row = _read(connection, key)
        if row is None:
            return _set(connection, decider, decider.pacing, now, budget)
        pace = _pace(row)
        self._known = key, pace  # somebody committed it
        return pace


def read_pace(connection: sa.Connection, decider: Decider, today: date) -> Pace:
    """Return what the policy is told today, as far as it is set; nothing is written."""
    row = _read(connection, _key(decider, today)) if decider.pacing else None
    return Pace() if row is None else _pace(row)


def read_day_pacing(connection: sa.Connection, decider: Decider, today: date) -> DayPacing | None:
    """Read the day's multiplier and what it was set from; return None where it was not set."""
    row = _read(connection, _key(decider, today))
    if row is None:
        return None
    counts = zip(SIGNALS, row.observed, row.expected, strict=True)
    return DayPacing(
        day=row.day,
        set_at=row.set_at,
        release=row.release_id,
        policy=row.policy,
        multiplier=row.multiplier,
        belief=Belief(*_belief(_tally(row))),
        remaining_usd=row.remaining_cents / 100,
        customers=row.customers,
        counts={signal: Count(observed, expected) for signal, observed, expected in counts},
    )


def _key(decider: Decider, today: date) -> _Key:
    return today, decider.release.id, decider.policy


def _read(connection: sa.Connection, key: _Key) -> sa.Row[Any] | None:
    asked = dict(zip(("at", "release", "by"), key, strict=True))
    return connection.execute(_TODAY, asked).one_or_none()


def _set(
    connection: sa.Connection, decider: Decider, by: Pacing, now: datetime, budget: Budget
) -> Pace:
    today = now.date()
    tally = read_tally(connection, today, decider.engine.world)
    customers = count_customers(connection, today)
    multiplier = by.multiplier(
        day_index(today),
        budget.remaining_cents / 100,
        customers=customers,
        undecided=max(decider.rules.customers - customers, 0),
        least_before=connection.scalar(_LEAST, {"first": first_day(today), "at": today}),
        acceptance_ratio=float(tally.ratio()[0, 0]),
    )
    row = {
        "day": today,
        "release_id": decider.release.id,
        "policy": decider.policy,
        "period": budget.period,
        "multiplier": multiplier,
        "remaining_cents": budget.remaining_cents,
        "customers": customers,
        "observed": tally.observed[0].tolist(),
        "expected": tally.expected[0].tolist(),
        "set_at": now,
    }
    connection.execute(pacing.insert(), row)
    return Pace(multiplier, _belief(tally))


def _pace(row: sa.Row[Any]) -> Pace:
    return Pace(row.multiplier, _belief(_tally(row)))


def _tally(row: sa.Row[Any]) -> Tally:
    return Tally(np.array([row.observed]), np.array([row.expected]))


def _belief(tally: Tally) -> tuple[float, ...]:
    return tuple(tally.belief()[0].tolist())
