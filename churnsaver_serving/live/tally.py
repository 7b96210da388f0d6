"""Tallies of a budget period's outcomes, observed and expected: how far the models are off.

The same counts as in the simulator, by customer and day, as far as outcomes tell them. A contact
counts once it was answered. Churn counts up to the day of the latest churn reported: until then
whoever was not reported is taken to have stayed. So where churn is reported as it happens, each
day without it counts too; where it is reported at the month's end only, nothing is concluded.
Counting only those whose end is known would not do, since leaving is known earlier than staying.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, NamedTuple

import numpy as np
import sqlalchemy as sa

from churnsaver_serving.live.outcomes import CLOCK_TOLERANCE
from churnsaver_serving.live.store.tables import decisions, outcomes
from churnsaver_serving.runtime.assumptions import World
from churnsaver_serving.runtime.belief import Tally
from churnsaver_serving.runtime.effects import daily_hazard, disturbed_hazard
from churnsaver_serving.runtime.period import first_day

Row = sa.Row[*tuple[Any, ...]]
Rows = Sequence[Row]

_since = decisions.c.decided_at >= sa.bindparam("start")
_CUSTOMERS = sa.select(sa.func.count(decisions.c.customer_id.distinct())).where(_since)
_ANSWERED = (
    sa.select(
        outcomes.c.kind,
        outcomes.c.observed_at,
        outcomes.c.customer_id,
        decisions.c.contact_on,
        decisions.c.p_churn,
        decisions.c.p_accept_offered,
    )
    .join(decisions, decisions.c.id == outcomes.c.decision_id)
    .where(
        outcomes.c.kind.in_(("accepted", "refused", "churned")),
        # Implied by the next condition, but this one has an index.
        outcomes.c.observed_at >= sa.bindparam("observed_from"),
        _since,
    )
)
_SEEN = (
    sa.select(
        decisions.c.customer_id,
        sa.func.min(decisions.c.decided_at).label("first"),
        sa.func.min(decisions.c.contact_on).label("contact_on"),
        sa.func.avg(decisions.c.p_churn).label("p_churn"),
    )
    .where(_since)
    .group_by(decisions.c.customer_id)
)


def count_customers(connection: sa.Connection, today: date) -> int:
    """Count the distinct customers decided on since today's budget period began."""
    return connection.execute(_CUSTOMERS, {"start": _start(today)}).scalar_one()


def read_tally(connection: sa.Connection, today: date, world: World) -> Tally:
    """Read the counts since today's budget period began, as one group.

    Args:
        connection: A connection in a transaction.
        today: Today's date (UTC).
        world: The nominal world, by which the expectations are reckoned.
    """
    start = _start(today)
    answered = connection.execute(
        _ANSWERED, {"start": start, "observed_from": start - CLOCK_TOLERANCE}
    ).all()
    tally = Tally.empty()
    accepted = [row for row in answered if row.kind == "accepted"]
    refused = [row for row in answered if row.kind == "refused"]
    left = _first_days(row for row in answered if row.kind == "churned")
    tally.observed[0, 0] = len(accepted)
    tally.expected[0, 0] = sum(row.p_accept_offered for row in (*accepted, *refused))
    if left:
        seen = connection.execute(_SEEN, {"start": start}).all()
        for column, exposures in ((1, _after_refusal(refused, accepted)), (2, _untouched(seen))):
            observed, expected = _churn(exposures, left, world, refusals=float(column == 1))
            tally.observed[0, column], tally.expected[0, column] = observed, expected
    return tally


class _Exposure(NamedTuple):
    """Days, both included, on which a customer counted among some group and might have left."""

    customer_id: str
    first: date
    last: date
    p_churn: float


def _after_refusal(refused: Rows, accepted: Rows) -> list[_Exposure]:
    """Return exposures from the first refused contact until an offer is accepted, each once."""
    closed = _first_days(accepted)
    first: dict[str, Row] = {}
    for row in refused:
        earlier = first.setdefault(row.customer_id, row)
        if row.contact_on < earlier.contact_on:
            first[row.customer_id] = row
    return [
        _Exposure(one, row.contact_on, _day_before(closed.get(one)), row.p_churn)
        for one, row in first.items()
    ]


def _untouched(seen: Rows) -> list[_Exposure]:
    """Return exposures from the first decision until the first contact."""
    return [
        _Exposure(row.customer_id, row.first.date(), _day_before(row.contact_on), row.p_churn)
        for row in seen
    ]


def _churn(
    exposures: Sequence[_Exposure], left: Mapping[str, date], world: World, *, refusals: float
) -> tuple[int, float]:
    """Count how many of them left, and how many should have.

    Args:
        exposures: One exposure for each customer.
        left: The day on which a customer left, by customer id, of those who did.
        world: The nominal world.
        refusals: Number of contacts refused before.
    """
    through = max(left.values())
    known = [
        one._replace(last=min(one.last, left.get(one.customer_id, through))) for one in exposures
    ]
    at_risk = [one for one in known if one.first <= one.last]
    observed = sum(left.get(one.customer_id) == one.last for one in at_risk)
    days = np.array([(one.last - one.first).days + 1 for one in at_risk], dtype=np.float64)
    p_churn = np.array([one.p_churn for one in at_risk])
    hazard = disturbed_hazard(
        world, daily_hazard(world, p_churn), p_churn, np.full(len(at_risk), refusals)
    )
    return observed, float((hazard * days).sum())


def _first_days(rows: Iterable[Row]) -> dict[str, date]:
    """Return each customer's earliest outcome among these."""
    first: dict[str, date] = {}
    for row in rows:
        day = row.observed_at.date()
        first[row.customer_id] = min(day, first.get(row.customer_id, day))
    return first


def _day_before(day: date | None) -> date:
    """Return the day before; the last of all days for none."""
    return day - timedelta(days=1) if day else date.max


def _start(today: date) -> datetime:
    return datetime.combine(first_day(today), time(), UTC)
