"""The day of a contact and the window of its message, by the customer's own calendar."""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import msgspec
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from churnsaver_serving.runtime.limits.contact_days import ContactCalendar
from churnsaver_serving.runtime.limits.rules import WEEKDAYS, Weekday
from churnsaver_serving.runtime.messages.quiet_hours import QuietHours, default_zones
from churnsaver_serving.runtime.messages.sending import Sending, default_sending
from tests.support.serving.holidays import holidays

SENDING = msgspec.json.decode(default_sending(), type=Sending)
HOLIDAYS = holidays()
WORKING = WEEKDAYS[:5]
DELAYS = (0, 1, 3, 7)
WEEK = tuple(range(8))
CHICAGO, BERLIN, GUAM = "America/Chicago", "Europe/Berlin", "Pacific/Guam"
TICK = timedelta(microseconds=1)


def calendar(hours: QuietHours, working: tuple[Weekday, ...]) -> ContactCalendar:
    return ContactCalendar(msgspec.structs.replace(SENDING, hours=hours), HOLIDAYS, working)


HOURS = {
    "as shipped": SENDING.hours,
    "every day": SENDING.hours,
    "half hours": QuietHours(start=time(17), end=time(9, 30)),
    "nights": QuietHours(start=time(8), end=time(21)),
}
CALENDARS = {
    name: calendar(hours, WEEKDAYS if name == "every day" else WORKING)
    for name, hours in HOURS.items()
}
CALENDAR = CALENDARS["as shipped"]


def utc(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)  # type: ignore[misc, arg-type]


# Edges of weekends, of holidays and of the days on which clocks are set, in all zones at once.
MOMENTS = st.datetimes(datetime(2024, 1, 2), datetime(2035, 12, 20), timezones=st.just(UTC)) | (  # noqa: DTZ001
    st.builds(
        lambda day, minutes: day + timedelta(minutes=minutes),
        st.sampled_from(
            [
                *(utc(2026, 3, 7), utc(2026, 10, 31), utc(2026, 3, 28), utc(2026, 10, 24)),
                *(utc(2026, 7, 2), utc(2026, 11, 25), utc(2026, 12, 24), utc(2026, 11, 20)),
            ]
        ),
        st.integers(-24 * 60, 72 * 60),
    )
)
ZONES = st.none() | st.sampled_from(sorted(HOLIDAYS.zones)) | st.just("Mars/Olympus")
STATES = st.none() | st.sampled_from([*sorted(default_zones().states), "gu", " tx ", "ZZ"])


@settings(max_examples=400, deadline=None)
@given(
    name=st.sampled_from(sorted(CALENDARS)),
    now=MOMENTS,
    zone=ZONES,
    state=STATES,
    delays=st.sampled_from([DELAYS, WEEK]),
)
@example("as shipped", utc(2026, 11, 20, 20), BERLIN, None, DELAYS)
@example("as shipped", utc(2026, 11, 20, 23), None, "GU", DELAYS)
@example("as shipped", utc(2026, 11, 20, 12), None, None, WEEK)
def test_the_day_and_the_window_agree(
    name: str, now: datetime, zone: str | None, state: str | None, delays: tuple[int, ...]
) -> None:
    own = CALENDARS[name]
    today, opened = own.open_days(now, zone, state, delays)
    places = SENDING.zones.of(zone, state)
    clocks = [ZoneInfo(place) for place in places]
    assert today == min(now.astimezone(clock).date() for clock in clocks)
    for delay, is_open in zip(delays, opened, strict=True):
        day = today + timedelta(days=delay)
        if not is_open:
            with pytest.raises(ValueError, match="nothing may go out"):
                own.window(day, now, zone, state)
            continue
        window = own.window(day, now, zone, state)
        assert window.zones == places
        assert now <= window.opens < window.closes
        assert min(window.opens.astimezone(clock).date() for clock in clocks) == day
        hours = HOURS[name]
        for moment in (window.opens, window.closes - TICK):
            assert hours.may_send(moment, places)
            for place, clock in zip(places, clocks, strict=True):
                local = moment.astimezone(clock).date()
                if name != "every day":
                    assert local.weekday() < 5
                country = HOLIDAYS.zones[place]
                assert local not in HOLIDAYS.national[country]
                known = (state or "").strip().upper()
                if country == "US" and known in HOLIDAYS.states:
                    assert local not in HOLIDAYS.states[known]


@settings(max_examples=200, deadline=None)
@given(now=MOMENTS, zone=st.sampled_from(sorted(HOLIDAYS.zones)), delay=st.integers(0, 7))
def test_a_working_day_is_open_until_its_hours_are_over(
    now: datetime, zone: str, delay: int
) -> None:
    clock = ZoneInfo(zone)
    today, [opened] = CALENDAR.open_days(now, zone, None, (delay,))
    day = today + timedelta(days=delay)
    works = day.weekday() < 5 and day not in HOLIDAYS.national[HOLIDAYS.zones[zone]]
    over = now >= datetime.combine(day, time(21), tzinfo=clock)
    # Nine in the evening is never skipped or repeated by the clocks in use.
    assert opened == (works and not over and HOLIDAYS.covers(day))


def test_friday_evening_in_berlin_is_no_day_of_contact() -> None:
    # Nine in the evening there: once the contact was on Friday and its window on Saturday.
    today, opened = CALENDAR.open_days(utc(2026, 11, 20, 20), BERLIN, None, DELAYS)
    assert (today, opened) == (date(2026, 11, 20), (False, False, True, True))
    window = CALENDAR.window(date(2026, 11, 23), utc(2026, 11, 20, 20), BERLIN)
    assert (window.opens, window.closes) == (utc(2026, 11, 23, 7), utc(2026, 11, 23, 20))
    earlier = CALENDAR.window(date(2026, 11, 20), utc(2026, 11, 20, 19, 59), BERLIN)
    assert (earlier.opens, earlier.closes) == (utc(2026, 11, 20, 19, 59), utc(2026, 11, 20, 20))


def test_the_day_is_the_customers_own() -> None:
    # Eight in the evening of Thursday in Chicago, nine in the morning of Friday in Guam.
    now = utc(2026, 6, 5, 1)
    assert CALENDAR.open_days(now, CHICAGO, None, (0, 1)) == (date(2026, 6, 4), (True, True))
    assert CALENDAR.window(date(2026, 6, 4), now, CHICAGO).closes == utc(2026, 6, 5, 2)
    assert CALENDAR.window(date(2026, 6, 5), now, CHICAGO).opens == utc(2026, 6, 5, 13)
    guam = utc(2026, 6, 4, 23)
    assert CALENDAR.open_days(guam, None, "GU", (0, 1)) == (date(2026, 6, 5), (True, False))
    assert CALENDAR.window(date(2026, 6, 5), guam, None, "GU").zones == (GUAM,)
    # Sunday by UTC, Monday morning there.
    sunday = utc(2026, 6, 7, 22)
    assert CALENDAR.open_days(sunday, None, "GU", (0,)) == (date(2026, 6, 8), (True,))
    assert CALENDAR.window(date(2026, 6, 8), sunday, None, "GU").opens == sunday


@pytest.mark.parametrize(
    ("day", "zone", "state", "is_open"),
    [
        (date(2026, 7, 3), CHICAGO, None, False),  # 4 July is a Saturday: observed
        (date(2027, 7, 5), CHICAGO, None, False),  # and here a Sunday
        (date(2028, 7, 4), CHICAGO, None, False),
        (date(2028, 7, 4), BERLIN, None, True),
        (date(2026, 11, 26), CHICAGO, None, False),  # Thanksgiving
        (date(2026, 11, 26), "America/Toronto", None, True),
        (date(2026, 7, 1), "America/Toronto", None, False),  # Canada Day
        (date(2026, 7, 1), "America/New_York", None, True),
        (date(2026, 11, 27), None, "TX", False),  # the day after, kept by Texas
        (date(2026, 11, 27), None, "NY", True),
        (date(2026, 11, 27), CHICAGO, "TX", False),
        (date(2026, 11, 27), CHICAGO, None, True),
        (date(2026, 12, 25), CHICAGO, None, False),
        (date(2026, 12, 25), BERLIN, None, False),
        (date(2026, 12, 25), None, "GU", False),
        (date(2026, 7, 21), None, "GU", False),  # Liberation Day
        (date(2026, 7, 21), None, "MP", True),
        (date(2026, 7, 21), BERLIN, "GU", True),  # a state says nothing of a zone abroad
        (date(2026, 12, 28), "Europe/London", None, False),  # Boxing Day is a Saturday
        (date(2026, 10, 2), "Asia/Kolkata", None, False),
        (date(2026, 11, 18), "US/Central", None, True),  # an old name
        (date(2026, 11, 18), "America/Puerto_Rico", None, True),
        (date(2026, 11, 18), "Asia/Tokyo", None, False),  # Japan's holidays aren't known
        (date(2026, 11, 18), "Etc/UTC", None, False),
    ],
)
def test_holidays(day: date, zone: str | None, state: str | None, *, is_open: bool) -> None:
    now = datetime.combine(day - timedelta(days=3), time(12), tzinfo=UTC)
    today, _ = CALENDAR.open_days(now, zone, state, ())
    assert CALENDAR.open_days(now, zone, state, ((day - today).days,))[1] == (is_open,)


def test_where_nothing_is_known_it_holds_everywhere() -> None:
    # Guam is a day ahead in the three hours that all have in common.
    monday = utc(2026, 6, 8, 12)
    today, opened = CALENDAR.open_days(monday, "Mars/Olympus", "ZZ", WEEK)
    assert today == date(2026, 6, 8)
    assert opened == (True, True, True, True, False, False, False, True)
    window = CALENDAR.window(today, monday)
    assert (window.opens, window.closes) == (utc(2026, 6, 8, 22), utc(2026, 6, 9, 1))
    assert set(window.zones) == set(default_zones().every)
    # Thanksgiving begins on Wednesday evening, in Guam.
    before = utc(2026, 11, 23, 12)
    assert CALENDAR.open_days(before, None, None, (0, 1, 2, 3))[1] == (True, True, False, False)


@settings(max_examples=300, deadline=None)
@given(now=MOMENTS, state=st.none() | st.sampled_from(sorted(default_zones().states)))
@example(utc(2025, 12, 24, 3), "TX")  # 24 to 28 December
@example(utc(2025, 12, 24, 3), "NC")
@example(utc(2024, 7, 3, 3), None)  # the eve of a Thursday, to Sunday
def test_some_day_of_a_week_is_always_open(now: datetime, state: str | None) -> None:
    assert any(CALENDAR.open_days(now, None, state, WEEK)[1])


def test_years_without_holidays_are_closed() -> None:
    for now, opened in (
        (utc(2023, 12, 28, 18), (False, False, False, True)),  # 1 January is known, and a Monday
        (utc(2035, 12, 27, 18), (True, True, True, False)),
        (utc(2036, 1, 3, 18), (False,) * 4),
    ):
        assert CALENDAR.open_days(now, CHICAGO, None, (0, 1, 4, 5))[1] == opened


def test_many_customers_at_once() -> None:
    now = utc(2026, 6, 5, 1)
    locations = [(CHICAGO, None), (None, "GU"), (None, None)] * 2
    today, opened = CALENDAR.days_of(locations, now, DELAYS)
    assert opened.shape == (6, 4)
    assert opened.dtype == np.bool_
    for row, (zone, state) in enumerate(locations):
        day, alone = CALENDAR.open_days(now, zone, state, DELAYS)
        assert today[row] == day.toordinal()
        assert tuple(opened[row].tolist()) == alone
    assert [len(one) for one in CALENDAR.days_of([], now, DELAYS)] == [0, 0]


def test_a_moment_without_a_zone_is_refused() -> None:
    naive = datetime(2026, 6, 5)  # noqa: DTZ001
    with pytest.raises(ValueError, match="has no zone"):
        CALENDAR.open_days(naive, CHICAGO, None, DELAYS)
    with pytest.raises(ValueError, match="has no zone"):
        CALENDAR.window(date(2026, 6, 5), naive, CHICAGO)
