"""A group of customers in service: its money, its places in a day, its prices and its belief."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date

import numpy as np

from churnsaver_serving.runtime.arrays import Floats
from churnsaver_serving.runtime.engine.choice import SharedLimits
from churnsaver_serving.runtime.limits.account import Account, settle
from churnsaver_serving.runtime.policies.pacing import Basis, Pacing, Places, places_a_day
from churnsaver_serving.runtime.world.belief import SIGNALS, Tally


@dataclass(slots=True)
class Group:
    """The state that a ledger keeps for all of its customers together.

    Attributes:
        limit_cents: Budget of a month.
        kept: The multiplier that pacing keeps from day to day.
        basis: What it is meant for.
        accounts: Accounts by month.
        free: Places left by day, ordinals; a day nobody was booked for yet is not in it.
        began: The date on which prices were first set.
        paced_on: The day for which the prices were last set, counted from the start.
        booked_cents: Expected cost of what was booked since then.
        booked: Contacts booked since then.
        multiplier: The multiplier in force.
        capacity_price_usd: The price of a place.
        belief: The belief that policies are told, shape (3,).
        carried_cents: Amount charged to following months so far.
        tallies: Observed and expected counts by month.
    """

    limit_cents: int
    kept: float
    basis: Basis
    accounts: dict[int, Account] = field(default_factory=dict)
    free: dict[int, int] = field(default_factory=dict)
    began: date | None = None
    paced_on: int | None = None
    booked_cents: int = 0
    booked: int = 0
    multiplier: float = 0.0
    capacity_price_usd: float = 0.0
    belief: Floats = field(default_factory=lambda: np.zeros(len(SIGNALS)))
    carried_cents: int = 0
    tallies: dict[int, Tally] = field(default_factory=dict)

    @classmethod
    def beginning(cls, limit_cents: int, pacing: Pacing, policy: str) -> "Group":
        """Return a group of which nobody was asked about yet, served by a policy of that name."""
        basis = Basis(limit_cents, policy=policy)
        return cls(limit_cents, pacing.start(basis), basis)

    def account(self, month: int) -> Account:
        """Return a month's account; it is opened where there is none."""
        return self.accounts.setdefault(month, Account(self.limit_cents))

    def settle(self, month: int, account: Account, carried: int) -> None:
        """Put an account in its place, and charge what it can't bear to the months that follow."""
        for at, (changed, onward) in settle(self.account, month, account, carried).items():
            self.accounts[at] = changed
            self.carried_cents += onward

    def places(
        self, daily_capacity: int | None, contact_weekdays: tuple[str, ...], today: int
    ) -> Places:
        """Return the contacts booked since the prices were set, against the days' places.

        Args:
            daily_capacity: Most contacts on a day; None for no limit.
            contact_weekdays: Days of the week with contacts.
            today: The day, an ordinal.
        """
        waiting = 0
        if daily_capacity is not None:
            waiting = sum(daily_capacity - free for day, free in self.free.items() if day > today)
        return Places(places_a_day(daily_capacity, contact_weekdays), self.booked, waiting)

    def shared(
        self,
        months: Iterable[int],
        days: Iterable[int],
        *,
        daily_capacity: int | None,
        deviations: float,
    ) -> SharedLimits:
        """Return money and places that a day's decisions share.

        Args:
            months: Months in which contacts may fall.
            days: Days on which contacts may fall, ordinals.
            daily_capacity: Most contacts on a day; None for no limit.
            deviations: Standard deviations of cost that are reserved.
        """
        free = {}
        if daily_capacity is not None:
            free = {day: self.free.get(day, daily_capacity) for day in days}
        accounts = {month: self.account(month) for month in months}
        return SharedLimits(accounts=accounts, free=free, deviations=deviations)

    def tally(self, month: int) -> Tally:
        """Return a month's counts; they are begun where there are none."""
        return self.tallies.setdefault(month, Tally.empty())

    def count(self, month: int, signal: str, observed: float, expected: float) -> None:
        """Add to a month's counts of a signal."""
        tally, column = self.tally(month), SIGNALS.index(signal)
        tally.observed[0, column] += observed
        tally.expected[0, column] += expected

    def belief_in(self, month: int) -> Floats:
        """Return the belief from the counts of a month and the one before, shape (3,)."""
        counts = [self.tallies[one] for one in (month - 1, month) if one in self.tallies]
        if not counts:
            return np.zeros(len(SIGNALS))
        both = Tally(
            np.sum([one.observed for one in counts], axis=0),
            np.sum([one.expected for one in counts], axis=0),
        )
        result: Floats = both.belief()[0]
        return result
