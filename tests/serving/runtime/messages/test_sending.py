"""Tests for churnsaver_serving.runtime.messages.sending."""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from churnsaver_serving.runtime.messages.quiet_hours import QuietHours, default_zones
from churnsaver_serving.runtime.messages.sending import Sending, default_sending

SENDING = msgspec.json.decode(default_sending(), type=Sending)
MOMENTS = st.datetimes(datetime(2026, 1, 1), datetime(2027, 12, 31), timezones=st.just(UTC))  # noqa: DTZ001
PLACES = st.none() | st.sampled_from(default_zones().every)
TICK = timedelta(microseconds=1)
CHICAGO = "America/Chicago"


@given(MOMENTS, st.integers(0, 7), PLACES)
def test_a_window_lies_between_two_quiet_hours(now: datetime, days: int, zone: str | None) -> None:
    day = now.date() + timedelta(days=days)
    window = SENDING.window(day, now, zone=zone)
    assert now <= window.opens < window.closes
    assert window.opens - now < timedelta(days=days + 3)
    for moment in (window.opens, window.closes - TICK):
        assert SENDING.hours.may_send(moment, window.zones)
    assert not SENDING.hours.may_send(window.closes, window.zones)
    for name in window.zones:
        assert window.opens.astimezone(ZoneInfo(name)).date() >= day


def test_a_day_of_contact_is_the_customers_own() -> None:
    evening = datetime(2026, 6, 5, 1, tzinfo=UTC)  # eight in the evening of the fourth in Chicago
    window = SENDING.window(date(2026, 6, 5), evening, zone=CHICAGO)
    assert window.opens == datetime(2026, 6, 5, 13, tzinfo=UTC)
    assert window.closes == datetime(2026, 6, 6, 2, tzinfo=UTC)


def test_in_the_middle_of_the_day_it_may_go_out_at_once() -> None:
    noon = datetime(2026, 6, 5, 17, tzinfo=UTC)
    assert SENDING.window(noon.date(), noon, zone=CHICAGO).opens == noon


def test_after_the_days_hours_come_the_next_days() -> None:
    late = datetime(2026, 6, 5, 23, tzinfo=UTC)  # nine in the morning of the sixth in Guam
    window = SENDING.window(late.date(), late, zone="Pacific/Guam")
    assert window.opens == late
    night = datetime(2026, 6, 5, 12, tzinfo=UTC)  # ten in the evening of the fifth
    window = SENDING.window(night.date(), night, zone="Pacific/Guam")
    assert window.opens == datetime(2026, 6, 5, 22, tzinfo=UTC)


@pytest.mark.parametrize(
    ("day", "hours"), [(date(2026, 3, 8), 13), (date(2026, 11, 1), 13), (date(2026, 6, 5), 13)]
)
def test_a_day_on_which_clocks_are_set_has_its_hours(day: date, hours: int) -> None:
    window = SENDING.window(day, datetime.combine(day, time(), tzinfo=UTC), zone=CHICAGO)
    assert window.closes - window.opens == timedelta(hours=hours)


def test_where_nothing_is_known_every_zone_is_kept_to() -> None:
    now = datetime(2026, 6, 5, 12, tzinfo=UTC)
    nowhere = SENDING.window(now.date(), now, zone="Mars/Olympus", state="ZZ")
    assert set(nowhere.zones) == set(default_zones().every)
    assert SENDING.window(now.date(), now, state="il").zones == (CHICAGO,)
    assert SENDING.window(now.date(), now, zone=CHICAGO, state="CA").zones == (CHICAGO,)


def test_other_hours_are_other_windows() -> None:
    early = Sending(QuietHours(start=time(17), end=time(9)), default_zones())
    window = early.window(date(2026, 6, 5), datetime(2026, 6, 5, tzinfo=UTC), zone=CHICAGO)
    assert window.closes - window.opens == timedelta(hours=8)
