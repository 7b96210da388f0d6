"""An agent that targets by uplift, estimated from a randomised log."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from churnsaver_assets.decision.baselines.choice import contact_by_value, reviewed
from churnsaver_assets.decision.baselines.log import customer_features
from churnsaver_assets.decision.uplift.outcomes import uplift
from churnsaver_serving.runtime.effects import discount_usd

if TYPE_CHECKING:
    from churnsaver_assets.decision.baselines.acceptance import LoggedAcceptance
    from churnsaver_assets.decision.baselines.choice import ValueRule
    from churnsaver_assets.decision.play.agents import ContactRequests, DecisionContext
    from churnsaver_assets.decision.simulator.setting import Setting
    from churnsaver_assets.decision.uplift.outcomes import OutcomeModel


class UpliftAgent:
    """Contacts in order of predicted value per expected dollar.

    Value is the uplift in retention times the revenue over the horizon, in proportion to the days
    left: the log shows contacts at the period's start only.

    Args:
        name: Name in tables and pictures.
        model: Model of retention under each arm, control first.
        acceptance: Model of each offer's acceptance; an offer costs only where it is accepted.
        rule: The rule that says when a contact is worth its price.
    """

    def __init__(
        self, name: str, model: OutcomeModel, acceptance: LoggedAcceptance, rule: ValueRule
    ) -> None:
        self.name = name
        self._model = model
        self._acceptance = acceptance
        self._rule = rule
        self._setting: Setting | None = None
        self._gain = self._cost = np.zeros((0, 0))

    def begin(self, context: DecisionContext) -> None:
        """Score the customers; what is believed of them doesn't change within a period."""
        if context.setting is self._setting:
            return
        self._setting = context.setting
        world, space = context.setting.nominal, context.setting.space
        matrix = customer_features(context.setting)
        charge = context.setting.cohort.monthly_charge_usd
        worth = charge * world.horizon_months
        self._gain = uplift(self._model, matrix) * worth[:, None]
        discount = discount_usd(world, charge, space.offers_pct)
        self._cost = world.contact_cost_usd + self._acceptance.rates(matrix) * discount

    def act(self, context: DecisionContext) -> ContactRequests:
        """Contact customers whose predicted value is worth the price."""
        rows = reviewed(context)
        who = context.customer[rows]
        share = context.days_left / context.setting.calendar.days
        cost = self._cost[who]
        return contact_by_value(context, rows, share * self._gain[who] - cost, cost, self._rule)
