"""The learned policy in the simulator: the exported actor itself, at any multiplier."""

from dataclasses import replace

import numpy as np

from churnsaver_assets.decision.play.agents import View, Wish
from churnsaver_serving.runtime.actions import NO_CONTACT
from churnsaver_serving.runtime.actor import Actor
from churnsaver_serving.runtime.arrays import Bools, Floats
from churnsaver_serving.runtime.learned import choose
from churnsaver_serving.runtime.value import contact_value


class LearnedPriced:
    """Plays what is served: greedy, in NumPy; implements `agents.Priced`.

    Args:
        actor: decides.
        name: in tables and pictures.
    """

    def __init__(self, actor: Actor, name: str = "ppo") -> None:
        self._actor = actor
        self._name = name

    @property
    def name(self) -> str:
        """Name in tables and pictures."""
        return self._name

    def begin(self, view: View) -> None:
        """Nothing to forget."""

    def wish(self, view: View, multiplier: Floats) -> Wish:
        """The actor's own actions; first comes the contact worth most net of the multiplier."""
        rows = view.available()
        observation = view.observe(multiplier, rows)
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
        wish = Wish.nothing(view.size)
        wish.action[rows] = chosen
        wish.priority[rows] = worth[np.arange(len(rows)), chosen]
        return replace(wish, unmasked=self._unmasked(view, multiplier))

    def _unmasked(self, view: View, multiplier: Floats) -> Bools:
        capped = view.at_cap()
        result = np.zeros(view.size, dtype=np.bool_)
        observation = view.observe(multiplier, capped, lift_cap=True)
        result[capped] = choose(self._actor, observation) != NO_CONTACT
        return result
