"""Agents made of a policy and the source of its multiplier: pacing, or one fixed number."""

import numpy as np

from churnsaver_assets.decision.play.agents import (
    ContactRequests,
    DecisionContext,
    MultiplierPolicy,
)
from churnsaver_serving.runtime.arrays import Floats
from churnsaver_serving.runtime.pacing import Pacing


class PacedAgent:
    """An agent that sets the multiplier each day by the served pacing controller.

    Args:
        policy: The policy that decides at a multiplier.
        pacing: The controller that sets the multiplier, from the policy's own table.
        heed_acceptance: Whether the forecast of spend is scaled by offers accepted over expected.
    """

    def __init__(
        self, policy: MultiplierPolicy, pacing: Pacing, *, heed_acceptance: bool = True
    ) -> None:
        self._policy = policy
        self._pacing = pacing
        self._heed_acceptance = heed_acceptance
        self._least: list[float | None] = []

    @property
    def name(self) -> str:
        """Return the policy's name."""
        return self._policy.name

    def begin(self, context: DecisionContext) -> None:
        """Forget the multipliers of the period before."""
        self._least = [None] * context.groups
        self._policy.begin(context)

    def act(self, context: DecisionContext) -> ContactRequests:
        """Set each group's multiplier, then let the policy decide."""
        return self._policy.decide(context, self._multipliers(context))

    def _multipliers(self, context: DecisionContext) -> Floats:
        ratio = context.tally.ratio()[:, 0] if self._heed_acceptance else np.ones(context.groups)
        customers = context.size / context.groups
        result = np.zeros(context.groups)
        for group, least in enumerate(self._least):
            result[group] = self._pacing.multiplier(
                context.day,
                float(context.remaining_usd[group]),
                customers=0.0 if least is None else customers,
                undecided=customers if least is None else 0.0,
                least_before=least,
                acceptance_ratio=float(ratio[group]),
            )
            # On a day off nobody is decided on, whatever the multiplier.
            if context.setting.calendar.working[context.day]:
                self._least[group] = float(
                    result[group] if least is None else min(least, result[group])
                )
        return result


class FixedMultiplierAgent:
    """An agent that keeps one multiplier for the whole period.

    Args:
        policy: The policy that decides at a multiplier.
        multiplier: The multiplier, dollars of value per dollar of budget.
    """

    def __init__(self, policy: MultiplierPolicy, multiplier: float) -> None:
        self._policy = policy
        self._multiplier = multiplier

    @property
    def name(self) -> str:
        """Return the policy's name."""
        return self._policy.name

    def begin(self, context: DecisionContext) -> None:
        """Forget the period before."""
        self._policy.begin(context)

    def act(self, context: DecisionContext) -> ContactRequests:
        """Let the policy decide."""
        return self._policy.decide(context, np.full(context.groups, self._multiplier))
