"""Counting of limits broken: by contacts as they were made, whatever was to keep them."""

import numpy as np

from churnsaver_serving.runtime.arrays import Bools, Floats, Ints
from churnsaver_serving.runtime.limits.rules import Rules
from churnsaver_serving.runtime.limits.standing import NEVER


class LimitsWatch:
    """Counts contacts beyond a limit, from the contacts made on each day.

    Args:
        group: Group of each row, shape (R,).
        rules: The limits.
        daily_capacity: Most contacts of a group on a day; None for no limit.
        discount_days: Days for which an accepted discount runs.
        contact_days: Days of the latest contacts before, newest first, shape (R, C).
        discount_from: Day on which a discount was last accepted, shape (R,); `NEVER` for none.

    Attributes:
        over_capacity: Contacts beyond the daily capacity.
        two_discounts: Discounts accepted while another still ran.
        over_cap: Contacts beyond the fatigue cap.
    """

    def __init__(
        self,
        group: Ints,
        rules: Rules,
        *,
        daily_capacity: int | None,
        discount_days: int,
        contact_days: Ints,
        discount_from: Ints,
    ) -> None:
        self._group, self._rules = group, rules
        self._capacity, self._discount_days = daily_capacity, discount_days
        room = np.full((len(group), rules.fatigue_cap + 1), NEVER, dtype=np.int64)
        known = min(contact_days.shape[1], room.shape[1])
        room[:, :known] = contact_days[:, :known]
        self._contact_days: Ints = room
        self._discount_from: Ints = discount_from.copy()
        self.over_capacity = self.two_discounts = self.over_cap = 0

    def add(self, day: int, rows: Ints, accepted: Bools, offers_pct: Floats) -> None:
        """Add the contacts of a day.

        Args:
            day: The day.
            rows: Rows contacted, shape (k,).
            accepted: Whether each accepted, shape (k,).
            offers_pct: Discount offered to each, percent, shape (k,); of those who refused any.
        """
        if self._capacity is not None:
            made = np.bincount(self._group[rows])
            self.over_capacity += int(np.maximum(made - self._capacity, 0).sum())
        recent = np.column_stack([np.full(len(rows), day), self._contact_days[rows][:, :-1]])
        self._contact_days[rows] = recent
        in_window = (recent > day - self._rules.fatigue_window_days).sum(axis=1)
        self.over_cap += int((in_window > self._rules.fatigue_cap).sum())
        taken = rows[accepted & (offers_pct > 0)]
        self.two_discounts += int((day - self._discount_from[taken] < self._discount_days).sum())
        self._discount_from[taken] = day
