"""Quiet hours by the customer's clock, through the days on which clocks are set."""

from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from churnsaver_serving.runtime.messages.quiet_hours import QuietHours, default_zones

NEW_YORK, LOS_ANGELES = "America/New_York", "America/Los_Angeles"
HOURS = QuietHours()
SPRING, AUTUMN = date(2026, 3, 8), date(2026, 11, 1)
# Days on which clocks are set in one of the places below, and their neighbours.
SET = [
    day + timedelta(days=apart)
    for day in (
        SPRING,
        AUTUMN,
        date(2026, 3, 29),
        date(2026, 10, 25),
        date(2026, 4, 5),
        date(2026, 9, 27),
        date(2026, 10, 4),
        date(2026, 4, 24),
        date(2026, 10, 30),
    )
    for apart in (-1, 0, 1)
]
# Beside the country's: quarters and halves of an hour, both sides of the date line, a clock that is
# set at midnight, one that is set by half an hour.
PLACES = (
    *default_zones().every,
    "Europe/Berlin",
    "Asia/Kathmandu",
    "America/St_Johns",
    "Pacific/Kiritimati",
    "Pacific/Chatham",
    "Africa/Cairo",
    "Australia/Lord_Howe",
)


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
    [span] = HOURS.spans(date(2026, 5, 4), [NEW_YORK, LOS_ANGELES])
    assert span.opens == morning + timedelta(hours=3)
    assert span.closes == at(NEW_YORK, 2026, 5, 4, 21)


def test_the_day_of_the_change_has_its_own_eight_o_clock() -> None:
    # 8 March 2026: 2:00 becomes 3:00. 1 November 2026: 2:00 becomes 1:00.
    [spring], [autumn] = (HOURS.spans(day, [NEW_YORK]) for day in (SPRING, AUTUMN))
    assert spring.opens - at(NEW_YORK, 2026, 3, 7, 21) == timedelta(hours=10)
    assert autumn.opens - at(NEW_YORK, 2026, 10, 31, 21) == timedelta(hours=12)
    for span in (spring, autumn):
        assert span.closes - span.opens == timedelta(hours=13)


def test_hours_that_end_in_the_skipped_hour_end_at_the_change() -> None:
    early = QuietHours(start=time(21), end=time(2, 30))
    assert early.spans(SPRING, [NEW_YORK])[0].opens == datetime(2026, 3, 8, 7, tzinfo=UTC)
    assert not early.may_send(datetime(2026, 3, 8, 6, 59, 59, tzinfo=UTC), [NEW_YORK])


def test_a_repeated_hour_counts_both_times() -> None:
    early = QuietHours(start=time(21), end=time(1, 30))
    first, second = (at(NEW_YORK, 2026, 11, 1, 1, 15, fold=fold) for fold in (0, 1))
    assert second - first == timedelta(hours=1)
    assert not early.may_send(first, [NEW_YORK])
    assert not early.may_send(second, [NEW_YORK])
    assert early.spans(AUTUMN, [NEW_YORK]) == (
        (at(NEW_YORK, 2026, 11, 1, 1, 30), at(NEW_YORK, 2026, 11, 1, 1, fold=1)),
        (at(NEW_YORK, 2026, 11, 1, 1, 30, fold=1), at(NEW_YORK, 2026, 11, 1, 21)),
    )
    # The clock goes back behind the start of these: they open again at the change.
    late = QuietHours(start=time(1, 30), end=time(8))
    assert late.spans(AUTUMN, [NEW_YORK])[1] == (
        at(NEW_YORK, 2026, 11, 1, 1, fold=1),
        at(NEW_YORK, 2026, 11, 1, 1, 30, fold=1),
    )


def test_hours_over_midnight_are_cut_at_midnight() -> None:
    nights = QuietHours(start=time(8), end=time(21))
    assert nights.spans(date(2026, 5, 4), [NEW_YORK]) == (
        (at(NEW_YORK, 2026, 5, 4, 0), at(NEW_YORK, 2026, 5, 4, 8)),
        (at(NEW_YORK, 2026, 5, 4, 21), at(NEW_YORK, 2026, 5, 5, 0)),
    )


@settings(max_examples=60, deadline=None)
@given(
    day=st.dates(date(2026, 1, 1), date(2028, 1, 1)) | st.sampled_from(SET),
    zones=st.lists(st.sampled_from(PLACES), min_size=1, max_size=4, unique=True),
    hours=st.sampled_from(
        [HOURS, QuietHours(time(17), time(9, 30)), QuietHours(time(8), time(21))]
    ),
)
def test_a_day_is_open_where_every_clock_says_so(
    day: date, zones: list[str], hours: QuietHours
) -> None:
    clocks = [ZoneInfo(zone) for zone in zones]
    spans = hours.spans(day, zones)
    assert all(before.closes <= after.opens for before, after in pairwise(spans))
    step = datetime.combine(day, time(), tzinfo=UTC) - timedelta(hours=14)
    for _ in range((14 + 24 + 12) * 4):
        dates = {step.astimezone(clock).date() for clock in clocks}
        open_now = min(dates) == day and hours.may_send(step, zones)
        assert any(span.opens <= step < span.closes for span in spans) == open_now
        step += timedelta(minutes=15)
    for span in spans:
        last = span.closes - timedelta(microseconds=1)
        for clock in clocks:
            assert span.opens.astimezone(clock).date() == last.astimezone(clock).date()


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
    for month in range(1, 13):
        [span] = HOURS.spans(date(2026, month, 15), default_zones().every)
        assert span == (
            datetime(2026, month, 15, 22, tzinfo=UTC),
            datetime(2026, month, 16, 1, tzinfo=UTC),
        )


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
    with pytest.raises(ValueError, match="no zones"):
        HOURS.spans(moment.date(), [])
    with pytest.raises(ZoneInfoNotFoundError):
        HOURS.spans(moment.date(), ["Nowhere/City"])
    assert QuietHours(start=time(8, 30)).spans(moment.date(), [NEW_YORK, LOS_ANGELES]) == ()
