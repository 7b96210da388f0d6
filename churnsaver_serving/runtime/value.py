"""Expected value of one contact, in closed form. Planning over several contacts is not here."""

import numpy as np
import numpy.typing as npt

from churnsaver_serving.runtime.actions import ActionSpace
from churnsaver_serving.runtime.assumptions import World

Floats = npt.NDArray[np.float64]


def contact_value(
    p_churn: Floats,
    monthly_charge_usd: Floats,
    p_accept: Floats,
    space: ActionSpace,
    world: World,
) -> Floats:
    """Value of each joint action over doing nothing, in USD.

    With daily hazard h = 1 - (1 - p)^(1/T), a contact after d days is made if the customer is
    still there, S = (1 - h)^d. Accepted, the hazard is h * save_effect from then on; refused, it
    is h * (1 + disturbance * (1 - p)). A customer who is there after T days is worth M monthly
    charges; an accepted discount costs its share of `discount_months` charges.

    Args:
        p_churn: probability to leave within T days, shape (n,).
        monthly_charge_usd: shape (n,).
        p_accept: shape (n, D, O), as from `AcceptanceModel.predict`.
        space: its D delays and O offers.
        world: the declared effects.

    Returns:
        Shape (n, space.size); column 0 (no contact) is 0.
    """
    period = world.period_days
    hazard = -np.expm1(np.log1p(-p_churn) / period)[:, None, None]
    delay = np.minimum(np.asarray(space.delays_days, dtype=np.float64), period)[None, :, None]
    there = (1.0 - hazard) ** delay
    left = period - delay
    saved = (1.0 - hazard * np.asarray(world.save_effect)) ** left
    upset = np.minimum(hazard * (1.0 + world.disturbance * (1.0 - p_churn[:, None, None])), 1.0)
    refused = (1.0 - upset) ** left
    untouched = (1.0 - hazard) ** left

    worth = world.horizon_months * monthly_charge_usd[:, None, None]
    discount = _discount_usd(monthly_charge_usd, space, world)[:, None, :]
    gain = worth * (p_accept * saved + (1.0 - p_accept) * refused - untouched)
    value = there * (gain - world.contact_cost_usd - p_accept * discount)
    return np.concatenate([np.zeros((len(p_churn), 1)), value.reshape(len(p_churn), -1)], axis=1)


def reserve_usd(monthly_charge_usd: Floats, space: ActionSpace, world: World) -> Floats:
    """What each action can cost at most, USD, shape (n, space.size): contact and full discount.

    Committing this at the decision is what makes overspending impossible; an outcome that says
    refused gives the discount back. Rounded up to whole cents, so that a ledger's sums are exact.
    """
    discount = _discount_usd(monthly_charge_usd, space, world)
    cost = world.contact_cost_usd + np.tile(discount, (1, len(space.delays_days)))
    # Rounding first keeps 10.55, which is 1055.0000000000001 cents, from becoming 10.56.
    cost = np.ceil(np.round(100.0 * cost, 6)) / 100.0
    return np.concatenate([np.zeros((len(monthly_charge_usd), 1)), cost], axis=1)


def whole_cents(usd: Floats | float) -> Floats:
    """Amounts in whole cents, rounded down: what may be compared and summed without error."""
    return np.floor(np.round(100.0 * np.asarray(usd), 6))


def _discount_usd(monthly_charge_usd: Floats, space: ActionSpace, world: World) -> Floats:
    """Cost of each offer if accepted, USD, shape (n, O)."""
    share = np.asarray(space.offers_pct, dtype=np.float64) / 100.0
    return monthly_charge_usd[:, None] * share * world.discount_months
