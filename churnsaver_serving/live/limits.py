"""Limits that all customers share: the month's budget and each day's capacity, from the ledger."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime

import msgspec
import sqlalchemy as sa

from churnsaver_serving.live.store.tables import budgets, capacity

_BUDGET = sa.select(budgets.c.limit_cents, budgets.c.committed_cents).where(
    budgets.c.period == sa.bindparam("at")
)
_CHANGE_BUDGET = (
    budgets.update()
    .where(budgets.c.period == sa.bindparam("at"))
    .values(limit_cents=sa.bindparam("limit"), committed_cents=sa.bindparam("committed"))
)
_GIVE_BACK = (
    budgets.update()
    .where(budgets.c.period == sa.bindparam("at"))
    .values(committed_cents=budgets.c.committed_cents - sa.bindparam("cents"))
)
_CAPACITY = sa.select(capacity.c.day, capacity.c.contacts).where(
    capacity.c.day.in_(sa.bindparam("days", expanding=True))
)
_CHANGE_CAPACITY = (
    capacity.update()
    .where(capacity.c.day == sa.bindparam("at"))
    .values(contacts=sa.bindparam("count"))
)


class Budget(msgspec.Struct, frozen=True):
    """The budget of one calendar month, in cents.

    Attributes:
        period: The month (UTC), as 2026-11.
        limit_cents: The most that may be committed.
        committed_cents: The amount that is committed.
    """

    period: str
    limit_cents: int
    committed_cents: int

    @property
    def remaining_cents(self) -> int:
        """Return what may still be committed; 0 where the limit was lowered under what is."""
        return max(self.limit_cents - self.committed_cents, 0)


def cents(usd: float) -> int:
    """Return an amount in whole cents, to the nearest."""
    return round(usd * 100)


def period_of(moment: datetime) -> str:
    """Return the budget period that a point in time (UTC) falls in."""
    return f"{moment:%Y-%m}"


def read_budget(connection: sa.Connection, period: str, limit_cents: int) -> Budget:
    """Read the budget of a month; make its row where there is none yet.

    Args:
        connection: A connection in a writing transaction.
        period: The month.
        limit_cents: The limit in force now; it replaces the one stored with the next commitment.
    """
    budget = find_budget(connection, period, limit_cents)
    if budget is not None:
        return budget
    connection.execute(
        budgets.insert(), {"period": period, "limit_cents": limit_cents, "committed_cents": 0}
    )
    return Budget(period, limit_cents, 0)


def find_budget(connection: sa.Connection, period: str, limit_cents: int) -> Budget | None:
    """Read the budget of a month as `read_budget` does; return None where it has no row."""
    row = connection.execute(_BUDGET, {"at": period}).one_or_none()
    return None if row is None else Budget(period, limit_cents, row.committed_cents)


def commit_budget(connection: sa.Connection, budget: Budget, committed: Iterable[int]) -> None:
    """Add amounts, in cents, to what `budget` has committed."""
    connection.execute(
        _CHANGE_BUDGET,
        {
            "at": budget.period,
            "limit": budget.limit_cents,
            "committed": budget.committed_cents + sum(committed),
        },
    )


def give_back(connection: sa.Connection, period: str, amount_cents: int) -> None:
    """Take back a commitment of that month."""
    connection.execute(_GIVE_BACK, {"at": period, "cents": amount_cents})


def read_contacts(connection: sa.Connection, days: Sequence[date]) -> dict[date, int]:
    """Read the contacts decided for each of the days that has any."""
    rows = connection.execute(_CAPACITY, {"days": list(days)})
    return {day: contacts for day, contacts in rows}  # noqa: C416 - rows, which dict() can't type


def commit_contacts(
    connection: sa.Connection, before: Mapping[date, int], days: Iterable[date]
) -> None:
    """Count contacts.

    Args:
        connection: A connection in the transaction that read `before`.
        before: The contacts as `read_contacts` gave them, for all of the days.
        days: The day of each new contact.
    """
    added = Counter(days)
    fresh = [{"day": day, "contacts": n} for day, n in added.items() if day not in before]
    known = [{"at": day, "count": before[day] + n} for day, n in added.items() if day in before]
    if fresh:
        connection.execute(capacity.insert(), fresh)
    if known:
        connection.execute(_CHANGE_CAPACITY, known)
