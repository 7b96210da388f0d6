"""The upper bound under the conditions of a trial, shared out over the customers."""

import numpy as np

from churnsaver_assets.decision.evaluation.trials import Conditions, UpperBound
from churnsaver_assets.decision.planning.bound import upper_bound
from churnsaver_assets.decision.planning.dynamic_programme import CustomerProgrammes

# Copies of every customer, each with its own hidden acceptance, over which the bound is averaged.
_HIDDEN_DRAWS = 10


def upper_bound_under(conditions: Conditions) -> UpperBound:
    """Compute the bound for a decision maker who knows the true world.

    Where acceptance has a hidden part, the bound knows that too, so it is out of reach there.
    """
    setting, world = conditions.setting, conditions.world
    customers = len(setting.cohort)
    draws = _HIDDEN_DRAWS if world.responsiveness else 1
    hidden = np.random.default_rng(conditions.seed).standard_normal(draws * customers)
    programmes = CustomerProgrammes(
        setting.cohort.rows(np.tile(np.arange(customers), draws)),
        setting,
        world,
        responsiveness=world.responsiveness * hidden,
    )
    capacity = conditions.daily_capacity
    bound = upper_bound(
        programmes,
        budget_per_customer=conditions.budget_usd,
        daily_capacity=None if capacity is None else float(draws * capacity),
    )
    own = programmes.solve(bound.multiplier, bound.capacity_multipliers).value
    # What is priced belongs to all alike, so what remains of the bound is shared evenly.
    shared = bound.value - float(own.mean())
    return UpperBound(
        by_customer=own.reshape(draws, customers).mean(axis=0) + shared,
        multiplier=bound.multiplier,
        capacity_multipliers=bound.capacity_multipliers,
    )
