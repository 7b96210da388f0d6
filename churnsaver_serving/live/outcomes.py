"""Recording the outcomes of decisions, and refusing those that can't be true."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

import sqlalchemy as sa

from churnsaver_serving.live.commands import Observe
from churnsaver_serving.live.contacts import Contacts
from churnsaver_serving.live.errors import (
    ConflictError,
    InvalidError,
    LiveError,
    UnknownDecisionError,
)
from churnsaver_serving.live.records import Row, read_outcomes
from churnsaver_serving.live.store.tables import decisions, outcomes
from churnsaver_serving.schemas import OutcomeKind, OutcomeRecord

# The caller's clock and ours may differ a little.
CLOCK_TOLERANCE = timedelta(minutes=1)

_CONTRADICTS: dict[OutcomeKind, OutcomeKind] = {
    "accepted": "refused",
    "refused": "accepted",
    "retained": "churned",
    "churned": "retained",
}
_NEEDS_CONTACT = frozenset[OutcomeKind]({"accepted", "refused"})

_DECISIONS = sa.select(
    decisions.c.id, decisions.c.customer_id, decisions.c.decided_at, decisions.c.contact
).where(decisions.c.id.in_(sa.bindparam("ids", expanding=True)))


def record_outcomes(
    connection: sa.Connection,
    contacts: Contacts,
    commands: Sequence[Observe],
    rest_days: int | None,
) -> list[OutcomeRecord | LiveError]:
    """Record outcomes, and what they do to contacts and customers.

    An outcome that is already there is returned as it stands.

    Args:
        connection: A connection in a writing transaction.
        contacts: The contacts of that transaction; to be flushed afterwards.
        commands: Commands about distinct decisions.
        rest_days: Days for which an accepted offer rules out another; None while no release is
            loaded, when a second one is refused however long ago the first was.

    Returns:
        For each command the record, or why there is none.
    """
    ids = [command.request.decision_id for command in commands]
    known = {row.id: row for row in connection.execute(_DECISIONS, {"ids": ids})}
    earlier = read_outcomes(connection, ids)
    contacts.read(ids)
    contacts.customers.read(row.customer_id for row in known.values())
    results: list[OutcomeRecord | LiveError] = []
    rows: list[Row] = []
    for command in commands:
        request = command.request
        decision = known.get(request.decision_id)
        if decision is None:
            results.append(UnknownDecisionError(f"no decision {request.decision_id}"))
            continue
        before = {record.kind: record for record in earlier.get(request.decision_id, ())}
        if request.kind in before:
            results.append(before[request.kind])
            continue
        observed = request.observed_at or contacts.now
        refusal = _refusal(request.kind, observed, decision, set(before), contacts.now)
        if refusal is None and request.kind == "accepted":
            refusal = _second_discount(
                contacts.customers.look(decision.customer_id).accepted_on,
                observed.astimezone(UTC).date(),
                rest_days,
            )
        if refusal is not None:
            results.append(refusal)
            continue
        record = OutcomeRecord(
            request.decision_id, request.kind, observed.astimezone(UTC), contacts.now
        )
        results.append(record)
        rows.append(
            {
                "decision_id": record.decision_id,
                "kind": record.kind,
                "customer_id": decision.customer_id,
                "observed_at": record.observed_at,
                "recorded_at": record.recorded_at,
            }
        )
        _apply(contacts, record, decision.customer_id)
    if rows:
        connection.execute(outcomes.insert(), rows)
    return results


def _apply(contacts: Contacts, record: OutcomeRecord, customer_id: str) -> None:
    match record.kind:
        case "accepted":
            contact = contacts.read([record.decision_id])[record.decision_id]
            contacts.accept(contact, record.observed_at.date())
        case "refused":
            contacts.refuse(contacts.read([record.decision_id])[record.decision_id])
        case "opted_out":
            contacts.opted_out(customer_id)
        case "churned":
            contacts.churned(customer_id, record.observed_at)
        case "retained":
            contacts.retained(customer_id, record.observed_at)


def _second_discount(
    accepted_on: date | None, day: date, rest_days: int | None
) -> ConflictError | None:
    """Refuse an acceptance while another offer that the customer accepted runs."""
    if accepted_on is None:
        return None
    if rest_days is not None and abs(day - accepted_on) >= timedelta(days=rest_days):
        return None
    return ConflictError(
        "kind",
        f"'accepted': the customer accepted another offer on {accepted_on}, which still runs; "
        f"there are no two discounts at once",
    )


def _refusal(
    kind: OutcomeKind,
    observed: datetime,
    decision: sa.Row[*tuple[Any, ...]],
    before: set[OutcomeKind],
    now: datetime,
) -> LiveError | None:
    """Return what speaks against an outcome.

    Times are compared as they came: UTC may not hold them.
    """
    if observed > now + CLOCK_TOLERANCE:
        return InvalidError("observed_at", f"{observed.isoformat()} is in the future")
    if observed < decision.decided_at - CLOCK_TOLERANCE:
        return ConflictError(
            "observed_at",
            f"{observed.isoformat()} is before the decision, {decision.decided_at.isoformat()}",
        )
    if kind in _NEEDS_CONTACT and not decision.contact:
        return ConflictError("kind", f"{kind!r}: the decision was not to contact the customer")
    if _CONTRADICTS.get(kind) in before:
        return ConflictError(
            "kind", f"{kind!r} contradicts the recorded outcome {_CONTRADICTS[kind]!r}"
        )
    return None
