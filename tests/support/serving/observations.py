"""Observations: of generated customers for what judges them, and as the API makes them."""

from collections.abc import Sequence
from datetime import date

import numpy as np

from churnsaver_serving.runtime.arrays import Floats
from churnsaver_serving.runtime.customer import Customer
from churnsaver_serving.runtime.engine.decision import Pace
from churnsaver_serving.runtime.engine.scored import Scored
from churnsaver_serving.runtime.limits.standing import Standing
from churnsaver_serving.runtime.policies.observation import Observation
from churnsaver_serving.runtime.scoring.acceptance import AcceptanceModel
from churnsaver_serving.runtime.world.assumptions import World
from churnsaver_serving.runtime.world.effects import RISK_MONTHS
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
        capacity_price_usd=rng.uniform(0.0, 5.0, n),
        offers_pct=OFFERS,
        world=assumptions().nominal(),
    )


def served_observation(
    acceptance: AcceptanceModel,
    customers: Sequence[Customer],
    today: date,
    world: World,
    offers_pct: tuple[int, ...],
    *,
    wait: int = 0,
) -> Observation:
    """Observe customers as the API does on the day after a wait; all are at the same risk."""
    n = len(customers)
    scored = Scored(
        customers=customers,
        standing=Standing.of(customers),
        today=np.full(n, today.toordinal()),
        table={},
        context=np.zeros((n, 0), dtype=np.float32),
        risk=np.full((n, len(RISK_MONTHS)), 0.1),
        acceptance=acceptance,
        plain=acceptance.base(customers),
        offers_pct=offers_pct,
        world=world,
        pace=Pace(),
    )
    return scored.observe(np.arange(n), np.full(n, wait))
