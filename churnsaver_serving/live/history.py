"""Contact histories from the ledger, for all customers of a batch at once."""

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import Literal

import sqlalchemy as sa

from churnsaver_serving.live.store.tables import decisions
from churnsaver_serving.live.totals.customers import CustomerState, read_customers
from churnsaver_serving.runtime.customer import ContactHistory, Outcome

_CONTACTS = sa.select(
    decisions.c.customer_id, decisions.c.contact_on, decisions.c.contact_state
).where(
    decisions.c.customer_id.in_(sa.bindparam("ids", expanding=True)),
    decisions.c.contact_on.is_not(None),
    decisions.c.contact_state != "cancelled",
)


def contact_histories(
    connection: sa.Connection,
    days: Mapping[str, date],
    today: date,
    *,
    window_days: int,
    answer_days: int,
) -> dict[str, ContactHistory]:
    """Read what the ledger knows of our contacts with each customer.

    The window is the `window_days` days that end on the customer's own day; contacts that are still
    to come count as in it. Contacts before it are `previous`, in Bank Marketing's sense. Cancelled
    contacts are none.

    Args:
        connection: A connection in a transaction.
        days: The customers' own today, by customer id.
        today: The day (UTC).
        window_days: Length of the fatigue window.
        answer_days: Days after a contact by which an answer is due; then none is waited for.

    Returns:
        A history for every customer asked for.
    """
    contacts: dict[str, list[sa.RowMapping]] = {one: [] for one in days}
    for row in connection.execute(_CONTACTS, {"ids": list(days)}).mappings():
        contacts[row["customer_id"]].append(row)
    customers = read_customers(connection, days)
    return {
        one: _history(
            customers[one],
            contacts[one],
            day - timedelta(days=window_days),
            waiting=customers[one].open_id is not None
            and not customers[one].overdue(today, answer_days),
        )
        for one, day in days.items()
    }


def _history(
    customer: CustomerState,
    contacts: Sequence[sa.RowMapping],
    window_starts_after: date,
    *,
    waiting: bool,
) -> ContactHistory:
    before = [row for row in contacts if row["contact_on"] <= window_starts_after]
    return ContactHistory(
        last_contact_on=max((row["contact_on"] for row in contacts), default=None),
        contacts_in_window=len(contacts) - len(before),
        previous_contact_on=max((row["contact_on"] for row in before), default=None),
        previous_contacts=len(before),
        previous_outcome=_outcome(before),
        last_accepted_on=customer.accepted_on,
        opted_out=customer.opted_out,
        waiting=waiting,
        churned=customer.churned,
    )


def _outcome(before: Sequence[sa.RowMapping]) -> Outcome:
    if not before:
        return "nonexistent"
    accepted = any(row["contact_state"] == "accepted" for row in before)
    outcome: Literal["success", "failure"] = "success" if accepted else "failure"
    return outcome
