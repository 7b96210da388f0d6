"""The days of a simulation: dates, budget months, and the days on which contacts are made."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np

from churnsaver_serving.runtime.arrays import Bools, Ints
from churnsaver_serving.runtime.engine.choice import month_of
from churnsaver_serving.runtime.limits.rules import WEEKDAYS, Rules


@dataclass(frozen=True, slots=True)
class Calendar:
    """The calendar of T consecutive days.

    Attributes:
        first: The first day.
        working: True on days on which contacts are made, shape (T,).
    """

    first: date
    working: Bools

    @classmethod
    def starting(
        cls, first: date, days: int, rules: Rules, holidays: Collection[date] = ()
    ) -> "Calendar":
        """Return the `days` days from `first` on.

        Args:
            first: The first day.
            days: Number of days.
            rules: Weekdays on which contacts are made.
            holidays: Days on which none are.
        """
        dates = [first + timedelta(days=offset) for offset in range(days)]
        return cls(
            first,
            np.array(
                [
                    WEEKDAYS[day.weekday()] in rules.contact_weekdays and day not in holidays
                    for day in dates
                ]
            ),
        )

    @property
    def days(self) -> int:
        """Return the number of days, T."""
        return len(self.working)

    @property
    def ordinals(self) -> Ints:
        """Return each day's ordinal, shape (T,)."""
        return self.first.toordinal() + np.arange(self.days)

    @property
    def months(self) -> Ints:
        """Return each day's month, as `choice.month_of`, shape (T,)."""
        return month_of(self.ordinals)

    def open_days(self, day: int, delays_days: tuple[int, ...]) -> Bools:
        """Return whether contacts are made after each delay from a day on, shape (D,).

        Days beyond the calendar are closed.
        """
        after = day + np.asarray(delays_days)
        inside = after < self.days
        opened: Bools = inside & self.working[np.minimum(after, self.days - 1)]
        return opened
