"""Pacing: the day's multiplier, moved by what was spent against what was due.

The multiplier is what a dollar of budget is worth in dollars of value (the Lagrange multiplier of
the budget). Dual descent moves it each day by a small step in proportion to the relative overspend
of the day before (Balseiro and Gur 2019; Balseiro, Lu and Mirrokni 2020). It forecasts no arrivals,
so it holds whether customers are asked about daily or once a month.
"""

from typing import Annotated

import msgspec
import numpy as np
from msgspec import Meta

PACING_FILE = "pacing.json"

# Share of a budget from which on it counts as used up: what is left buys no more than a contact.
_USED_UP = 0.985


class PacingError(ValueError):
    """A pacing file that contradicts itself; names the field."""


class PacingRule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The numbers that pacing goes by.

    Attributes:
        budgets_usd: Monthly budgets per customer, USD, ascending.
        multipliers: The multiplier to begin with at each of them, not ascending; between them it
            is interpolated.
        step: Change of the multiplier for a day's due spent above or below what was due.
        correction: Power of the ratio of time left to money left in the month by which the
            multiplier in force deviates from the one that is kept: unspent money lowers it towards
            the month's end.
        most_correction: Largest factor of that deviation, up or down, >= 1.
        most_overspend: Days' dues by which a day counts as overspent at most: a day on which a
            backlog of customers is asked about says little of the days to come.
    """

    budgets_usd: tuple[float, ...]
    multipliers: tuple[float, ...]
    step: Annotated[float, Meta(ge=0)]
    correction: Annotated[float, Meta(ge=0)]
    most_correction: Annotated[float, Meta(ge=1)]
    most_overspend: Annotated[float, Meta(gt=0)]

    def __post_init__(self) -> None:
        """Refuse a start that isn't monotone."""
        budgets, multipliers = list(self.budgets_usd), list(self.multipliers)
        if not budgets or len(budgets) != len(multipliers):
            raise PacingError(
                f"multipliers: expected one for each of {len(budgets)} budgets, got {multipliers}"
            )
        if budgets != sorted(set(budgets)) or multipliers != sorted(multipliers, reverse=True):
            raise PacingError(
                f"budgets_usd, multipliers: expected ascending and not ascending, "
                f"got {budgets}, {multipliers}"
            )
        if multipliers[-1] < 0:
            raise PacingError(f"multipliers: expected numbers >= 0, got {multipliers}")


class Day(msgspec.Struct, frozen=True):
    """A day's position in its month, and the month's money.

    Attributes:
        day: Day of the month, 1 for the first.
        days: Days of the month.
        limit_cents: The month's budget.
        expected_cents: Spent and expected to be spent so far.
    """

    day: int
    days: int
    limit_cents: int
    expected_cents: int


class Pacing:
    """A controller of the multiplier.

    Args:
        rule: The numbers it goes by.
        customers: Number of customers that the budget is meant for.
    """

    def __init__(self, rule: PacingRule, customers: int) -> None:
        self.rule = rule
        self._customers = customers

    def start(self, limit_cents: int) -> float:
        """Return the multiplier to begin with at that month's budget."""
        budget = limit_cents / 100.0 / self._customers
        return float(np.interp(budget, self.rule.budgets_usd, self.rule.multipliers))

    def next(
        self,
        kept: float,
        *,
        booked_cents: int,
        days: int,
        days_in_month: int,
        limit_cents: int,
        limit_before_cents: int,
        expected_cents: int,
    ) -> float:
        """Return the multiplier to keep after some days.

        Args:
            kept: The multiplier kept until then.
            booked_cents: Expected cost of the contacts decided on in those days.
            days: Number of those days.
            days_in_month: Days of the month.
            limit_cents: The month's budget as it is now.
            limit_before_cents: The budget that `kept` was meant for; a budget that was raised or
                lowered moves the multiplier at once, by as much as it moves the start.
            expected_cents: Spent and expected to be spent of that month's budget by the end of
                those days. Where nothing was left, nothing spent does not say that less was wanted.
        """
        moved = self.start(limit_cents) - self.start(limit_before_cents)
        due = limit_cents / days_in_month
        over = booked_cents / due - days if due > 0 else 0.0
        over = min(over, self.rule.most_overspend * days)
        if expected_cents >= _USED_UP * limit_cents:
            over = max(over, 0.0)
        return max(kept + moved + self.rule.step * over, 0.0)

    def in_force(self, kept: float, today: Day) -> float:
        """Return the multiplier of a day: the one kept, corrected for what is still unspent."""
        if today.limit_cents <= 0:
            return kept
        time_left = (today.days - today.day + 1) / today.days
        money_left = max(1.0 - today.expected_cents / today.limit_cents, 1e-6)
        most = self.rule.most_correction
        factor = np.clip((time_left / money_left) ** self.rule.correction, 1.0 / most, most)
        return kept * float(factor)
