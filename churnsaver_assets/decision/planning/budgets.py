"""The budgets that policies are compared at, with the upper bound at each of them."""

import msgspec
import numpy as np

from churnsaver_assets.decision.planning.bound import LagrangianBound, upper_bound
from churnsaver_assets.decision.planning.dynamic_programme import CustomerProgrammes
from churnsaver_assets.decision.planning.occupation_lp import occupation_optimum
from churnsaver_assets.decision.simulator.setting import Setting
from churnsaver_assets.experiments.evaluation_spec import BudgetsSpec

# Contacts a day and customer, in expectation, in the certificate: few enough to bind.
_CERTIFIED_CONTACTS = 0.1


class BudgetBound(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The upper bound at one budget; money per customer, USD, value over doing nothing.

    Attributes:
        budget_share: Budget as a share of the spend of the best policy that has no budget.
        budget_per_customer: Budget, USD per customer.
        daily_capacity: Most contacts a day; None for no limit.
        bound: The upper bound: no policy's expected value is above it.
        gap: Most by which the bound can be above the least upper bound, as a share of it.
        multiplier: Value of the last dollar of budget, dollars.
    """

    budget_share: float
    budget_per_customer: float
    daily_capacity: int | None
    bound: float
    gap: float
    multiplier: float


class Budgets(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All budgets of an evaluation.

    Attributes:
        customers: Number of customers in the evaluation.
        unconstrained_spend: Spend of the best policy without a budget, USD per customer.
        unconstrained_gain: Value of that policy over doing nothing, USD per customer.
        bounds: Bounds without a capacity, by ascending budget, then the one with a capacity.
    """

    customers: int
    unconstrained_spend: float
    unconstrained_gain: float
    bounds: tuple[BudgetBound, ...]

    @property
    def plain(self) -> tuple[BudgetBound, ...]:
        """Return the bounds without a capacity."""
        return tuple(bound for bound in self.bounds if bound.daily_capacity is None)

    @property
    def limited(self) -> BudgetBound:
        """Return the bound with a capacity."""
        return next(bound for bound in self.bounds if bound.daily_capacity is not None)


class Certificate(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The bound beside the exact optimum on a few customers.

    Attributes:
        daily_capacity: Most contacts a day; None for no limit.
        bound: Bound found by prices and dynamic programmes.
        optimum: Optimum found by the linear programme over occupation measures.
    """

    daily_capacity: float | None
    bound: float
    optimum: float

    @property
    def error(self) -> float:
        """Return the relative difference of the two."""
        return abs(self.bound - self.optimum) / max(abs(self.optimum), 1e-9)


def bound_budgets(setting: Setting, spec: BudgetsSpec) -> Budgets:
    """Compute the upper bound of every budget that `spec` names.

    Args:
        setting: Held-out customers, rules and days; the nominal world is the true one.
        spec: Budgets as shares, and the capacity.
    """
    programmes = CustomerProgrammes(setting.cohort, setting, setting.nominal)
    free = programmes.solve(0.0)
    customers = len(setting.cohort)
    spend = float(free.flow().spend_usd.sum()) / customers

    def bounded(share: float, capacity: int | None) -> BudgetBound:
        bound: LagrangianBound = upper_bound(
            programmes, budget_per_customer=share * spend, daily_capacity=capacity
        )
        return BudgetBound(
            budget_share=share,
            budget_per_customer=share * spend,
            daily_capacity=capacity,
            bound=bound.value,
            gap=bound.gap,
            multiplier=bound.multiplier,
        )

    capacity = max(1, round(spec.capacity.daily_contacts * customers))
    return Budgets(
        customers=customers,
        unconstrained_spend=spend,
        unconstrained_gain=float(free.value.mean()),
        bounds=(
            *(bounded(share, None) for share in spec.budget_shares),
            bounded(spec.capacity.budget_share, capacity),
        ),
    )


def certify(setting: Setting, *, customers: int, share: float) -> tuple[Certificate, ...]:
    """Compare bound and optimum on a few customers, without and with a daily capacity.

    Args:
        setting: The evaluated setting; the nominal world is the true one.
        customers: Number of customers, from the first on.
        share: Budget as a share of their unconstrained spend.
    """
    small = Setting(
        cohort=setting.cohort.rows(np.arange(customers)),
        space=setting.space,
        rules=setting.rules,
        calendar=setting.calendar,
        nominal=setting.nominal,
    )
    programmes = CustomerProgrammes(small.cohort, small, small.nominal)
    budget = share * float(programmes.solve(0.0).flow().spend_usd.sum()) / customers
    return tuple(
        Certificate(
            daily_capacity=capacity,
            bound=upper_bound(
                programmes, budget_per_customer=budget, daily_capacity=capacity, tolerance=1e-5
            ).value,
            optimum=occupation_optimum(
                small, small.nominal, budget_per_customer=budget, daily_capacity=capacity
            ),
        )
        for capacity in (None, _CERTIFIED_CONTACTS * customers)
    )
