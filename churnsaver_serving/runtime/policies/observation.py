"""Observations: all that a policy sees of customers, in the simulator and in the API alike."""

from dataclasses import dataclass, fields, replace

from churnsaver_serving.runtime.arrays import Bools, Floats, Ints
from churnsaver_serving.runtime.world.assumptions import World


@dataclass(frozen=True, slots=True)
class Observation:
    """All that a policy sees of n customers, each on the day of a possible contact.

    That day is the first on which the rules allow one. Nothing here knows the calendar: the month
    is in the multiplier alone.

    Attributes:
        risk: Calibrated probability to leave within a month, now and at each later one of
            `effects.RISK_MONTHS`, as the risk model scores the customer grown older, shape (n, M).
        p_accept: Probability of accepting each offer on that day, shape (n, O).
        monthly_charge_usd: Monthly charge, USD, shape (n,).
        wait_days: Days until that day, shape (n,).
        days_since_contact: Days from the latest contact to that day, shape (n,); infinity for
            never.
        contacts_in_window: Contacts within the fatigue window, shape (n,).
        multiplier: Worth of a dollar of budget now, beyond itself, shape (n,); see `pacing`.
        capacity_price_usd: Worth of a place in a day's capacity now, USD, shape (n,); see `pacing`.
        belief: Log ratios of what was observed over what was expected, shape (n, 3); see `belief`.
        offers_pct: The offers, percent, length O.
        world: The declared effects, as the policy believes them.
    """

    risk: Floats
    p_accept: Floats
    monthly_charge_usd: Floats
    wait_days: Floats
    days_since_contact: Floats
    contacts_in_window: Floats
    multiplier: Floats
    capacity_price_usd: Floats
    belief: Floats
    offers_pct: tuple[int, ...]
    world: World

    def __len__(self) -> int:
        return len(self.risk)

    @property
    def p_churn(self) -> Floats:
        """Return the probability to leave within a month as of now, shape (n,)."""
        now: Floats = self.risk[:, 0]
        return now

    def price_usd(self, cost: Floats) -> Floats:
        """Return what contacts take beyond their cost: of the budget and of a day's places, USD.

        Args:
            cost: Expected cost of each offer, USD, shape (n, O).
        """
        return self.multiplier[:, None] * cost + self.capacity_price_usd[:, None]

    def rows(self, at: slice | Bools | Ints) -> "Observation":
        """Return the observation of some of the customers."""
        return replace(self, **{name: getattr(self, name)[at] for name in _BY_ROW})


_BY_ROW = tuple(
    field.name for field in fields(Observation) if field.name not in {"offers_pct", "world"}
)
