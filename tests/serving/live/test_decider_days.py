"""The API's day of contact and its message's window, on releases with their holidays."""

import dataclasses
from datetime import UTC, date, datetime, timedelta
from functools import cache
from zoneinfo import ZoneInfo

import msgspec
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from churnsaver_serving.live.decider import Decider
from churnsaver_serving.runtime.customer import ContactHistory, Customer, Profile
from churnsaver_serving.runtime.engine.choice import month_of
from churnsaver_serving.runtime.engine.decision import Decision, Pace
from churnsaver_serving.runtime.engine.release import Release
from churnsaver_serving.runtime.limits.account import Account
from churnsaver_serving.runtime.messages.message import Message, MessageRequest
from churnsaver_serving.schemas import RetainRequest
from tests.support.serving.profiles import random_profiles

FRIDAY_EVENING = datetime(2026, 11, 20, 20, tzinfo=UTC)
ZONES = ("Europe/Berlin", "Asia/Kolkata", "America/St_Johns", "Pacific/Guam", "Pacific/Pago_Pago")


@cache
def wanted_profile(decider: Decider) -> Profile:
    """Find somebody whom the policy contacts on an ordinary day."""
    monday = datetime(2026, 11, 2, 17, tzinfo=UTC)
    return next(
        profile
        for profile in random_profiles(100, np.random.default_rng(42))
        if ask(decider, monday, "America/Chicago", profile=profile)[0].contact
    )


def ask(
    decider: Decider,
    now: datetime,
    zone: str | None = None,
    state: str | None = None,
    profile: Profile | None = None,
) -> tuple[Decision, Message | None]:
    """Decide on a customer at that place, with money and capacity for all."""
    profile = profile or wanted_profile(decider)
    request = RetainRequest("c", profile, message=MessageRequest(time_zone=zone, state=state))
    days = np.array([day.toordinal() for day in decider.possible_days(now)])
    accounts = {int(month): Account(10**9) for month in month_of(days)}
    customer = Customer("c", profile, "cellular", ContactHistory())
    [decision] = decider.decide(
        [customer],
        [decider.location(request)],
        now,
        accounts,
        {},
        np.array([0.5]),
        Pace(),
    )
    return decision, decider.message("an id", now, request, decision)


@pytest.fixture(scope="module")
def decider(release: Release) -> Decider:
    return Decider(release, overrides={"exploration": 0.0})


@settings(max_examples=60, deadline=None)
@given(
    now=st.datetimes(datetime(2026, 1, 1), datetime(2027, 12, 31), timezones=st.just(UTC)),  # noqa: DTZ001
    zone=st.none() | st.sampled_from(ZONES),
    state=st.sampled_from([None, "GU", "TX", "AK", "NY"]),
)
@example(FRIDAY_EVENING, "Europe/Berlin", None)
@example(datetime(2026, 11, 20, 12, tzinfo=UTC), None, None)
def test_the_answers_day_is_its_messages(
    decider: Decider, now: datetime, zone: str | None, state: str | None
) -> None:
    decision, message = ask(decider, now, zone, state)
    # A contact is worth as much on any day, so the first open one has it.
    assert decision.contact_on is not None
    assert message is not None
    assert message.send is not None
    opens = [message.send.opens.astimezone(ZoneInfo(name)) for name in message.send.zones]
    assert min(one.date() for one in opens) == decision.contact_on
    assert all(one.date().weekday() < 5 for one in opens)
    assert all(8 <= one.hour < 21 for one in opens)
    assert message.send.opens >= now
    today = min(now.astimezone(ZoneInfo(name)).date() for name in message.send.zones)
    assert decision.contact_on == today + timedelta(days=decision.delay_days)


def test_a_friday_evening_in_berlin_is_a_monday(decider: Decider) -> None:
    decision, message = ask(decider, FRIDAY_EVENING, "Europe/Berlin")
    assert decision.contact_on == date(2026, 11, 23)
    assert decision.delay_days == 3
    assert decision.constraints == ("contact_days",)
    assert message is not None
    assert message.send is not None
    assert message.send.opens == datetime(2026, 11, 23, 7, tzinfo=UTC)


@pytest.mark.parametrize(
    ("now", "zone", "state", "day"),
    [
        (datetime(2026, 11, 26, 15, tzinfo=UTC), "America/Chicago", None, date(2026, 11, 27)),
        (datetime(2026, 11, 26, 15, tzinfo=UTC), None, "TX", date(2026, 11, 30)),
        (datetime(2026, 12, 25, 15, tzinfo=UTC), "America/Chicago", None, date(2026, 12, 28)),
        (datetime(2028, 7, 4, 15, tzinfo=UTC), "America/Chicago", None, date(2028, 7, 5)),
        (datetime(2028, 7, 4, 15, tzinfo=UTC), "Europe/Berlin", None, date(2028, 7, 4)),
        (datetime(2026, 7, 20, 23, tzinfo=UTC), None, "GU", date(2026, 7, 22)),
    ],
)
def test_a_holiday_is_no_day_of_contact(
    decider: Decider, now: datetime, zone: str | None, state: str | None, day: date
) -> None:
    assert ask(decider, now, zone, state)[0].contact_on == day


def test_other_holidays_are_other_answers(release: Release, decider: Decider) -> None:
    now, zone = datetime(2026, 11, 23, 15, tzinfo=UTC), "America/Chicago"
    assert ask(decider, now, zone)[0].contact_on == now.date()
    national = release.holidays.national
    more = national | {"US": (*national["US"], now.date(), now.date() + timedelta(days=1))}
    holidays = msgspec.structs.replace(release.holidays, national=more)
    other = Decider(dataclasses.replace(release, holidays=holidays), overrides={"exploration": 0.0})
    decision, _ = ask(other, now, zone)
    assert decision.contact_on == date(2026, 11, 25)
    assert decision.constraints == ("contact_days",)


def test_where_no_day_is_open_nobody_is_contacted(decider: Decider) -> None:
    for now, zone in (
        (datetime(2037, 3, 2, 15, tzinfo=UTC), "America/Chicago"),  # holidays aren't known
        (datetime(2026, 3, 2, 3, tzinfo=UTC), "Asia/Tokyo"),  # nor there
    ):
        decision, message = ask(decider, now, zone)
        assert (decision.contact, message) == (False, None)
        assert decision.constraints == ("contact_days",)
        assert decision.only_no_contact
