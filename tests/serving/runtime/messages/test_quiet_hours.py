"""Quiet hours by the customer's clock, through the days on which clocks are set."""

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from churnsaver_serving.runtime.messages.quiet_hours import QuietHours, default_zones

NEW_YORK, LOS_ANGELES = "America/New_York", "America/Los_Angeles"
HOURS = QuietHours()


def at(zone: str, *parts: int, fold: int = 0) -> datetime:
    return datetime(*parts, tzinfo=ZoneInfo(zone), fold=fold).astimezone(UTC)  # type: ignore[misc, arg-type]


def test_the_edges() -> None:
    for day in ((2026, 1, 15), (2026, 7, 15)):
        assert not HOURS.may_send(at(NEW_YORK, *day, 7, 59, 59), [NEW_YORK])
        assert HOURS.may_send(at(NEW_YORK, *day, 8), [NEW_YORK])
        assert HOURS.may_send(at(NEW_YORK, *day, 20, 59, 59), [NEW_YORK])
        assert not HOURS.may_send(at(NEW_YORK, *day, 21), [NEW_YORK])


def test_it_must_be_allowed_in_every_zone() -> None:
    morning = at(NEW_YORK, 2026, 5, 4, 8)
    assert HOURS.may_send(morning, [NEW_YORK])
    assert not HOURS.may_send(morning, [NEW_YORK, LOS_ANGELES])
    assert HOURS.next_allowed(morning, [NEW_YORK, LOS_ANGELES]) == morning + timedelta(hours=3)


def test_the_day_of_the_change_has_its_own_eight_o_clock() -> None:
    # 8 March 2026: 2:00 becomes 3:00. 1 November 2026: 2:00 becomes 1:00.
    spring, autumn = at(NEW_YORK, 2026, 3, 7, 21), at(NEW_YORK, 2026, 10, 31, 21)
    assert HOURS.next_allowed(spring, [NEW_YORK]) - spring == timedelta(hours=10)
    assert HOURS.next_allowed(autumn, [NEW_YORK]) - autumn == timedelta(hours=12)
    assert HOURS.next_allowed(spring, [NEW_YORK]) == datetime(2026, 3, 8, 12, tzinfo=UTC)
    assert HOURS.next_allowed(autumn, [NEW_YORK]) == datetime(2026, 11, 1, 13, tzinfo=UTC)


def test_hours_that_end_in_the_skipped_hour_end_at_the_change() -> None:
    early = QuietHours(start=time(21), end=time(2, 30))
    night = at(NEW_YORK, 2026, 3, 7, 23)
    assert early.next_allowed(night, [NEW_YORK]) == datetime(2026, 3, 8, 7, tzinfo=UTC)
    assert not early.may_send(datetime(2026, 3, 8, 6, 59, 59, tzinfo=UTC), [NEW_YORK])


def test_a_repeated_hour_counts_both_times() -> None:
    early = QuietHours(start=time(21), end=time(1, 30))
    first, second = (at(NEW_YORK, 2026, 11, 1, 1, 15, fold=fold) for fold in (0, 1))
    assert second - first == timedelta(hours=1)
    assert not early.may_send(first, [NEW_YORK])
    assert not early.may_send(second, [NEW_YORK])
    assert early.may_send(at(NEW_YORK, 2026, 11, 1, 1, 45), [NEW_YORK])
    assert early.next_allowed(second, [NEW_YORK]) == second + timedelta(minutes=15)
    # The clock goes back behind the start of these: they open again at the change.
    late = QuietHours(start=time(1, 30), end=time(8))
    assert late.next_allowed(at(NEW_YORK, 2026, 11, 1, 1, 45), [NEW_YORK]) == at(
        NEW_YORK, 2026, 11, 1, 1, 0, fold=1
    )


@settings(max_examples=60)
@given(
    minutes=st.integers(0, 2 * 366 * 24 * 60),
    zones=st.lists(st.sampled_from(default_zones().every), min_size=1, max_size=4),
)
def test_next_allowed_is_the_first_allowed_moment(minutes: int, zones: list[str]) -> None:
    moment = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=minutes)
    found = HOURS.next_allowed(moment, zones)
    assert found >= moment
    assert HOURS.may_send(found, zones)
    assert (found == moment) == HOURS.may_send(moment, zones)
    step = moment
    while step < found:
        assert not HOURS.may_send(step, zones)
        step += timedelta(minutes=15)
    if found > moment:
        assert not HOURS.may_send(found - timedelta(seconds=1), zones)


def test_where_a_customer_may_be() -> None:
    zones_of = default_zones().of
    every = zones_of()
    assert zones_of("America/Chicago", "CA") == ("America/Chicago",)
    assert zones_of(None, "ca") == (LOS_ANGELES,)
    assert len(zones_of(None, "TN")) == 2
    for zone in ("Nowhere/City", "", "../etc/passwd", "America", "a\x00b"):
        assert zones_of(zone, None) == every
    assert zones_of(None, "ZZ") == every
    assert len(default_zones().states) == 56
    for zone in every:
        assert ZoneInfo(zone)


def test_somewhere_unknown_still_has_allowed_hours() -> None:
    moment = datetime(2026, 1, 15, 14, tzinfo=UTC)
    assert not HOURS.may_send(moment, default_zones().every)
    assert HOURS.next_allowed(moment, default_zones().every) > moment


def test_bad_arguments_are_refused() -> None:
    moment = datetime(2026, 1, 15, 14, tzinfo=UTC)
    with pytest.raises(ValueError, match="no zones"):
        HOURS.may_send(moment, [])
    with pytest.raises(ValueError, match="has no zone"):
        HOURS.may_send(moment.replace(tzinfo=None), [NEW_YORK])
    with pytest.raises(ZoneInfoNotFoundError):
        HOURS.may_send(moment, ["Nowhere/City"])
    with pytest.raises(ValueError, match="two different local times"):
        QuietHours(start=time(8), end=time(8))
    with pytest.raises(ValueError, match="no moment"):
        QuietHours(start=time(8, 30)).next_allowed(moment, [NEW_YORK, LOS_ANGELES])
