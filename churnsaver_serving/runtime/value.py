"""Expected value and greatest cost of each joint action; planning over several is not here."""

import numpy as np

from churnsaver_serving.runtime.actions import ActionSpace
from churnsaver_serving.runtime.arrays import Floats
from churnsaver_serving.runtime.assumptions import World
from churnsaver_serving.runtime.effects import (
    contact_terms,
    daily_hazard,
    discount_usd,
)


def contact_value(
    p_churn: Floats,
    monthly_charge_usd: Floats,
    p_accept: Floats,
    space: ActionSpace,
    world: World,
    *,
    days_left: Floats,
    multiplier: Floats | float = 0.0,
) -> Floats:
    """Return the value of each joint action over doing nothing, in USD.

    A contact after d days is made if the customer is still there, (1 - h)^d, and is worth what
    `contact_terms` says for the days that are then left.

    Args:
        p_churn: Probability to leave within a period, shape (n,).
        monthly_charge_usd: Monthly charge, USD, shape (n,).
        p_accept: Probability of acceptance as `AcceptanceModel.predict` gives it, shape (n, D, O).
        space: The action space, with D delays and O offers.
        world: The declared effects.
        days_left: Days left of the period, today included, shape (n,).
        multiplier: Worth of a dollar of budget, beyond itself, shape (n,) or one for all.

    Returns:
        Shape (n, space.size); column 0 (no contact) is 0.
    """
    hazard = daily_hazard(world, p_churn)
    price = np.broadcast_to(multiplier, p_churn.shape)[:, None]
    columns = [np.zeros((len(p_churn), 1))]
    for position, delay in enumerate(space.delays_days):
        wait = np.minimum(float(delay), days_left)
        terms = contact_terms(
            world,
            space.offers_pct,
            p_churn=p_churn,
            hazard=hazard,
            monthly_charge_usd=monthly_charge_usd,
            p_accept=p_accept[:, position],
            days_left=days_left - wait,
        )
        there = ((1.0 - hazard) ** wait)[:, None]
        columns.append(there * (terms.net - price * terms.cost))
    return np.concatenate(columns, axis=1)


def reserve_usd(monthly_charge_usd: Floats, space: ActionSpace, world: World) -> Floats:
    """Return the most that each action can cost, USD, shape (n, space.size).

    That is the contact and the full discount.

    Committing this at the decision is what makes overspending impossible; an outcome that says
    refused gives the discount back. Rounded up to whole cents, so that a ledger's sums are exact.
    """
    discount = discount_usd(world, monthly_charge_usd, space.offers_pct)
    cost = world.contact_cost_usd + np.tile(discount, (1, len(space.delays_days)))
    # Rounding first keeps 10.55, which is 1055.0000000000001 cents, from becoming 10.56.
    cost = np.ceil(np.round(100.0 * cost, 6)) / 100.0
    return np.concatenate([np.zeros((len(monthly_charge_usd), 1)), cost], axis=1)


def whole_cents(usd: Floats | float) -> Floats:
    """Round amounts down to whole cents: what may be compared and summed without error."""
    return np.floor(np.round(100.0 * np.asarray(usd), 6))
