"""Share of customers whom a release contacts, by the day on which it is asked about them.

Nothing but the rules knows the calendar, so asked on any working day it contacts the same share of
the same customers, and on any other day they are contacted on the first day that is open.
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, date, datetime, time
from zoneinfo import ZoneInfo

import msgspec
import numpy as np

from churnsaver_serving.runtime.customer import Customer
from churnsaver_serving.runtime.engine.choice import SharedLimits, month_of
from churnsaver_serving.runtime.engine.decide import ContactDays
from churnsaver_serving.runtime.engine.decision import Decision, Pace
from churnsaver_serving.runtime.engine.release import Release
from churnsaver_serving.runtime.limits.account import Account
from churnsaver_serving.runtime.limits.contact_days import ContactCalendar

ZONE = "America/Chicago"
"""Zone that the customers are taken to be in."""

_AMPLE_CENTS = 10**12
_ASKED_AT = time(12)


def contact_share(
    release: Release, customers: Sequence[Customer], multiplier: float, days: Iterable[date]
) -> dict[date, float]:
    """Return the share of customers that are to be contacted, asked about all of them on a day.

    Money and capacity are ample, and nobody is chosen for exploration.

    Args:
        release: The release; its default policy decides.
        customers: The n customers, as the ledger has them on each of the days.
        multiplier: Worth of a dollar of budget, beyond itself.
        days: The days, each asked about by itself.
    """
    return {
        day: sum(one.contact for one in decisions) / len(decisions)
        for day, decisions in decisions_by_day(release, customers, multiplier, days)
    }


def decisions_by_day(
    release: Release, customers: Sequence[Customer], multiplier: float, days: Iterable[date]
) -> Iterator[tuple[date, list[Decision]]]:
    """Yield each day's decisions on the customers; see `contact_share`."""
    engine = release.engine(rules=msgspec.structs.replace(release.rules, exploration=0.0))
    calendar = _calendar(release)
    n, delays = len(customers), engine.space.delays_days
    for day in days:
        own = ContactDays(*calendar.days_of([(ZONE, None)] * n, _noon(day), delays))
        months = np.unique(month_of(own.today[:, None] + np.asarray(delays)))
        shared = SharedLimits({int(month): Account(_AMPLE_CENTS) for month in months})
        yield (
            day,
            engine.decide(
                customers, own, shared, np.full(n, 0.5), Pace(multiplier), explained=False
            ),
        )


def _calendar(release: Release) -> ContactCalendar:
    return ContactCalendar(
        release.messages.sending, release.holidays, release.rules.contact_weekdays
    )


def _noon(day: date) -> datetime:
    return datetime.combine(day, _ASKED_AT, ZoneInfo(ZONE)).astimezone(UTC)
