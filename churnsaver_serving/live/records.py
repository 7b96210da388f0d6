"""Decisions and outcomes as rows: writing them, finding answers, reading records back."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any, NamedTuple

import msgspec
import sqlalchemy as sa

from churnsaver_serving.live.commands import Retain
from churnsaver_serving.live.decider import Decider
from churnsaver_serving.live.store.tables import decisions, outcomes
from churnsaver_serving.live.totals.accounts import month_at, month_name
from churnsaver_serving.runtime.customer import Customer
from churnsaver_serving.runtime.engine.decision import Decision
from churnsaver_serving.runtime.messages.message import Message
from churnsaver_serving.schemas import (
    DecisionLog,
    DecisionRecord,
    MessageLog,
    OutcomeRecord,
    decode_answer,
)

Row = dict[str, Any]

_ANSWERS = sa.select(
    decisions.c.idempotency_key, decisions.c.request_sha256, decisions.c.answer
).where(decisions.c.idempotency_key.in_(sa.bindparam("keys", expanding=True)))
_OUTCOMES = (
    sa.select(outcomes)
    .where(outcomes.c.decision_id.in_(sa.bindparam("ids", expanding=True)))
    .order_by(outcomes.c.recorded_at)
)
_RECORD = sa.select(
    decisions.c.customer,
    decisions.c.action,
    decisions.c.eligible,
    decisions.c.probabilities,
    decisions.c.uniform,
    decisions.c.context,
    decisions.c.contact_state,
    decisions.c.contact_cents,
    decisions.c.discount_cents,
    decisions.c.budget_remaining_cents,
    decisions.c.multiplier,
    decisions.c.capacity_price_usd,
    decisions.c.belief,
    decisions.c.shield_sha256,
    decisions.c.templates_sha256,
    decisions.c.answer,
).where(decisions.c.id == sa.bindparam("decision_id"))


class StoredAnswer(NamedTuple):
    """The answer that a request with an idempotency key had."""

    request_sha256: str
    answer: bytes


def stored_answers(connection: sa.Connection, keys: Collection[str]) -> dict[str, StoredAnswer]:
    """Read earlier answers, by idempotency key, for the keys that have one."""
    if not keys:
        return {}
    rows = connection.execute(_ANSWERS, {"keys": list(keys)})
    return {key: StoredAnswer(sha256, answer.encode()) for key, sha256, answer in rows}


def decision_row(
    decision_id: str,
    decided_at: datetime,
    command: Retain,
    customer: Customer,
    decision: Decision,
    *,
    decider: Decider,
    message: Message | None,
    answer: bytes,
) -> Row:
    """Make a decision's row in `decisions`."""
    messages = decider.release.messages
    one, day = decision.commitment, decision.contact_on
    return {
        "id": decision_id,
        "customer_id": customer.customer_id,
        "decided_at": decided_at,
        "contact": decision.contact,
        "offer_pct": decision.offer_pct,
        "delay_days": decision.delay_days,
        "contact_on": decision.contact_on,
        "p_churn": decision.p_churn,
        "p_accept": decision.p_accept,
        "p_accept_offered": decision.p_accept[decision.offer_pct] if decision.contact else None,
        "customer": customer,
        "context": decision.context,
        "eligible": decision.eligible,
        "probabilities": decision.probabilities,
        "action": decision.action,
        "propensity": decision.propensity,
        "uniform": decision.uniform,
        "cause": decision.cause,
        "constraints": decision.constraints,
        "only_no_contact": decision.only_no_contact,
        "drivers": decision.drivers,
        "multiplier": decision.pace.multiplier,
        "capacity_price_usd": decision.pace.capacity_price_usd,
        "belief": decision.pace.belief,
        "message_rung": message and message.rung,
        "message_id": message and message.message_id,
        "message_context": message and message.context,
        "message_verdicts": message and message.verdicts,
        "message_checkpoint": message and message.checkpoint,
        "bank_checkpoint": message and messages.bank,
        "shield_sha256": message and messages.shield,
        "templates_sha256": message and messages.templates,
        "contact_state": "open" if decision.contact else None,
        "cancelled_at": None,
        "contact_month": month_name(month_at(day)) if day else None,
        "contact_cents": one.contact_cents if one else 0,
        "discount_cents": one.discount_cents if one else 0,
        "mean_cents": one.mean_cents if one else 0,
        "variance": one.variance if one else 0,
        "budget_remaining_cents": decision.remaining_cents,
        "policy": decider.policy,
        "release_id": decider.release.id,
        "data": decider.data,
        "idempotency_key": command.idempotency_key,
        "request_sha256": command.request_sha256,
        "answer": answer.decode(),
    }


def insert_decisions(connection: sa.Connection, rows: Sequence[Row]) -> None:
    """Write decisions."""
    connection.execute(decisions.insert(), rows)


def read_outcomes(
    connection: sa.Connection, decision_ids: Collection[str]
) -> dict[str, list[OutcomeRecord]]:
    """Read the outcomes of each of the decisions that has any, in the order recorded."""
    found: dict[str, list[OutcomeRecord]] = {}
    for row in connection.execute(_OUTCOMES, {"ids": list(decision_ids)}):
        found.setdefault(row.decision_id, []).append(
            OutcomeRecord(row.decision_id, row.kind, row.observed_at, row.recorded_at)
        )
    return found


def read_decision(connection: sa.Connection, decision_id: str) -> DecisionRecord | None:
    """Read a decision with its outcomes; return None where there is none of that id."""
    row = connection.execute(_RECORD, {"decision_id": decision_id}).one_or_none()
    if row is None:
        return None
    return DecisionRecord(
        answer=decode_answer(row.answer),
        customer=msgspec.convert(row.customer, Customer),
        log=DecisionLog(
            action=row.action,
            eligible=tuple(row.eligible),
            probabilities=tuple(row.probabilities),
            uniform=row.uniform,
            context=tuple(row.context),
            reserve_usd=(row.contact_cents + row.discount_cents) / 100,
            budget_remaining_usd=row.budget_remaining_cents / 100,
            multiplier=row.multiplier,
            capacity_price_usd=row.capacity_price_usd,
            belief=tuple(row.belief),
            message=(
                MessageLog(row.shield_sha256, row.templates_sha256) if row.shield_sha256 else None
            ),
        ),
        contact_state=row.contact_state,
        outcomes=tuple(read_outcomes(connection, [decision_id]).get(decision_id, ())),
    )
