"""Value of a contact with each offer, over none; planning over several contacts is not here."""

import numpy as np

from churnsaver_serving.runtime.arrays import Floats
from churnsaver_serving.runtime.policies.observation import Observation
from churnsaver_serving.runtime.scoring.calibration import logit, sigmoid
from churnsaver_serving.runtime.world.assumptions import World
from churnsaver_serving.runtime.world.effects import ContactTerms, acceptance_shift, contact_terms

_PROBABILITY_FLOOR = 1e-6


def believed_accept(observation: Observation, world: World) -> Floats:
    """Return p(accept) of each offer as it is in another world than the observation's, (n, O)."""
    if world == observation.world:
        return observation.p_accept
    since, contacts = observation.days_since_contact, observation.contacts_in_window
    told, other = (
        acceptance_shift(one, observation.offers_pct, since, contacts)
        for one in (observation.world, world)
    )
    p_accept = np.clip(observation.p_accept, _PROBABILITY_FLOOR, 1.0 - _PROBABILITY_FLOOR)
    return sigmoid(logit(p_accept) + other - told)


def one_step_terms(observation: Observation, world: World | None = None) -> ContactTerms:
    """Return gain and cost of each offer, shape (n, O), USD.

    Args:
        observation: n customers, each on the day of a possible contact.
        world: The world believed in; the observation's where left out.
    """
    believed = observation.world if world is None else world
    return contact_terms(
        believed,
        observation.offers_pct,
        risk=observation.risk,
        monthly_charge_usd=observation.monthly_charge_usd,
        p_accept=believed_accept(observation, believed),
        wait_days=observation.wait_days,
    )


def one_step_value(observation: Observation, world: World | None = None) -> Floats:
    """Return the value of no contact (0) and of each offer net of its price, shape (n, 1 + O)."""
    terms = one_step_terms(observation, world)
    net = terms.net - observation.price_usd(terms.cost)
    return np.column_stack([np.zeros(len(net)), net])


def whole_cents(usd: Floats | float) -> Floats:
    """Round amounts down to whole cents: what may be compared and summed without error."""
    return np.floor(np.round(100.0 * np.asarray(usd), 6))
