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
  many contacts or more is taken) and no higher hazard (`disturbance` >= 0), and bar no contact. By
  induction over days a customer in the relaxed state is worth no less: an acceptance leads both to
  the same state; a refusal costs money and leads to a worse state than waiting does, so where an
  acceptance would be worse still, not to contact is best. What was forgotten on the first day of
  refusals before it is in the customer's worth under no further contact, against which values
  count; it is added (`start.Start.ahead`).
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
from scipy.optimize import linprog, minimize

from churnsaver_assets.decision.planning.programmes import CustomerProgrammes
from churnsaver_assets.decision.simulator.dynamics import Dynamics
from churnsaver_serving.runtime.arrays import Floats, Ints

# Step from the best prices (0) to the linear programme's (1).
_STEP = 0.3
_WEEK = 7
_POOLED_TOLERANCE = 5e-3


@dataclass(frozen=True, slots=True)
class LagrangianBound:
    """An upper bound; USD, per customer of the simulation's first day, over no further contact.

    Attributes:
        value: The upper bound: no policy's expected value is above it.
        attained: Value of a random mixture of plans that keeps all constraints in expectation. The
            least upper bound of the relaxed problem lies between `attained` and `value`.
        by_member: Each member's own part of the value, prices paid, USD, shape (N,).
        multipliers: Price of a dollar of each month at `value`, dollars, shape (M,).
        capacity_multipliers: Price of a contact on each day at `value`, USD, shape (H,).
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

    Prices and usage are of each month's dollars, then of each day's contacts.
    """

    prices: Floats
    net: float
    by_member: Floats
    usage: Floats

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
    """

    def __init__(self, programmes: CustomerProgrammes) -> None:
        self.programmes = programmes
        self._months = int(programmes.month[-1]) + 1
        self._found: list[_Point] = []

    def at(
        self,
        budget_usd: float,
        daily_capacity: float | None = None,
        *,
        tolerance: float = 1e-3,
        max_evaluations: int = 120,
    ) -> LagrangianBound:
        """Find the least g over prices.

        By cutting planes: each evaluation of g gives a plan, and the best mixture of plans (a
        linear programme; Dantzig and Wolfe 1960) a lower bound and the prices to look at next,
        damped towards the best ones so far (in-out: Ben-Ameur and Neto 2007), without which the
        steps would be erratic. With a capacity there are as many prices as days; then each week's
        capacities are pooled first, and the days' prices descended upon from there (L-BFGS-B: g is
        all but smooth with many customers).

        Args:
            budget_usd: Budget of each month, USD for each customer of the first day; infinity for
                none.
            daily_capacity: Most contacts with a group's customers on a day; None for no limit.
            tolerance: Stop when `LagrangianBound.gap` is no larger.
            max_evaluations: Stop after so many; what was reached is still a bound.

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
        days = np.where(self.programmes.working, by_day, np.inf)
        limits = np.concatenate([np.full(self._months, budget_usd), days])
        before = len(self._found)
        if not self._found:
            self._evaluate(np.zeros(len(limits)))
        each = np.arange(len(limits))
        if daily_capacity is not None:
            pools = np.append(each[: self._months], self._months + np.arange(len(days)) // _WEEK)
            self._cut(limits, pools, _POOLED_TOLERANCE, max_evaluations // 3)
            self._descend(limits, max_evaluations // 2)
        left = max_evaluations - (len(self._found) - before)
        best, mixture = self._cut(limits, each, tolerance, left)
        usage = mixture @ np.stack([one.usage for one in self._found])
        return LagrangianBound(
            value=best.dual(limits),
            attained=float(mixture @ [one.primal for one in self._found]),
            by_member=best.by_member,
            multipliers=best.prices[: self._months],
            capacity_multipliers=best.prices[self._months :],
            spend_usd=usage[: self._months],
            contacts=usage[self._months :],
            evaluations=len(self._found) - before,
        )

    def _best(self, limits: Floats) -> _Point:
        # Prices of what has no limit here would make the bound infinite.
        free = ~np.isfinite(limits)
        known = [one for one in self._found if not one.prices[free].any()]
        return min(known, key=lambda one: one.dual(limits))

    def _cut(
        self, limits: Floats, pools: Ints, tolerance: float, evaluations: int
    ) -> tuple[_Point, Floats]:
        """Look for the least g by cutting planes; return it and the best mixture of plans.

        Args:
            limits: What is shared.
            pools: Position of the sum that each of it is limited in.
            tolerance: Gap at which to stop.
            evaluations: Most evaluations of g.
        """
        while True:
            best = self._best(limits)
            mixture, prices = _mix(self._found, limits, pools)
            attained = float(mixture @ [one.primal for one in self._found])
            value = best.dual(limits)
            if value - attained <= tolerance * max(value, 0.0) or evaluations <= 0:
                return best, mixture
            self._evaluate((1.0 - _STEP) * best.prices + _STEP * prices)
            evaluations -= 1

    def _descend(self, limits: Floats, evaluations: int) -> None:
        """Look for the least g by its gradient, from the best prices so far."""
        limited = np.isfinite(limits)
        best = self._best(limits).prices
        money = np.arange(len(limits)) < self._months
        scale = np.ones(len(limits))
        for some in (money, ~money):
            priced = best[some & (best > 0.0)]
            scale[some] = priced.mean() if len(priced) else 1.0

        def dual(scaled: Floats) -> tuple[float, Floats]:
            prices = np.zeros(len(limits))
            prices[limited] = scaled * scale[limited]
            point = self._evaluate(prices)
            return point.dual(limits), ((limits - point.usage) * scale)[limited]

        start = (best / scale)[limited]
        minimize(
            dual,
            start,
            jac=True,
            method="L-BFGS-B",
            bounds=[(0.0, None)] * len(start),
            options={"maxfun": evaluations, "maxcor": 20},
        )

    def _evaluate(self, prices: Floats) -> _Point:
        plan = self.programmes.solve(prices[: self._months], prices[self._months :])
        by_member = self.programmes.by_member(plan)
        flow = self.programmes.flow(plan)
        point = _Point(
            prices=prices,
            net=float(by_member.sum()),
            by_member=by_member * self.programmes.size,
            usage=np.concatenate([flow.spend_usd, flow.contacts]),
        )
        self._found.append(point)
        return point


def _mix(found: list[_Point], limits: Floats, pools: Ints) -> tuple[Floats, Floats]:
    """Find the best mixture of plans and of contacting nobody, and the prices of the limits."""
    limited = np.flatnonzero(np.isfinite(limits))
    sums, row = np.unique(pools[limited], return_inverse=True)
    usage = np.zeros((len(sums), len(found)))
    np.add.at(usage, row, np.stack([one.usage[limited] for one in found], axis=1))
    most = np.bincount(row, weights=limits[limited], minlength=len(sums))
    answer = linprog(
        [-one.primal for one in found],
        A_ub=np.concatenate([usage, np.ones((1, len(found)))]),
        b_ub=np.append(most, 1.0),
        method="highs",
    )
    if not answer.success:
        raise RuntimeError(f"mixing {len(found)} plans failed: {answer.message}")
    prices = np.zeros(len(limits))
    prices[limited] = np.maximum(-np.asarray(answer.ineqlin.marginals)[:-1], 0.0)[row]
    return np.asarray(answer.x), prices
