"""Customers as the ledger knows them: one row each, changed with every decision and outcome."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta

import sqlalchemy as sa

from churnsaver_serving.live.store.tables import customers
from churnsaver_serving.live.store.upsert import put
from churnsaver_serving.live.totals.tally import AFTER_REFUSAL, UNTOUCHED, Tallies

_READ = sa.select(customers).where(customers.c.customer_id.in_(sa.bindparam("ids", expanding=True)))


@dataclass(slots=True)
class CustomerState:
    """What the ledger knows of one customer.

    Attributes:
        customer_id: The caller's key for the customer.
        open_id: Decision of the contact that is booked, or made and not yet settled; None for none.
        open_on: Day of that contact.
        refused_on: Day of the latest contact that was refused, or not answered in time; None for
            none, and once an offer has been accepted since.
        accepted_on: Day on which an offer was last accepted; None for never.
        opted_out: Whether the customer asked not to be contacted.
        churned_at: Latest moment at which the customer was reported to have left.
        retained_at: Latest moment at which the customer was reported to be there.
        asked_on: Day of the latest decision (UTC); None before the first.
        untouched_hazard: Daily hazard as of that decision where the customer had never been
            contacted, else 0.
        refused_hazard: Daily hazard as of that decision where a refusal was remembered, else 0.
    """

    customer_id: str
    open_id: str | None = None
    open_on: date | None = None
    refused_on: date | None = None
    accepted_on: date | None = None
    opted_out: bool = False
    churned_at: datetime | None = None
    retained_at: datetime | None = None
    asked_on: date | None = None
    untouched_hazard: float = 0.0
    refused_hazard: float = 0.0

    @property
    def churned(self) -> bool:
        """Return whether the latest report says that the customer has left."""
        return self.churned_at is not None and (
            self.retained_at is None or self.churned_at >= self.retained_at
        )

    def overdue(self, today: date, answer_days: int) -> bool:
        """Return whether the answer to the open contact is no longer waited for."""
        return self.open_on is not None and today - self.open_on > timedelta(days=answer_days)

    def asked(
        self, today: date, tallies: Tallies, *, untouched_hazard: float, refused_hazard: float
    ) -> None:
        """Count the days since the latest decision as it saw the customer, and begin new ones."""
        if self.asked_on is not None:
            self._count(max((today - self.asked_on).days, 0), 0, tallies)
        self.asked_on = today
        self.untouched_hazard, self.refused_hazard = untouched_hazard, refused_hazard

    def left(self, day: date, tallies: Tallies) -> None:
        """Count that the customer left on a day, and the days until then."""
        if self.asked_on is not None:
            self._count(max((day - self.asked_on).days, 0) + 1, 1, tallies)
        self.untouched_hazard = self.refused_hazard = 0.0

    def _count(self, days: int, observed: int, tallies: Tallies) -> None:
        for signal, hazard in (
            (AFTER_REFUSAL, self.refused_hazard),
            (UNTOUCHED, self.untouched_hazard),
        ):
            if hazard > 0:
                tallies.count(signal, observed=observed, expected=hazard * days)


class Customers:
    """Customers as one transaction sees and changes them.

    Args:
        connection: A connection in a transaction; a writing one where `flush` is called.
    """

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection
        self._known: dict[str, CustomerState] = {}
        self._touched: set[str] = set()

    def read(self, ids: Iterable[str]) -> None:
        """Read customers ahead, all at once."""
        missing = [one for one in dict.fromkeys(ids) if one not in self._known]
        self._known.update(read_customers(self._connection, missing))

    def change(self, customer_id: str) -> CustomerState:
        """Return a customer's state, which is written at the next flush."""
        self._touched.add(customer_id)
        return self.look(customer_id)

    def look(self, customer_id: str) -> CustomerState:
        """Return a customer's state, which is not to be changed."""
        self.read([customer_id])
        return self._known[customer_id]

    def flush(self) -> None:
        """Write what has changed."""
        touched = [self._known[one] for one in sorted(self._touched)]
        put(
            self._connection,
            customers,
            [
                {column.name: getattr(one, column.name) for column in customers.columns}
                for one in touched
            ],
        )
        self._touched.clear()


def read_customers(connection: sa.Connection, ids: Iterable[str]) -> dict[str, CustomerState]:
    """Read customers; one who is new has the state of which nothing is known."""
    asked = list(ids)
    found = {one: CustomerState(one) for one in asked}
    if asked:
        for row in connection.execute(_READ, {"ids": asked}).mappings():
            found[row["customer_id"]] = CustomerState(**row)
    return found
