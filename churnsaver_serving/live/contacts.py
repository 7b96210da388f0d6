"""The life of a contact: booked, then accepted, refused, expired or cancelled; once only.

A contact is open from its booking until it is settled. While it is, nothing else is booked for the
customer: a unique index on the decisions holds it. `expired` is a contact that was made and not
answered, in time or before the customer accepted something else, opted out or left; its cost stays.
`cancelled` is one that was given up before its day; its money and its place are given back.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable
from datetime import UTC, date, datetime, timedelta
from typing import Any, NamedTuple

import sqlalchemy as sa

from churnsaver_serving.live.records import Row
from churnsaver_serving.live.store.tables import decisions
from churnsaver_serving.live.totals.accounts import Accounts, month_at
from churnsaver_serving.live.totals.customers import Customers, CustomerState
from churnsaver_serving.live.totals.days import Capacity
from churnsaver_serving.live.totals.tally import ACCEPTANCE, Tallies
from churnsaver_serving.runtime.limits.account import Commitment
from churnsaver_serving.schemas import ContactState

_COLUMNS = (
    decisions.c.id,
    decisions.c.customer_id,
    decisions.c.contact_on,
    decisions.c.contact_state,
    decisions.c.contact_cents,
    decisions.c.discount_cents,
    decisions.c.mean_cents,
    decisions.c.variance,
    decisions.c.p_accept_offered,
    decisions.c.cancelled_at,
)
_READ = sa.select(*_COLUMNS).where(decisions.c.id.in_(sa.bindparam("ids", expanding=True)))
# As in the partial index, or PostgreSQL would not use it.
_OPEN = decisions.c.contact_state == sa.literal_column("'open'")
_OVERDUE = (
    sa.select(*_COLUMNS)
    .where(_OPEN, decisions.c.contact_on < sa.bindparam("before", type_=sa.Date))
    .order_by(decisions.c.contact_on)
    .limit(sa.bindparam("most"))
)
_SETTLE = (
    decisions.update()
    .where(decisions.c.id.in_(sa.bindparam("ids", expanding=True)))
    .values(contact_state=sa.bindparam("state"), cancelled_at=sa.bindparam("cancelled"))
)


class Contact(NamedTuple):
    """A contact that a decision booked.

    Attributes:
        id: The decision's id.
        customer_id: The customer's key.
        on: Day of the contact, by the customer's calendar.
        state: What has become of it.
        commitment: The money that it may come to cost.
        p_accept: Probability of acceptance, as of the decision.
        cancelled_at: Moment at which it was cancelled, even if it was answered all the same; None
            where it was not.
    """

    id: str
    customer_id: str
    on: date
    state: ContactState
    commitment: Commitment
    p_accept: float
    cancelled_at: datetime | None = None

    @property
    def month(self) -> int:
        """Return the month whose account it is in."""
        return month_at(self.on)


class Contacts:
    """Contacts as one transaction sees and changes them, with the totals that depend on them.

    Args:
        connection: A connection in a writing transaction.
        now: The time.
        limit_cents: The month's budget in force; None while no release is loaded.

    Attributes:
        now: The time.
        today: The day (UTC).
        accounts: The months' accounts.
        capacity: Contacts by day.
        customers: The customers.
        tallies: What outcomes say of the models.
    """

    def __init__(self, connection: sa.Connection, now: datetime, limit_cents: int | None) -> None:
        self._connection = connection
        self.now = now
        self.today = now.astimezone(UTC).date()
        self.accounts = Accounts(connection, now, limit_cents)
        self.capacity = Capacity(connection)
        self.customers = Customers(connection)
        self.tallies = Tallies(connection, self.today)
        self._known: dict[str, Contact] = {}
        self._settled: set[str] = set()

    def read(self, decision_ids: Iterable[str]) -> dict[str, Contact]:
        """Read the contacts of decisions, and their customers; decisions without are left out."""
        asked = list(dict.fromkeys(decision_ids))
        missing = [one for one in asked if one not in self._known]
        if missing:
            found = self._learn(self._connection.execute(_READ, {"ids": missing}))
            self.customers.read(contact.customer_id for contact in found)
        return {one: self._known[one] for one in asked if one in self._known}

    def book(self, contact: Contact) -> None:
        """Book a contact whose money is in the account already."""
        self._known[contact.id] = contact
        self.capacity.book(contact.on)
        customer = self.customers.change(contact.customer_id)
        customer.open_id, customer.open_on = contact.id, contact.on

    def accept(self, contact: Contact, day: date) -> None:
        """Settle a contact that was accepted on a day, however late it is told."""
        customer, one = self.customers.change(contact.customer_id), contact.commitment
        if contact.state == "open":
            self.accounts.accept(contact.month, one)
        elif contact.state == "expired":
            self.accounts.charge(contact.month, one.discount_cents)
        else:  # made all the same: a cancellation can come too late for a message
            self.accounts.charge(contact.month, one.worst_cents)
        expected = 0.0 if contact.state == "expired" else contact.p_accept
        self.tallies.count(ACCEPTANCE, observed=1, expected=expected)
        self._settle(contact._replace(state="accepted"))
        self.close(customer)
        customer.accepted_on = max(customer.accepted_on or day, day)
        customer.refused_on = None

    def refuse(self, contact: Contact) -> None:
        """Settle a contact that was refused."""
        if contact.state == "open":
            self._refuse(contact, "refused")
            return
        if contact.state == "cancelled":  # made all the same
            self.accounts.charge(contact.month, contact.commitment.contact_cents)
            self.tallies.count(ACCEPTANCE, expected=contact.p_accept)
            self._remember_refusal(contact)
        self._settle(contact._replace(state="refused"))

    def close(self, customer: CustomerState) -> None:
        """Close the customer's open contact, if there is one, since no answer to it is awaited.

        Before its day it is cancelled and costs nothing. Later it counts as not answered.
        """
        if customer.open_id is None:
            return
        contact = self.read([customer.open_id])[customer.open_id]
        if contact.on > self.today:
            self.accounts.release(contact.month, contact.commitment)
            self.capacity.give_back(contact.on)
            self._settle(contact._replace(state="cancelled", cancelled_at=self.now))
        else:
            self._refuse(contact, "expired")

    def opted_out(self, customer_id: str) -> None:
        """Note that a customer is not to be contacted again."""
        customer = self.customers.change(customer_id)
        customer.opted_out = True
        self.close(customer)

    def churned(self, customer_id: str, at: datetime) -> None:
        """Note that a customer has left."""
        customer = self.customers.change(customer_id)
        before = customer.churned
        customer.churned_at = max(customer.churned_at or at, at)
        if before or not customer.churned:
            return
        customer.left(at.astimezone(UTC).date(), self.tallies)
        self.close(customer)

    def retained(self, customer_id: str, at: datetime) -> None:
        """Note that a customer is there; one who had left before is back."""
        customer = self.customers.change(customer_id)
        customer.retained_at = max(customer.retained_at or at, at)

    def expire(self, customer_ids: Collection[str], answer_days: int, most: int) -> int:
        """Settle contacts whose answers are no longer waited for.

        Args:
            customer_ids: Customers whose contacts must be settled now.
            answer_days: Days after a contact by which an answer is due.
            most: Largest number of other contacts to settle, the oldest first.

        Returns:
            The number of other contacts.
        """
        self.customers.read(customer_ids)
        own = [
            customer.open_id
            for customer in map(self.customers.look, customer_ids)
            if customer.overdue(self.today, answer_days)
        ]
        contacts = dict(self.read([one for one in own if one is not None]))
        before = self.today - timedelta(days=answer_days)
        others = (
            self._learn(self._connection.execute(_OVERDUE, {"before": before, "most": most}))
            if most
            else []
        )
        others = [one for one in others if one.id not in contacts]
        self.customers.read([one.customer_id for one in others])
        for contact in (*contacts.values(), *others):
            self._refuse(contact, "expired")
        return len(others)

    def flush(self) -> None:
        """Write what has changed."""
        alike: defaultdict[tuple[ContactState, datetime | None], list[str]] = defaultdict(list)
        for one in sorted(self._settled):
            alike[self._known[one].state, self._known[one].cancelled_at].append(one)
        for (state, cancelled_at), ids in alike.items():
            settled = {"ids": ids, "state": state, "cancelled": cancelled_at}
            self._connection.execute(_SETTLE, settled)
        self._settled.clear()
        for part in (self.accounts, self.capacity, self.customers, self.tallies):
            part.flush()

    def _learn(self, rows: sa.CursorResult[Any]) -> list[Contact]:
        """Take contacts in as the database has them; what was changed since stays as it is."""
        found = [contact_of(row) for row in rows.mappings() if row["contact_state"] is not None]
        return [self._known.setdefault(one.id, one) for one in found]

    def _refuse(self, contact: Contact, state: ContactState) -> None:
        self.accounts.refuse(contact.month, contact.commitment)
        self.tallies.count(ACCEPTANCE, expected=contact.p_accept)
        self._remember_refusal(contact)
        self._settle(contact._replace(state=state))

    def _remember_refusal(self, contact: Contact) -> None:
        customer = self.customers.change(contact.customer_id)
        customer.refused_on = max(customer.refused_on or contact.on, contact.on)

    def _settle(self, contact: Contact) -> None:
        """Take over what has become of a contact."""
        customer = self.customers.change(contact.customer_id)
        if customer.open_id == contact.id:
            customer.open_id = customer.open_on = None
        self._known[contact.id] = contact
        self._settled.add(contact.id)


def contact_of(row: Row | sa.RowMapping) -> Contact:
    """Return the contact of a row of `decisions` that has one."""
    return Contact(
        row["id"],
        row["customer_id"],
        row["contact_on"],
        row["contact_state"],
        Commitment(row["contact_cents"], row["discount_cents"], row["mean_cents"], row["variance"]),
        row["p_accept_offered"],
        row["cancelled_at"],
    )
