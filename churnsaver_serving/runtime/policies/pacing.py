"""Pacing: the day's prices of money and of places, moved by what was booked against what was due.

The multiplier is what a dollar of budget is worth in dollars of value (the Lagrange multiplier of
the budget). Dual descent moves it each day by a small step in proportion to the relative overspend
of the day before (Balseiro and Gur 2019; Balseiro, Lu and Mirrokni 2020). It forecasts no arrivals,
so it holds whether customers are asked about daily or once a month.

A day's places have a price too, in dollars: the same descent, on contacts booked against places.
Without it the days fill up with whoever is asked about first, and who is worth more waits.
"""

from collections.abc import Collection
from typing import Annotated

import msgspec
import numpy as np
from msgspec import Meta

PACING_FILE = "pacing.json"

ASKED_DAYS = 28
"""Days back in which requests are counted, to see how often customers are asked about."""
_MONTH_DAYS = 30.0

# Share of a budget that buys no more than a contact: with so little left it is used up.
_USED_UP = 0.015


class PacingError(ValueError):
    """A pacing file that contradicts itself; names the field."""


class Start(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Multipliers to begin with, one for each of the budgets that a rule knows, not ascending.

    Attributes:
        multipliers: Where every customer is asked about daily.
        monthly_multipliers: Where every customer is asked about once a month.
    """

    multipliers: tuple[float, ...]
    monthly_multipliers: tuple[float, ...]


class PacingRule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The numbers that pacing goes by.

    Attributes:
        budgets_usd: Monthly budgets per customer, USD, ascending.
        start: Where the multiplier begins at each of them; between them it is interpolated.
        step: Change of the multiplier for a day's due spent above or below what was due.
        correction: Power of the ratio of time left to money left in the month by which the
            multiplier in force is below the one that is kept, where there is more money than time:
            what is unspent makes contacts cheaper towards the month's end.
        most_correction: Largest factor by which it is below, >= 1.
        capacity_step_usd: Change of the price of a place, USD, for a day's places booked above or
            below those that a day brings.
        waiting_share: Share of the contacts that wait for a later day which counts as booked once
            more on each day: what it costs to let customers wait is not in the count of bookings.
        scarce_step: The step downwards while places have a price: what the days have no room to
            spend is left over at any price near the start, which knows no limit on places.
        own_starts: Where policies begin for which that is known, by name: what one spends at a
            price another does not.
        most_overspend: Days' dues by which a day counts as overspent at most: a day on which a
            backlog of customers is asked about says little of the days to come.
    """

    budgets_usd: tuple[float, ...]
    start: Start
    step: Annotated[float, Meta(ge=0)]
    correction: Annotated[float, Meta(ge=0)]
    most_correction: Annotated[float, Meta(ge=1)]
    most_overspend: Annotated[float, Meta(gt=0)]
    capacity_step_usd: Annotated[float, Meta(ge=0)]
    waiting_share: Annotated[float, Meta(ge=0)]
    scarce_step: Annotated[float, Meta(ge=0)]
    own_starts: dict[str, Start] = {}

    def __post_init__(self) -> None:
        """Refuse a start that isn't monotone."""
        budgets = list(self.budgets_usd)
        if not budgets or budgets != sorted(set(budgets)):
            raise PacingError(f"budgets_usd: expected distinct ascending numbers, got {budgets}")
        for place, start in {"start": self.start, **self.own_starts}.items():
            for name in ("multipliers", "monthly_multipliers"):
                found, at = list(getattr(start, name)), f"{place}.{name}"
                if len(found) != len(budgets):
                    raise PacingError(
                        f"{at}: expected one for each of {len(budgets)} budgets, got {found}"
                    )
                if found != sorted(found, reverse=True) or found[-1] < 0:
                    raise PacingError(f"{at}: expected numbers >= 0, not ascending, got {found}")


class Day(msgspec.Struct, frozen=True):
    """A day's position in its month, and the month's money.

    Attributes:
        day: Day of the month, 1 for the first.
        days: Days of the month.
        limit_cents: The month's budget.
        expected_cents: Spent and expected to be spent so far.
        first: Day of the month on which pacing began; 1 where it did before this month. Who begins
            in mid-month has not been slow with the money.
    """

    day: int
    days: int
    limit_cents: int
    expected_cents: int
    first: int = 1


class Basis(msgspec.Struct, frozen=True):
    """What a multiplier is meant for.

    Attributes:
        limit_cents: The month's budget.
        asked_every_days: Days between two questions about the same customer, on average.
        policy: Name of the policy that is served.
    """

    limit_cents: int
    asked_every_days: float = 1.0
    policy: str = ""


class Since(msgspec.Struct, frozen=True):
    """The days since the prices were last set, and what was booked in them.

    Attributes:
        days: Number of those days.
        days_in_month: Days of the month.
        month_ended: Whether a month ended with them. What its price had to come down to for its
            money to be spent is where the next one begins.
        in_force: The multiplier in force in them.
        capacity_price_usd: The price of a place in them.
        booked_cents: Expected cost of the contacts decided on.
        remaining_cents: What could still be committed of that month's budget at their end. Where
            nothing could, nothing booked says that more was wanted than the price let through, and
            customers wait for the money.
    """

    days: int
    days_in_month: int
    month_ended: bool
    in_force: float
    capacity_price_usd: float
    booked_cents: int
    remaining_cents: int


class Places(msgspec.Struct, frozen=True):
    """Contacts of some days against the places that there are.

    Attributes:
        a_day: Places that a calendar day brings on average; None for no limit.
        booked: Contacts decided on in those days, whichever day they are for.
        waiting: Contacts booked for days after today.
    """

    a_day: float | None
    booked: int
    waiting: int


def places_a_day(daily_capacity: int | None, contact_weekdays: Collection[str]) -> float | None:
    """Return the places that a calendar day brings on average; None for no limit."""
    return None if daily_capacity is None else daily_capacity * len(contact_weekdays) / 7.0


class Pacing:
    """A controller of the multiplier and of the price of a place.

    Args:
        rule: The numbers it goes by.
        customers: Number of customers that the budget is meant for.
    """

    def __init__(self, rule: PacingRule, customers: int) -> None:
        self.rule = rule
        self._customers = customers

    def start(self, basis: Basis) -> float:
        """Return the multiplier to begin with."""
        budget = basis.limit_cents / 100.0 / self._customers
        start = self.rule.own_starts.get(basis.policy, self.rule.start)
        daily, monthly = (
            float(np.interp(budget, self.rule.budgets_usd, multipliers))
            for multipliers in (start.multipliers, start.monthly_multipliers)
        )
        share = float(np.clip(np.log(basis.asked_every_days) / np.log(_MONTH_DAYS), 0.0, 1.0))
        return (1.0 - share) * daily + share * monthly

    def asked_every_days(self, decisions: int, days: int) -> float:
        """Return the days between two questions about a customer, from the requests of some days.

        Args:
            decisions: Number of requests in those days.
            days: Number of days, `ASKED_DAYS` at most; 0 where there are none yet.
        """
        if decisions <= 0 or days <= 0:
            return 1.0
        return max(self._customers * days / decisions, 1.0)

    def next(self, kept: float, since: Since, *, basis: Basis, before: Basis) -> float:
        """Return the multiplier to keep after some days.

        Args:
            kept: The multiplier kept until then.
            since: What happened in those days.
            basis: Budget, policy, and how often customers are asked about, as they are now.
            before: The same as `kept` was meant for. What differs moves the multiplier at once, by
                as much as it moves the start: a budget that was raised counts from now on.
        """
        if since.month_ended:
            kept = min(kept, since.in_force)
        moved = self.start(basis) - self.start(before)
        due = basis.limit_cents / since.days_in_month
        over = since.booked_cents / due - since.days if due > 0 else 0.0
        over = min(over, self.rule.most_overspend * since.days)
        if due > 0 and since.remaining_cents <= _USED_UP * basis.limit_cents:
            over = float(since.days)
        scarce = since.capacity_price_usd > 0.0 and over < 0.0
        step = self.rule.scarce_step if scarce else self.rule.step
        return max(kept + moved + step * over, 0.0)

    def next_capacity_price(self, price_usd: float, places: Places, days: int) -> float:
        """Return the price of a place after some days, USD; it begins at 0.

        Args:
            price_usd: The price until then.
            places: Contacts of those days against places.
            days: Number of those days.
        """
        if not places.a_day:
            return 0.0
        wanted = places.booked + self.rule.waiting_share * places.waiting * days
        over = min(wanted / places.a_day - days, self.rule.most_overspend * days)
        return max(price_usd + self.rule.capacity_step_usd * over, 0.0)

    def in_force(self, kept: float, today: Day) -> float:
        """Return the multiplier of a day: the one kept, lowered for what is still unspent.

        Money that went early raises nothing: a backlog is worth what it costs whenever it is asked
        about, and a higher price afterwards only leaves the rest of the month without contacts.
        """
        if today.limit_cents <= 0:
            return kept
        time_left = (today.days - today.day + 1) / (today.days - today.first + 1)
        money_left = max(1.0 - today.expected_cents / today.limit_cents, 1e-6)
        most = self.rule.most_correction
        factor = np.clip((time_left / money_left) ** self.rule.correction, 1.0 / most, 1.0)
        return kept * float(factor)
