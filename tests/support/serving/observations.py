"""Observations of generated customers, for tests of what judges them."""

import numpy as np

from churnsaver_serving.runtime.arrays import Floats
from churnsaver_serving.runtime.effects import RISK_MONTHS
from churnsaver_serving.runtime.observation import Observation
from tests.support.serving.policy import OFFERS
from tests.support.serving.release import assumptions


def observe(p_churn: Floats | None = None, count: int = 20, seed: int = 42) -> Observation:
    """Observe customers of these risks at every age, or of random ones; all else is random."""
    rng = np.random.default_rng(seed)
    n = count if p_churn is None else len(p_churn)
    ageing = (
        np.ones(len(RISK_MONTHS)) if p_churn is not None else rng.uniform(0.7, 1.0, 6).cumprod()
    )
    risk = rng.uniform(0.01, 0.9, n) if p_churn is None else p_churn
    return Observation(
        risk=risk[:, None] * ageing,
        p_accept=rng.uniform(0.05, 0.6, (n, len(OFFERS))),
        monthly_charge_usd=rng.uniform(20, 120, n),
        wait_days=rng.integers(0, 8, n).astype(np.float64),
        days_since_contact=np.where(rng.random(n) < 0.5, np.inf, rng.integers(0, 30, n)),
        contacts_in_window=rng.integers(0, 4, n).astype(np.float64),
        multiplier=rng.uniform(0.0, 2.0, n),
        belief=rng.normal(0.0, 0.3, (n, 3)),
        offers_pct=OFFERS,
        world=assumptions().nominal(),
    )
