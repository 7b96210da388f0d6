"""The learned policy's input: numbers of order one, from an observation of one contact day."""

import numpy as np

from churnsaver_serving.runtime.arrays import Floats
from churnsaver_serving.runtime.belief import SIGNALS
from churnsaver_serving.runtime.calibration import logit
from churnsaver_serving.runtime.effects import contact_terms, daily_hazard
from churnsaver_serving.runtime.observation import Observation

_USD_SCALE = 10.0
_PROBABILITY_FLOOR = 1e-6


def feature_names(offers_pct: tuple[int, ...]) -> tuple[str, ...]:
    """Return the names of the columns of `policy_features`, in order."""
    return (
        "risk_logit",
        "charge_log",
        "days_left",
        "contacts",
        "recency",
        "multiplier_log",
        *(f"accept_logit_{offer}" for offer in offers_pct),
        *(f"net_value_{offer}" for offer in offers_pct),
        "best_return_log",
        *(f"belief_{signal}" for signal in SIGNALS),
    )


def policy_features(observation: Observation, at_delay: int = 0) -> Floats:
    """Return features of n customers on the day of a contact after the delay at that position.

    A delay shifts the view: fewer days left, a contact longer ago, that day's acceptance. So one
    network that judges contacts made now also judges those made later.

    Args:
        observation: Observation of n customers.
        at_delay: Position in `observation.space.delays_days`.

    Returns:
        Shape (n, len(feature_names(offers))).
    """
    space, world = observation.space, observation.world
    delay = float(space.delays_days[at_delay])
    left = np.maximum(observation.days_left - delay, 0.0)
    p_churn = np.clip(observation.p_churn, _PROBABILITY_FLOOR, 1.0 - _PROBABILITY_FLOOR)
    p_accept = observation.p_accept[:, at_delay]
    terms = contact_terms(
        world,
        space.offers_pct,
        p_churn=p_churn,
        hazard=daily_hazard(world, p_churn),
        monthly_charge_usd=observation.monthly_charge_usd,
        p_accept=p_accept,
        days_left=left,
    )
    net = terms.net - observation.multiplier[:, None] * terms.cost
    best = (terms.net / np.maximum(terms.cost, 0.01)).max(axis=1)
    return np.column_stack(
        [
            logit(p_churn) / 2.0,
            np.log1p(observation.monthly_charge_usd) - 4.0,
            left / world.period_days,
            observation.contacts_in_window / 2.0,
            np.exp(-(observation.days_since_contact + delay) / world.recency_decay_days),
            np.log1p(observation.multiplier),
            logit(np.clip(p_accept, _PROBABILITY_FLOOR, 1.0 - _PROBABILITY_FLOOR)) / 2.0,
            np.arcsinh(net / _USD_SCALE),
            np.arcsinh(best),
            observation.belief,
        ]
    )
