"""The budget period, a calendar month (UTC), and where in it a day lies."""

from calendar import monthrange
from datetime import date


def first_day(day: date) -> date:
    """Return the first day of the period."""
    return day.replace(day=1)


def day_index(day: date) -> int:
    """Return the days since the period began."""
    return day.day - 1


def days_left(day: date, most: float) -> float:
    """Return the days left of the period, `day` included, at most `most`."""
    return min(float(monthrange(day.year, day.month)[1] - day_index(day)), most)
