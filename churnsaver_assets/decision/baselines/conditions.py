"""Conditions that baselines are tuned to: those of the table that shows them."""

from typing import Self

import msgspec

from churnsaver_assets.decision.play.served import ServedConditions
from churnsaver_assets.decision.simulator.arrivals import Arrival
from churnsaver_serving.runtime.limits.rules import Rules


class Conditions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The conditions of a business, for any number of customers.

    Attributes:
        arrival: The arrival pattern.
        budget_usd: Budget of a calendar month, USD for each customer of the first day.
        daily_contacts: Most contacts on a day, as a share of those customers; None for no limit.
    """

    arrival: Arrival
    budget_usd: float
    daily_contacts: float | None = None

    @classmethod
    def of(cls, arrival: Arrival, rules: Rules) -> Self:
        """Return what a release's own rules say, under an arrival pattern."""
        return cls(
            arrival, rules.budget_usd / rules.customers, rules.daily_capacity / rules.customers
        )

    def served(self, customers: int) -> ServedConditions:
        """Return the conditions that a business with so many customers serves under."""
        capacity = None
        if self.daily_contacts is not None:
            capacity = max(round(self.daily_contacts * customers), 1)
        return ServedConditions(self.budget_usd, capacity)
