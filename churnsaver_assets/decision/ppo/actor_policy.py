"""The learned policy in the simulator: the exported actor itself, at any multiplier."""

from dataclasses import replace

import numpy as np

from churnsaver_assets.decision.play.agents import ContactRequests, DecisionContext
from churnsaver_serving.runtime.actions import NO_CONTACT
from churnsaver_serving.runtime.actor import Actor
from churnsaver_serving.runtime.arrays import Bools, Floats
from churnsaver_serving.runtime.learned import choose
from churnsaver_serving.runtime.value import contact_value


class ActorPolicy:
    """The served actor, greedy and in NumPy, as a `MultiplierPolicy`.

    Args:
        actor: The actor that decides.
        name: Name in tables and pictures.
    """

    def __init__(self, actor: Actor, name: str = "ppo") -> None:
        self._actor = actor
        self._name = name

    @property
    def name(self) -> str:
        """Return the name in tables and pictures."""
        return self._name

    def begin(self, context: DecisionContext) -> None:
        """Do nothing: the actor keeps no state."""

    def decide(self, context: DecisionContext, multiplier: Floats) -> ContactRequests:
        """Request the actor's own actions, in order of value net of the multiplier."""
        rows = context.available()
        observation = context.observe(multiplier, rows)
        chosen = choose(self._actor, observation)
        worth = contact_value(
            observation.p_churn,
            observation.monthly_charge_usd,
            observation.p_accept,
            observation.space,
            observation.world,
            days_left=observation.days_left,
            multiplier=observation.multiplier,
        )
        requests = ContactRequests.none(context.size)
        requests.action[rows] = chosen
        requests.priority[rows] = worth[np.arange(len(rows)), chosen]
        return replace(requests, unmasked=self._unmasked(context, multiplier))

    def _unmasked(self, context: DecisionContext, multiplier: Floats) -> Bools:
        capped = context.at_cap()
        result = np.zeros(context.size, dtype=np.bool_)
        observation = context.observe(multiplier, capped, lift_cap=True)
        result[capped] = choose(self._actor, observation) != NO_CONTACT
        return result
