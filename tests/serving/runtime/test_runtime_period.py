"""Where a day lies in its budget period."""

from datetime import date

import pytest

from churnsaver_serving.runtime.period import day_index, days_left, first_day


@pytest.mark.parametrize(
    ("day", "index", "left"),
    [
        (date(2026, 11, 1), 0, 30),
        (date(2026, 11, 30), 29, 1),
        (date(2026, 12, 1), 0, 30),  # of 31: a month's probability covers 30
        (date(2026, 12, 2), 1, 30),
        (date(2026, 12, 3), 2, 29),
        (date(2026, 12, 31), 30, 1),
        (date(2027, 2, 1), 0, 28),
        (date(2028, 2, 29), 28, 1),
    ],
)
def test_days_of_a_month(day: date, index: int, left: int) -> None:
    assert day_index(day) == index
    assert days_left(day, 30.0) == left
    assert first_day(day) == day.replace(day=1)
