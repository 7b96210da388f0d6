"""Contact histories from the ledger, for all customers of a batch at once."""

from collections.abc import Collection
from datetime import date, timedelta
from typing import Literal

import sqlalchemy as sa

from churnsaver_serving.live.store.tables import decisions, outcomes
from churnsaver_serving.runtime.customer import ContactHistory, Outcome

_ids: sa.BindParameter[str] = sa.bindparam("ids", expanding=True)
_before = decisions.c.contact_on <= sa.bindparam("window_starts_after", type_=sa.Date)
_accepted = outcomes.alias("accepted")

_CONTACTS = (
    sa.select(
        decisions.c.customer_id,
        sa.func.max(decisions.c.contact_on),
        sa.func.count(),
        sa.func.max(sa.case((_before, decisions.c.contact_on))),
        sa.func.coalesce(sa.func.sum(sa.case((_before, 1), else_=0)), 0),
        sa.func.count(sa.case((_before, _accepted.c.decision_id))),
        sa.func.max(_accepted.c.observed_at),
    )
    .outerjoin(
        _accepted,
        (_accepted.c.decision_id == decisions.c.id) & (_accepted.c.kind == "accepted"),
    )
    .where(decisions.c.customer_id.in_(_ids), decisions.c.contact_on.is_not(None))
    .group_by(decisions.c.customer_id)
)
_OPT_OUTS = sa.select(outcomes.c.customer_id).where(
    outcomes.c.customer_id.in_(_ids), outcomes.c.kind == "opted_out"
)


def contact_histories(
    connection: sa.Connection, customer_ids: Collection[str], today: date, window_days: int
) -> dict[str, ContactHistory]:
    """Read what the ledger knows of our contacts with each customer.

    The window is the `window_days` days that end today; contacts that are still to come count as
    in it. Contacts before it are `previous`, in Bank Marketing's sense.

    Args:
        connection: A connection in a transaction.
        customer_ids: The customers.
        today: Day of the decision.
        window_days: Length of the fatigue window.

    Returns:
        A history for every customer asked for.
    """
    ids = list(customer_ids)
    opted_out = set(connection.execute(_OPT_OUTS, {"ids": ids}).scalars())
    rows = connection.execute(
        _CONTACTS, {"ids": ids, "window_starts_after": today - timedelta(days=window_days)}
    )
    contacts = {
        customer_id: ContactHistory(
            last_contact_on=last,
            contacts_in_window=count - before,
            previous_contact_on=last_before,
            previous_contacts=before,
            previous_outcome=_outcome(before, accepted),
            opted_out=customer_id in opted_out,
            last_accepted_on=accepted_at.date() if accepted_at else None,
        )
        for customer_id, last, count, last_before, before, accepted, accepted_at in rows
    }
    return {
        customer_id: contacts.get(customer_id) or ContactHistory(opted_out=customer_id in opted_out)
        for customer_id in ids
    }


def _outcome(contacts: int, accepted: int) -> Outcome:
    if not contacts:
        return "nonexistent"
    outcome: Literal["success", "failure"] = "success" if accepted else "failure"
    return outcome
