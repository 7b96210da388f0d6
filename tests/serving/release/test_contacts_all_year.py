"""A release contacts as readily on any day of the year, whatever the day of its month."""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from churnsaver_assets.decision.evaluation.contact_share import (
    ZONE,
    contact_share,
    decisions_by_day,
)
from churnsaver_serving.runtime.customer import ContactHistory, Customer
from churnsaver_serving.runtime.engine.release import Release
from churnsaver_serving.runtime.limits.contact_days import ContactCalendar
from tests.support.serving.profiles import AT_RISK, random_profiles

YEAR = [date(2026, 12, 1) + timedelta(days=at) for at in range(365)]
CUSTOMERS = [
    Customer(str(at), profile, "cellular", ContactHistory())
    for at, profile in enumerate([AT_RISK, *random_profiles(120, np.random.default_rng(42))])
]


@pytest.fixture(scope="module")
def waits(several: Release) -> dict[date, int]:
    """Days to the first open day; within a week there is one all year round."""
    calendar = ContactCalendar(
        several.messages.sending, several.holidays, several.rules.contact_weekdays
    )
    delays = several.space.delays_days
    found = {}
    for day in YEAR:
        noon = datetime.combine(day, time(12), ZoneInfo(ZONE)).astimezone(UTC)
        _, opened = calendar.open_days(noon, ZONE, None, delays)
        found[day] = next(wait for wait, free in zip(delays, opened, strict=True) if free)
    return found


@pytest.mark.parametrize("multiplier", [0.0, 1.0])
def test_share_contacted_is_the_same_on_every_working_day(
    several: Release, waits: dict[date, int], multiplier: float
) -> None:
    shares = contact_share(several, CUSTOMERS, multiplier, YEAR)
    working = [share for day, share in shares.items() if waits[day] == 0]
    assert 245 <= len(working) <= 260  # of 365 days, without weekends and holidays
    assert min(working) > 0
    assert max(working) <= 1.1 * min(working)
    # Those asked about on other days wait, and waiting makes few of them not worth it.
    assert min(shares.values()) >= 0.9 * min(working)


def test_who_is_at_risk_is_contacted_on_the_first_open_day_all_year(
    several: Release, waits: dict[date, int]
) -> None:
    asked = 0
    for day, (one,) in decisions_by_day(several, CUSTOMERS[:1], 0.0, YEAR):
        asked += 1
        assert one.contact_on == day + timedelta(days=waits[day])
        assert one.delay_days == waits[day]
        assert one.constraints == (() if waits[day] == 0 else ("contact_days",))
    assert asked == len(YEAR)
    assert {wait for wait in waits.values() if wait} >= {1, 2, 3}  # a Sunday, a Saturday, holidays


def test_everyone_contacted_on_a_closed_day_waits_for_the_first_open_one(
    several: Release, waits: dict[date, int]
) -> None:
    closed = [day for day in YEAR if waits[day] > 0][:40]
    for day, decisions in decisions_by_day(several, CUSTOMERS, 0.0, closed):
        assert {one.delay_days for one in decisions if one.contact} == {waits[day]}
