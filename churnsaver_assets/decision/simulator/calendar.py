"""The days of a simulated budget period, and which of them are contact days."""

from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
import numpy.typing as npt

from churnsaver_serving.runtime.arrays import Ints
from churnsaver_serving.runtime.rules import WEEKDAYS, Rules


@dataclass(frozen=True, slots=True)
class Calendar:
    """The calendar of T consecutive days.

    Attributes:
        month: Month of each day, 0 for January, shape (T,).
        weekday: Weekday of each day, 0 for Monday, shape (T,).
        working: True on days on which contacts are made, shape (T,).
    """

    month: Ints
    weekday: Ints
    working: npt.NDArray[np.bool_]

    @classmethod
    def starting(cls, first: date, days: int, rules: Rules) -> "Calendar":
        """Return the `days` days from `first` on."""
        dates = [first + timedelta(days=offset) for offset in range(days)]
        weekday = np.array([day.weekday() for day in dates], dtype=np.int64)
        return cls(
            month=np.array([day.month - 1 for day in dates], dtype=np.int64),
            weekday=weekday,
            working=np.array([WEEKDAYS[day] in rules.contact_weekdays for day in weekday]),
        )

    @property
    def days(self) -> int:
        """Return the number of days, T."""
        return len(self.month)
