"""What customers share, ample or short, and days on which they may be contacted."""

from collections.abc import Sequence
from datetime import date

import numpy as np

from churnsaver_serving.runtime.engine.choice import SharedLimits, month_of
from churnsaver_serving.runtime.engine.decide import ContactDays
from churnsaver_serving.runtime.limits.account import Account
from churnsaver_serving.runtime.limits.rules import WEEKDAYS
from tests.support.serving.release import RULES, SPACE

AMPLE_CENTS = 100_000_000


def limits(
    today: date, cents: int = AMPLE_CENTS, full: Sequence[int] = (), capacity: int = 10_000
) -> SharedLimits:
    """Give each month that many cents, and each day that much room; none after delays in `full`."""
    days = today.toordinal() + np.arange(-1, max(SPACE.delays_days) + 2)
    return SharedLimits(
        accounts={int(month): Account(cents) for month in np.unique(month_of(days))},
        free={day: 0 if day - today.toordinal() in full else capacity for day in days.tolist()},
        deviations=RULES.reserve_deviations,
    )


def contact_days(today: date, count: int, closed: Sequence[date] = ()) -> ContactDays:
    """Open the working days for that many customers, save those that are closed."""
    days = [date.fromordinal(today.toordinal() + delay) for delay in SPACE.delays_days]
    opened = [
        WEEKDAYS[day.weekday()] in RULES.contact_weekdays and day not in closed for day in days
    ]
    return ContactDays(np.full(count, today.toordinal()), np.tile(opened, (count, 1)))
