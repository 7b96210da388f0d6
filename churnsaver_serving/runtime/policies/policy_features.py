"""The learned policy's input: numbers of order one, from an observation of one contact day."""

import numpy as np

from churnsaver_serving.runtime.arrays import Floats
from churnsaver_serving.runtime.policies.observation import Observation
from churnsaver_serving.runtime.policies.value import one_step_terms
from churnsaver_serving.runtime.scoring.calibration import logit
from churnsaver_serving.runtime.world.belief import SIGNALS

_USD_SCALE = 10.0
_PROBABILITY_FLOOR = 1e-6


def feature_names(offers_pct: tuple[int, ...]) -> tuple[str, ...]:
    """Return the names of the columns of `policy_features`, in order."""
    return (
        "risk_logit",
        "charge_log",
        "contacts",
        "recency",
        "multiplier_log",
        *(f"accept_logit_{offer}" for offer in offers_pct),
        *(f"net_value_{offer}" for offer in offers_pct),
        "best_return_log",
        *(f"belief_{signal}" for signal in SIGNALS),
    )


def policy_features(observation: Observation) -> Floats:
    """Return features of n customers, each on the day of a possible contact.

    Returns:
        Shape (n, len(feature_names(offers))).
    """
    world = observation.world
    p_churn = np.clip(observation.p_churn, _PROBABILITY_FLOOR, 1.0 - _PROBABILITY_FLOOR)
    p_accept = np.clip(observation.p_accept, _PROBABILITY_FLOOR, 1.0 - _PROBABILITY_FLOOR)
    terms = one_step_terms(observation)
    net = terms.net - observation.price_usd(terms.cost)
    best = (terms.net / np.maximum(terms.cost, 0.01)).max(axis=1)
    return np.column_stack(
        [
            logit(p_churn) / 2.0,
            np.log1p(observation.monthly_charge_usd) - 4.0,
            observation.contacts_in_window / 2.0,
            np.exp(-observation.days_since_contact / world.recency_decay_days),
            np.log1p(observation.multiplier),
            logit(p_accept) / 2.0,
            np.arcsinh(net / _USD_SCALE),
            np.arcsinh(best),
            observation.belief,
        ]
    )
