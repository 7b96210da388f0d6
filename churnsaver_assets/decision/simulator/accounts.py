"""Accounts of what a group of customers shares: a budget in whole cents and each day's capacity."""

from itertools import pairwise

import numpy as np

from churnsaver_assets.decision.simulator.settlement import settle
from churnsaver_serving.runtime.arrays import Bools, Floats, Ints
from churnsaver_serving.runtime.value import whole_cents


class Accounts:
    """Budgets and capacities of G groups. What is committed never exceeds a budget.

    A contact made on the day it is decided is settled at its true price before the next one is
    looked at. One for later commits the most it can cost, and settles when it is made or when the
    customer has left.

    Args:
        budget_usd: Budget of each group, shape (G,); infinity for none.
        daily_capacity: Most contacts of a group on a day; None for no limit.
        days: Number of days on which contacts may fall.
    """

    def __init__(self, budget_usd: Floats, daily_capacity: int | None, days: int) -> None:
        self._cents = whole_cents(budget_usd)
        free = np.inf if daily_capacity is None else float(daily_capacity)
        self._free = np.full((len(budget_usd), days), free)

    @property
    def remaining_usd(self) -> Floats:
        """Return budgets less everything spent and committed, shape (G,)."""
        return self._cents / 100.0

    def settle_commitments(self, group: Ints, reserve_usd: Floats, price_usd: Floats) -> None:
        """Settle contacts decided earlier: give back the money committed beyond their price.

        Args:
            group: Group of each contact, shape (n,).
            reserve_usd: Money committed to each contact, shape (n,).
            price_usd: Price of each contact, shape (n,).
        """
        self._give_back(group, np.round(100.0 * reserve_usd) - np.round(100.0 * price_usd))

    def cancel(self, group: Ints, day: Ints, reserve_usd: Floats) -> None:
        """Cancel contacts to come: give back money and capacity.

        Args:
            group: Group of each contact, shape (n,).
            day: Day of each contact, shape (n,).
            reserve_usd: Money committed to each contact, shape (n,).
        """
        self._give_back(group, np.round(100.0 * reserve_usd))
        np.add.at(self._free, (group, day), 1.0)

    def serve(self, group: Ints, day: Ints, reserve_usd: Floats, price_usd: Floats) -> Bools:
        """Return which contacts money and capacity allow; those are paid for and booked.

        Args:
            group: Group of each contact, ascending; within a group, contacts in order of priority,
                shape (n,).
            day: Day of each contact, shape (n,).
            reserve_usd: Most that each contact can cost, shape (n,).
            price_usd: Price to pay now, shape (n,).
        """
        allowed = np.zeros(len(group), dtype=np.bool_)
        bounds = np.searchsorted(group, np.arange(len(self._cents) + 1))
        for one, (start, stop) in enumerate(pairwise(bounds)):
            if start == stop:
                continue
            at = slice(start, stop)
            settled = settle(
                reserve_usd[at],
                price_usd[at],
                self._cents[one] / 100.0,
                day=day[at],
                free=self._free[one],
            )
            self._cents[one] = np.round(100.0 * settled.remaining_usd)
            allowed[at] = settled.allowed
        np.subtract.at(self._free, (group[allowed], day[allowed]), 1.0)
        return allowed

    def _give_back(self, group: Ints, cents: Floats) -> None:
        self._cents += np.bincount(group, weights=cents, minlength=len(self._cents))
