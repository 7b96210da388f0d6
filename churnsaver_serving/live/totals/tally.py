"""Tallies: what outcomes said, beside what the models had expected; kept as running totals.

Acceptance counts when a contact is settled: accepted, refused, or not answered in time.

Churn counts by customer, from one decision to the next: when a customer is asked about again, the
days between are added at the hazard of the earlier decision. They are days of an untouched customer
if nobody had contacted the customer by then, days after a refusal if the latest contact had been
refused and the refusal was remembered still, else none; nor do days count that begin with a contact
booked or not yet answered. A churn reported adds one observed and the days until it.

That is the usual estimate, events over exposure, with one approximation: the days of someone who
stays are known only at the next question. Asked about daily that is a day late. Asked about once a
month, churn in a ledger's first month is counted before the days of those who stayed, and looks
more frequent than it is; from the second on both come in at the same rate. Customers who are never
asked about again and never reported add nothing.
"""

from collections import defaultdict
from datetime import date

import numpy as np
import sqlalchemy as sa

from churnsaver_serving.live.store.tables import tallies
from churnsaver_serving.live.store.upsert import add
from churnsaver_serving.live.totals.accounts import month_at, month_name
from churnsaver_serving.runtime.world.belief import SIGNALS, Tally

ACCEPTANCE, AFTER_REFUSAL, UNTOUCHED = SIGNALS

_READ = sa.select(tallies).where(tallies.c.month.in_(sa.bindparam("months", expanding=True)))


class Tallies:
    """Counts to be added to the tallies of the month in which they become known.

    Args:
        connection: A connection in a transaction; a writing one where `flush` is called.
        today: The day (UTC).
    """

    def __init__(self, connection: sa.Connection, today: date) -> None:
        self._connection = connection
        self._month = month_name(month_at(today))
        self._counts: defaultdict[str, list[float]] = defaultdict(lambda: [0.0, 0.0])

    def count(self, signal: str, *, observed: int = 0, expected: float = 0.0) -> None:
        """Add to a signal's counts."""
        counts = self._counts[signal]
        counts[0] += observed
        counts[1] += expected

    def flush(self) -> None:
        """Write what has been added."""
        add(
            self._connection,
            tallies,
            [
                {
                    "month": self._month,
                    "signal": signal,
                    "observed": observed,
                    "expected": expected,
                }
                for signal, (observed, expected) in self._counts.items()
                if observed or expected
            ],
        )
        self._counts.clear()


def read_tally(connection: sa.Connection, today: date) -> Tally:
    """Read the counts of today's month and the one before, as one group."""
    month = month_at(today)
    months = [month_name(month - 1), month_name(month)]
    tally = Tally.empty()
    for row in connection.execute(_READ, {"months": months}):
        at = 0, SIGNALS.index(row.signal)
        tally.observed[at] += row.observed
        tally.expected[at] += row.expected
    return tally


def belief_of(observed: list[float], expected: list[float]) -> tuple[float, ...]:
    """Return the belief that counts lead to, in the order of `SIGNALS`."""
    return tuple(Tally(np.array([observed]), np.array([expected])).belief()[0].tolist())
