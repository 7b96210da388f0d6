"""Multipliers as pacing would set them: where more is accepted, the same budget is shorter."""

from collections.abc import Sequence

import numpy as np

from churnsaver_assets.decision.simulator.setting import Setting
from churnsaver_serving.runtime.arrays import Floats
from churnsaver_serving.runtime.policies.observation import Observation
from churnsaver_serving.runtime.policies.value import one_step_terms
from churnsaver_serving.runtime.scoring.calibration import logit, sigmoid
from churnsaver_serving.runtime.world.assumptions import World
from churnsaver_serving.runtime.world.belief import SIGNALS
from churnsaver_serving.runtime.world.effects import RISK_MONTHS, acceptance_shift, discount_usd

# Customers that stand for all, and multipliers between which spend is interpolated.
_CUSTOMERS, _POINTS = 256, 33
# Accepted more often, a budget may be worth so many times the multiplier of the nominal world.
_HIGHEST = 3.0


def priced(
    setting: Setting, believed: World, worlds: Sequence[World], multiplier: Floats
) -> Floats:
    """Return the multiplier at which a budget lasts in each world, shape (G,).

    A budget is what the one-step rule spends in the nominal world at the multiplier given, when
    everybody is asked about once. Where offers are accepted more often it is spent sooner, and
    pacing raises the multiplier: it tells a policy something of the world that it is in.

    Args:
        setting: Customers; the first of them stand for all.
        believed: The world in which the rule reckons.
        worlds: True world of each group.
        multiplier: Multiplier of each group in the nominal world, shape (G,).
    """
    cohort = setting.believed or setting.cohort
    some = cohort.rows(np.arange(min(_CUSTOMERS, len(cohort))))
    n, offers, nominal = len(some), setting.space.offers_pct, setting.nominal
    since, none = np.full(n, np.inf), np.zeros(n)
    base = some.accept_logit[:, 0].astype(np.float64)[:, None]
    p_accept = sigmoid(base + acceptance_shift(nominal, offers, since, none))
    observation = Observation(
        risk=some.risk[:, np.minimum(RISK_MONTHS, some.risk.shape[1] - 1)],
        p_accept=p_accept,
        monthly_charge_usd=some.monthly_charge_usd,
        wait_days=none,
        days_since_contact=since,
        contacts_in_window=none,
        multiplier=none,
        capacity_price_usd=none,
        belief=np.zeros((n, len(SIGNALS))),
        offers_pct=offers,
        world=nominal,
    )
    terms = one_step_terms(observation, believed)
    discount = discount_usd(nominal, some.monthly_charge_usd, offers)
    distinct = list(dict.fromkeys([nominal, *worlds]))
    accepted = np.stack(
        [
            sigmoid(logit(p_accept) + _shift(world, setting) - _shift(nominal, setting))
            for world in distinct
        ]
    )
    grid = np.linspace(0.0, _HIGHEST * max(float(multiplier.max()), 1e-6), _POINTS)
    spend = np.zeros((len(distinct), len(grid)))
    for place, price in enumerate(grid):
        net = terms.net - price * terms.cost
        best = net.argmax(axis=1)
        at = np.flatnonzero(net.max(axis=1) > 0.0)
        paid = accepted[:, at, best[at]] * discount[at, best[at]]
        spend[:, place] = (nominal.contact_cost_usd + paid).sum(axis=1) / n
    budget = np.interp(multiplier, grid, spend[0])
    where = {world: place for place, world in enumerate(distinct)}
    result = [
        np.interp(one, spend[where[world]][::-1], grid[::-1])
        for world, one in zip(worlds, budget, strict=True)
    ]
    return np.array(result)


def _shift(world: World, setting: Setting) -> Floats:
    return acceptance_shift(world, setting.space.offers_pct, np.array([np.inf]), np.zeros(1))
