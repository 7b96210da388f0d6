"""A policy that targets by uplift in retention, learnt from a randomised log, in USD."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from churnsaver_assets.decision.baselines.log import customer_features
from churnsaver_assets.decision.baselines.rules import at_price
from churnsaver_assets.decision.uplift.outcomes import CONTROL
from churnsaver_serving.runtime.world.effects import changed_worth_usd, discount_usd, worth_usd

if TYPE_CHECKING:
    from churnsaver_assets.decision.uplift.outcomes import OutcomeModel
    from churnsaver_serving.runtime.arrays import Floats
    from churnsaver_serving.runtime.policies.observation import Observation
    from churnsaver_serving.runtime.world.assumptions import World

_PROBABILITY_FLOOR = 1e-6


def retention_gain_usd(
    world: World, monthly_charge_usd: Floats, retention: Floats, days: int
) -> Floats:
    """Return what each offer's uplift in retention is worth, USD, shape (n, K).

    A probability s to be there after D days is taken for the constant daily hazard that gives it,
    1 - s^(1/D). An offer's gain is the worth of a customer with its hazard for D days and the
    control's afterwards, less that of one with the control's for ever. Who accepts and who doesn't
    have two hazards in truth: one for both overstates what is kept of customers about to leave.

    Args:
        world: The world, for its horizon and period.
        monthly_charge_usd: Monthly charge, USD, shape (n,).
        retention: Probability to be there after `days` days under each arm, shape (n, K + 1).
        days: Days from the offer to the outcome.
    """
    stays = retention.clip(_PROBABILITY_FLOOR, 1.0 - _PROBABILITY_FLOOR)
    hazard = -np.expm1(np.log(stays) / days)
    control = hazard[:, CONTROL]
    untouched = worth_usd(world, monthly_charge_usd, control)
    offers = hazard[:, CONTROL + 1 :].T
    worth = [
        changed_worth_usd(world, monthly_charge_usd, control, during, days) for during in offers
    ]
    return np.column_stack(worth) - untouched[:, None]


class UpliftPolicy:
    """The offer whose predicted gain is highest net of its expected cost and the multiplier.

    Args:
        name: Name in tables and pictures.
        model: Model of retention under each arm, control first.
        days: Days from offer to outcome in the log that it was learnt from.
        price: Value that a dollar must bring beyond itself; None for the multiplier told.
    """

    def __init__(self, name: str, model: OutcomeModel, days: int, price: float | None) -> None:
        self.name = name
        self._model = model
        self._days = days
        self._price = price

    def preferences(self, observation: Observation) -> Floats:
        """Return the value of no contact, 0, and of each offer, USD."""
        seen = at_price(observation, self._price)
        world, charge = seen.world, seen.monthly_charge_usd
        retention = self._model.rates(customer_features(seen))
        gain = retention_gain_usd(world, charge, retention, self._days)
        discount = discount_usd(world, charge, seen.offers_pct)
        cost = world.contact_cost_usd + seen.p_accept * discount
        return np.column_stack([np.zeros(len(seen)), gain - cost - seen.price_usd(cost)])
