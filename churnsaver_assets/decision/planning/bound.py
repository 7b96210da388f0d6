"""The Lagrangian upper bound on any policy's value under shared constraints.

Relaxing budget and daily capacity at prices >= 0 splits the problem by customer, and any prices
give a bound: g(lambda, mu) = sum_i J_i(lambda, mu) + lambda B + sum_t mu_t K_t (weakly coupled
Markov decision processes: Hawkins 2003; Adelman and Mersereau 2008). The constraints are meant in
expectation here, so the bound holds for every policy that keeps them, surely or on average.
"""

from dataclasses import dataclass

import numpy as np
from scipy.optimize import linprog

from churnsaver_assets.decision.planning.dynamic_programme import CustomerProgrammes
from churnsaver_serving.runtime.arrays import Floats


@dataclass(frozen=True, slots=True)
class LagrangianBound:
    """An upper bound; money in USD per customer, values over doing nothing.

    Attributes:
        value: The upper bound: no policy's expected value is above it.
        attained: Value of a random mixture of plans that keeps all constraints in expectation. The
            least upper bound lies between `attained` and `value`.
        multiplier: Price of a dollar of budget at `value`, dollars.
        capacity_multipliers: Price of a contact on each day at `value`, USD, shape (T,).
        spend: Expected spend of the mixture.
        contacts_by_day: Expected contacts of the mixture, shape (T,).
        evaluations: Number of times that all programmes were solved.
    """

    value: float
    attained: float
    multiplier: float
    capacity_multipliers: Floats
    spend: float
    contacts_by_day: Floats
    evaluations: int

    @property
    def gap(self) -> float:
        """Return how far `value` can be above the least upper bound, as a share of it."""
        return 0.0 if self.value <= 0.0 else 1.0 - self.attained / self.value


@dataclass(frozen=True, slots=True)
class _DualPoint:
    """All programmes solved at some prices, per customer: dual value, and what the plan takes."""

    prices: Floats
    dual: float
    primal: float
    usage: Floats
    contacts: Floats
    spend: float


def upper_bound(
    programmes: CustomerProgrammes,
    *,
    budget_per_customer: float,
    daily_capacity: float | None = None,
    tolerance: float = 1e-4,
    max_evaluations: int = 300,
    step: float = 0.3,
) -> LagrangianBound:
    """Find the least g over prices, by cutting planes.

    Each evaluation of g gives a plan, and the best mixture of plans (a linear programme; Dantzig
    and Wolfe 1960) a lower bound and the prices to look at next, damped towards the best ones so
    far (in-out: Ben-Ameur and Neto 2007), without which the steps would be erratic.

    Args:
        programmes: Programmes of the n customers in the true world, hidden responsiveness included
            where there is any; then the bound holds for an oracle too, hence for everybody.
        budget_per_customer: Budget, USD; infinity for none.
        daily_capacity: Most contacts with the n customers on a day; None for no limit.
        tolerance: Stop when `LagrangianBound.gap` is no larger.
        max_evaluations: Stop after so many; what was reached is still a bound.
        step: Step from the best prices (0) to the linear programme's (1).

    Raises:
        ValueError: No budget or no capacity at all; then nobody gets anything.
    """
    if not budget_per_customer > 0.0 or (daily_capacity is not None and not daily_capacity > 0.0):
        raise ValueError(
            f"expected a budget and a capacity > 0, got {budget_per_customer}, {daily_capacity}"
        )
    shared = _Shared(programmes, budget_per_customer, daily_capacity)
    found = [shared.evaluate(np.zeros(len(shared.limits)))]
    best = found[0]
    while True:
        mixture, prices = _mix(found, shared.limits)
        attained = float(mixture @ [one.primal for one in found])
        enough = best.dual - attained <= tolerance * max(best.dual, 0.0)
        if enough or len(found) >= max_evaluations:
            break
        found.append(shared.evaluate((1.0 - step) * best.prices + step * prices))
        best = min(best, found[-1], key=lambda one: one.dual)
    multiplier, capacity = shared.split(best.prices)
    return LagrangianBound(
        value=best.dual,
        attained=attained,
        multiplier=multiplier,
        capacity_multipliers=capacity,
        spend=float(mixture @ [one.spend for one in found]),
        contacts_by_day=mixture @ np.stack([one.contacts for one in found]),
        evaluations=len(found),
    )


class _Shared:
    """The priced constraints, per customer: the budget where finite, then the contact days'."""

    def __init__(
        self, programmes: CustomerProgrammes, budget: float, daily_capacity: float | None
    ) -> None:
        self._programmes = programmes
        self._money = bool(np.isfinite(budget))
        self._days = programmes.contact_days.days if daily_capacity is not None else None
        self.limits: Floats = np.array([budget] if self._money else [])
        if self._days is not None and daily_capacity is not None:
            by_day = np.full(len(self._days), daily_capacity / programmes.size)
            self.limits = np.concatenate([self.limits, by_day])

    def split(self, prices: Floats) -> tuple[float, Floats]:
        """Return the multiplier of a dollar, and those of a contact on each day, shape (T,)."""
        capacity = np.zeros(self._programmes.days)
        if self._days is not None:
            capacity[self._days] = prices[int(self._money) :]
        return float(prices[0]) if self._money else 0.0, capacity

    def evaluate(self, prices: Floats) -> _DualPoint:
        """Solve at these prices; the plan's use of each constraint is in the order of `limits`."""
        n = self._programmes.size
        plan = self._programmes.solve(*self.split(prices))
        flow = plan.flow()
        spend, contacts = float(flow.spend_usd.sum()) / n, flow.contacts / n
        usage = np.concatenate(
            [
                [spend] if self._money else [],
                contacts[self._days] if self._days is not None else [],
            ]
        )
        value = float(plan.value.mean())
        return _DualPoint(
            prices=prices,
            dual=value + float(prices @ self.limits),
            primal=value + float(prices @ usage),
            usage=usage,
            contacts=contacts,
            spend=spend,
        )


def _mix(found: list[_DualPoint], limits: Floats) -> tuple[Floats, Floats]:
    """Find the best mixture of plans and of contacting nobody, and the prices of the limits."""
    whole = np.ones((1, len(found)))
    answer = linprog(
        [-one.primal for one in found],
        A_ub=np.concatenate([np.stack([one.usage for one in found], axis=1), whole]),
        b_ub=np.append(limits, 1.0),
        method="highs",
    )
    if not answer.success:
        raise RuntimeError(f"mixing {len(found)} plans failed: {answer.message}")
    return np.asarray(answer.x), -np.asarray(answer.ineqlin.marginals)[:-1]
