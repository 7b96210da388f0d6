"""The Lagrangian upper bound on any policy's value from a day on, and the prices that attain it.

Relaxing each month's budget and each day's capacity at prices lambda_m, mu_t >= 0 splits the
problem by customer, and any prices give a bound: g = sum_i J_i + sum_m lambda_m B_m + sum_t mu_t
K_t (weakly coupled Markov decision processes: Hawkins 2003; Adelman and Mersereau 2008). Contacts
belong to the month of their day. The constraints are meant in expectation, so the bound holds for
every policy that keeps them, surely or on average.

Of each customer's problem the following is relaxed; nothing of it takes value from any policy.

- Of refused contacts only the latest one's day is remembered, and of up to three before it how long
  before, rounded up (`timing.Timing`); the latest is forgotten once it raises no hazard and takes
  next to nothing off acceptance. Contacts longer ago, or fewer, leave no lower acceptance
  (`contact_fatigue`, `recency_penalty` >= 0; of the acceptance model's log-odds the most over so
  many contacts or more is taken) and no higher hazard (`disturbance` >= 0), and bar no contact. By induction over days a customer in the relaxed
  state is worth no less: an acceptance leads both to the same state; a refusal costs money and
  leads to the worst state there is, so where an acceptance would be worse still than a refusal, not
  to contact is best. What was forgotten on the first day of refusals before it is in the customer's
  worth under no further contact, against which values count; it is added (`start.Start.ahead`).
- So the fatigue cap counts remembered contacts only.
- With a daily capacity, a contact may be made on every working day within a delay of a day on which
  the customer is asked about; without one, on the first that the cooldown allows, as served. Who
  can't be contacted for the rest after an acceptance may be so then, whenever asked about.
- Outcomes are known at once, leaving and hidden responsiveness too: more is known.
- While an offer binds beyond the rest after it (`effect_days` > `accepted_rest_days`) the cooldown
  is kept, but recency forgotten.
- The tail is closed: nobody is contacted after the last day, whatever the policy.

What an account charges to the month after (`Account.accepted`) lets a run spend that much more in
the first of the two; it can exceed the bound by no more than the multiplier times that amount.
"""

from dataclasses import dataclass

import numpy as np
from scipy.optimize import linprog

from churnsaver_assets.decision.planning.programmes import CustomerProgrammes
from churnsaver_assets.decision.simulator.dynamics import Dynamics
from churnsaver_serving.runtime.arrays import Bools, Floats


@dataclass(frozen=True, slots=True)
class LagrangianBound:
    """An upper bound; USD, per customer of the simulation's first day, over no further contact.

    Attributes:
        value: The upper bound: no policy's expected value is above it.
        attained: Value of a random mixture of plans that keeps all constraints in expectation. The
            least upper bound of the relaxed problem lies between `attained` and `value`.
        by_member: Each member's own part of the value, prices paid, USD, shape (N,).
        multipliers: Price of a dollar of each month at `value`, dollars, shape (M,).
        capacity_multipliers: Price of a contact at `value`, by `pool_days`, USD, shape (P,).
        spend_usd: Expected spend of the mixture by month, shape (M,).
        contacts: Expected contacts of the mixture by day, shape (H,).
        evaluations: Number of times that all programmes were solved for this bound.
    """

    value: float
    attained: float
    by_member: Floats
    multipliers: Floats
    capacity_multipliers: Floats
    spend_usd: Floats
    contacts: Floats
    evaluations: int

    @property
    def gap(self) -> float:
        """Return how far `value` can be above the least upper bound, as a share of it."""
        return 0.0 if self.value <= 0.0 else 1.0 - self.attained / self.value


@dataclass(frozen=True, slots=True)
class _Point:
    """All programmes solved at some prices: value net of them, and what the plan takes.

    Prices and usage are of each month's dollars, then of each pool's contacts.
    """

    prices: Floats
    net: float
    by_member: Floats
    usage: Floats
    contacts: Floats

    @property
    def primal(self) -> float:
        """Return the plan's value, nothing paid for what is shared."""
        return self.net + float(self.prices @ self.usage)

    def dual(self, limits: Floats) -> float:
        """Return the bound at these prices."""
        priced = self.prices > 0.0
        return self.net + float(self.prices[priced] @ limits[priced])


def upper_bound_from(
    dynamics: Dynamics,
    *,
    budget_usd: float,
    daily_capacity: int | None = None,
    group: int | None = None,
    tolerance: float = 1e-3,
) -> LagrangianBound:
    """Find the least upper bound from the dynamics' day on to the calendar's end.

    Args:
        dynamics: The true state; nothing is booked ahead.
        budget_usd: Budget of a calendar month, USD for each customer of the first day; infinity for
            none.
        daily_capacity: Most contacts with a group's customers on a day; None for no limit.
        group: The one group that is bounded; None for the mean of all, each with that budget.
        tolerance: Largest gap, as a share of the bound.
    """
    programmes = CustomerProgrammes(dynamics, group=group, days_fill_up=daily_capacity is not None)
    bounds = UpperBounds(programmes)
    return bounds.at(budget_usd, daily_capacity, tolerance=tolerance)


class UpperBounds:
    """Upper bounds of the same programmes under several limits; each makes the next one quicker.

    Args:
        programmes: The customers' programmes in the true world.
        pool_days: Days that share a price of contacts: a week's capacities are pooled, which
            relaxes little, since a contact may as well be made on the next day. 1 for none.
    """

    def __init__(self, programmes: CustomerProgrammes, *, pool_days: int = 7) -> None:
        self.programmes = programmes
        self._months = int(programmes.month[-1]) + 1
        self._pool = np.arange(programmes.days) // pool_days
        self._found: list[_Point] = []

    def at(
        self,
        budget_usd: float,
        daily_capacity: float | None = None,
        *,
        tolerance: float = 1e-3,
        max_evaluations: int = 150,
        step: float = 0.3,
    ) -> LagrangianBound:
        """Find the least g over prices, by cutting planes.

        Each evaluation of g gives a plan, and the best mixture of plans (a linear programme;
        Dantzig and Wolfe 1960) a lower bound and the prices to look at next, damped towards the
        best ones so far (in-out: Ben-Ameur and Neto 2007), without which the steps would be
        erratic.

        Args:
            budget_usd: Budget of each month, USD for each customer of the first day; infinity for
                none.
            daily_capacity: Most contacts with a group's customers on a day; None for no limit.
            tolerance: Stop when `LagrangianBound.gap` is no larger.
            max_evaluations: Stop after so many; what was reached is still a bound.
            step: Step from the best prices (0) to the linear programme's (1).

        Raises:
            ValueError: No budget or no capacity at all; then nobody gets anything. Or a capacity
                where the programmes are for days that never fill up.
        """
        if not budget_usd > 0.0 or (daily_capacity is not None and not daily_capacity > 0.0):
            raise ValueError(
                f"expected a budget and a capacity > 0, got {budget_usd}, {daily_capacity}"
            )
        if daily_capacity is not None and not self.programmes.days_fill_up:
            raise ValueError("daily_capacity: the programmes leave no room for days that fill up")
        by_day = np.inf if daily_capacity is None else daily_capacity / self.programmes.size
        working = np.bincount(self._pool, weights=self.programmes.working)
        pools = np.where(working > 0, by_day * np.maximum(working, 1), np.inf)
        limits = np.concatenate([np.full(self._months, budget_usd), pools])
        limited = np.isfinite(limits)
        if not self._found:
            self._evaluate(np.zeros(len(limits)))
        # Prices of what has no limit here would make the bound infinite.
        known = [one for one in self._found if not one.prices[~limited].any()]
        best = min(known, key=lambda one: one.dual(limits))
        evaluations = 0
        while True:
            mixture, prices = _mix(self._found, limits, limited)
            attained = float(mixture @ [one.primal for one in self._found])
            value = best.dual(limits)
            if value - attained <= tolerance * max(value, 0.0) or evaluations >= max_evaluations:
                break
            found = self._evaluate((1.0 - step) * best.prices + step * prices)
            evaluations += 1
            best = min(best, found, key=lambda one: one.dual(limits))
        usage = mixture @ np.stack([one.usage for one in self._found])
        return LagrangianBound(
            value=value,
            attained=attained,
            by_member=best.by_member,
            multipliers=best.prices[: self._months],
            capacity_multipliers=best.prices[self._months :],
            spend_usd=usage[: self._months],
            contacts=mixture @ np.stack([one.contacts for one in self._found]),
            evaluations=evaluations,
        )

    def _evaluate(self, prices: Floats) -> _Point:
        plan = self.programmes.solve(prices[: self._months], prices[self._months :][self._pool])
        by_member = self.programmes.by_member(plan)
        flow = self.programmes.flow(plan)
        point = _Point(
            prices=prices,
            net=float(by_member.sum()),
            by_member=by_member * self.programmes.size,
            usage=np.concatenate(
                [flow.spend_usd, np.bincount(self._pool, weights=flow.contacts)]
            ),
            contacts=flow.contacts,
        )
        self._found.append(point)
        return point


def _mix(found: list[_Point], limits: Floats, limited: Bools) -> tuple[Floats, Floats]:
    """Find the best mixture of plans and of contacting nobody, and the prices of the limits."""
    usage = np.stack([one.usage[limited] for one in found], axis=1)
    answer = linprog(
        [-one.primal for one in found],
        A_ub=np.concatenate([usage, np.ones((1, len(found)))]),
        b_ub=np.append(limits[limited], 1.0),
        method="highs",
    )
    if not answer.success:
        raise RuntimeError(f"mixing {len(found)} plans failed: {answer.message}")
    prices = np.zeros(len(limits))
    prices[limited] = np.maximum(-np.asarray(answer.ineqlin.marginals)[:-1], 0.0)
    return np.asarray(answer.x), prices
