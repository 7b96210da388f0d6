"""Recording the outcomes of decisions, and refusing those that can't be true."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa

from churnsaver_serving.live.commands import Observe
from churnsaver_serving.live.errors import (
    ConflictError,
    InvalidError,
    LiveError,
    UnknownDecisionError,
)
from churnsaver_serving.live.limits import give_back, period_of
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
    decisions.c.id,
    decisions.c.customer_id,
    decisions.c.decided_at,
    decisions.c.contact,
    decisions.c.discount_cents,
).where(decisions.c.id.in_(sa.bindparam("ids", expanding=True)))


def record_outcomes(
    connection: sa.Connection, commands: Sequence[Observe], now: datetime
) -> list[OutcomeRecord | LiveError]:
    """Record outcomes. An outcome that is already there is returned as it stands.

    A refusal gives the discount's part of the reserve back to the budget it came from.

    Args:
        connection: A connection in a writing transaction.
        commands: Commands about distinct decisions.
        now: The time at which they are recorded.

    Returns:
        For each command the record, or why there is none.
    """
    ids = [command.request.decision_id for command in commands]
    known = {row.id: row for row in connection.execute(_DECISIONS, {"ids": ids})}
    earlier = read_outcomes(connection, ids)
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
        observed = request.observed_at or now
        refusal = _refusal(request.kind, observed, decision, set(before), now)
        if refusal is not None:
            results.append(refusal)
            continue
        record = OutcomeRecord(request.decision_id, request.kind, observed.astimezone(UTC), now)
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
        if record.kind == "refused":
            give_back(connection, period_of(decision.decided_at), decision.discount_cents)
    if rows:
        connection.execute(outcomes.insert(), rows)
    return results


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
