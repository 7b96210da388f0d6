"""The relaxed programme of each single customer, solved for many at once as arrays.

With prices on what customers share (each month's dollars, each day's contacts) the decision problem
falls apart into one small programme for each customer (Hawkins 2003; Adelman and Mersereau 2008).
The state is the day of the latest contact, if it was refused and is still remembered; see `bound`
for what is relaxed and why no policy loses by it.
"""

from dataclasses import dataclass

import numpy as np

from churnsaver_assets.decision.planning.plan import Followed, Plan
from churnsaver_assets.decision.planning.start import start_of
from churnsaver_assets.decision.planning.states import States
from churnsaver_assets.decision.planning.tables import tabulate
from churnsaver_assets.decision.planning.timing import Timing
from churnsaver_assets.decision.simulator.dynamics import Dynamics
from churnsaver_serving.runtime.arrays import Floats, Ints


@dataclass(frozen=True, slots=True)
class Flow:
    """Expected spend and contacts of a plan, on each customer of the first day.

    Attributes:
        spend_usd: Expected spend on contacts and accepted discounts, by month, shape (M,).
        contacts: Expected contacts by day, shape (H,).
    """

    spend_usd: Floats
    contacts: Floats


class CustomerProgrammes:
    """The programmes of the customers of a simulation from its day on.

    Args:
        dynamics: The true state on the first day; nothing may be booked ahead.
        group: The one group that is bounded; None for the mean of all.
        days_fill_up: Whether a daily capacity may move contacts on to later days.
        dtype: Precision. Single precision costs some 1e-6 of the value.

    Attributes:
        size: Number of customers of the simulation's first day, which means are over.
        members: Number of customers, newcomers included, N.
        days: Number of days, H.
        days_fill_up: As given.
        month: Position of each day's month among the months, shape (H,).
        working: Whether contacts are made on each day, shape (H,).
    """

    def __init__(
        self,
        dynamics: Dynamics,
        *,
        group: int | None = None,
        days_fill_up: bool = False,
        dtype: type[np.floating] = np.float32,
    ) -> None:
        self.size = dynamics.population.first
        self.members = len(dynamics.population)
        self._timing = Timing.of(dynamics)
        self.days, self.working = self._timing.days, self._timing.working
        self.month: Ints = np.unique(
            dynamics.setting.calendar.months[dynamics.day :], return_inverse=True
        )[1]
        rows = np.arange(dynamics.size)
        groups = dynamics.groups
        if group is not None:
            rows, groups = rows[dynamics.group == group], 1
        # Groups that are alike share their members' tables.
        shared = dynamics.alike and not dynamics.responsiveness.any()
        stands = np.arange(self.members) if shared else rows
        customer = dynamics.member[rows] if shared else np.arange(len(rows))
        self._states = [States.of(self._timing, day) for day in range(self.days)]
        self._tables = tabulate(dynamics, self._timing, stands, dtype)
        self._start = start_of(
            dynamics,
            self._timing,
            self._tables,
            rows=rows,
            customer=customer,
            each=1.0 / (groups * self.size),
        )
        self.days_fill_up = days_fill_up
        self._member = dynamics.member[stands]

    def solve(self, multipliers: Floats, capacity_multipliers: Floats | None = None) -> "Plan":
        """Solve by backward induction at prices.

        Args:
            multipliers: Price of a dollar of each month, shape (M,), >= 0.
            capacity_multipliers: Price of a contact on each day, USD, shape (H,), >= 0; none where
                left out.
        """
        dollars = np.asarray(multipliers, dtype=np.float64)[self.month]
        charge = np.zeros(self.days) if capacity_multipliers is None else capacity_multipliers
        plan = Plan(
            self._timing,
            self._tables,
            self._start,
            self._states,
            dollars,
            charge,
            days_fill_up=self.days_fill_up,
        )
        for day in range(self.days - 1, -1, -1):
            plan.step_back(day)
        return plan

    def by_member(self, plan: "Plan") -> Floats:
        """Return each member's part of a plan's value, USD, shape (N,); its sum is the value."""
        result: Floats = np.bincount(
            self._member, weights=plan.values(), minlength=self.members
        ).astype(np.float64)
        return result

    def flow(self, plan: "Plan") -> Flow:
        """Follow a plan from its first day on."""
        spend, contacts = Followed(plan).run()
        months = int(self.month[-1]) + 1
        by_month = np.bincount(self.month, weights=spend, minlength=months).astype(np.float64)
        return Flow(by_month, contacts)
