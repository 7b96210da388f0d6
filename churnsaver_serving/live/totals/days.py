"""Totals by day: contacts booked by their own day, decisions by the day of deciding."""

from collections import Counter
from collections.abc import Iterable
from datetime import date, timedelta

import sqlalchemy as sa

from churnsaver_serving.live.store.tables import capacity, days
from churnsaver_serving.live.store.upsert import add, put

_CAPACITY = sa.select(capacity.c.day, capacity.c.contacts).where(
    capacity.c.day.in_(sa.bindparam("days", expanding=True))
)
_BOOKED = sa.select(
    sa.func.coalesce(sa.func.sum(days.c.booked_cents), 0),
    sa.func.coalesce(sa.func.sum(days.c.contacts), 0),
).where(days.c.day >= sa.bindparam("first"), days.c.day < sa.bindparam("before"))
_AFTER = sa.select(sa.func.coalesce(sa.func.sum(capacity.c.contacts), 0)).where(
    capacity.c.day > sa.bindparam("day")
)
_DECIDED = sa.select(
    sa.func.coalesce(sa.func.sum(days.c.decisions), 0), sa.func.min(days.c.day)
).where(days.c.day >= sa.bindparam("first"), days.c.day < sa.bindparam("before"))


class Capacity:
    """Contacts booked by their own day, as one transaction sees and changes them.

    Args:
        connection: A connection in a transaction; a writing one where `flush` is called.
    """

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection
        self._changes: Counter[date] = Counter()

    def book(self, day: date) -> None:
        """Take a day's place."""
        self._changes[day] += 1

    def give_back(self, day: date) -> None:
        """Give a day's place back."""
        self._changes[day] -= 1

    def flush(self) -> None:
        """Write what has changed."""
        changed = {day: change for day, change in self._changes.items() if change}
        before = read_contacts(self._connection, changed)
        put(
            self._connection,
            capacity,
            [
                {"day": day, "contacts": before.get(day, 0) + change}
                for day, change in changed.items()
            ],
        )
        self._changes.clear()


def read_contacts(connection: sa.Connection, at: Iterable[date]) -> dict[date, int]:
    """Read the contacts booked for each of the days that has any."""
    asked = list(at)
    if not asked:
        return {}
    rows = connection.execute(_CAPACITY, {"days": asked})
    return {day: contacts for day, contacts in rows}  # noqa: C416 - rows, which dict() can't type


def count_decided(
    connection: sa.Connection, day: date, *, decisions: int, contacts: int, booked_cents: int
) -> None:
    """Count decisions made on a day.

    Args:
        connection: A connection in a writing transaction.
        day: The day (UTC).
        decisions: Number of decisions.
        contacts: Number of contacts among them.
        booked_cents: Expected cost of those contacts.
    """
    row = {
        "day": day,
        "decisions": decisions,
        "contacts": contacts,
        "booked_cents": booked_cents,
    }
    add(connection, days, [row])


def booked_since(connection: sa.Connection, first: date, before: date) -> tuple[int, int]:
    """Return expected cost (cents) and number of contacts decided on from `first` to `before`."""
    cents, contacts = connection.execute(_BOOKED, {"first": first, "before": before}).one()
    return int(cents), int(contacts)


def contacts_after(connection: sa.Connection, day: date) -> int:
    """Return the number of contacts booked for later days than one."""
    return int(connection.execute(_AFTER, {"day": day}).scalar_one())


def recent_decisions(connection: sa.Connection, before: date, most_days: int) -> tuple[int, int]:
    """Return the number of decisions in the days before one, and over how many days they came.

    Args:
        connection: A connection in a transaction.
        before: The day; it is not counted.
        most_days: Largest number of days to look back. Days before the first decision don't count.
    """
    first = before - timedelta(days=most_days)
    found, begun = connection.execute(_DECIDED, {"first": first, "before": before}).one()
    return (int(found), (before - begun).days) if begun is not None else (0, 0)
