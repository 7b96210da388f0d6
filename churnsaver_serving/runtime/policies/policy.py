"""Policies: from an observation to a preference of no contact and of each offer.

A policy is data (a JSON file in the release) with this one method. Rules, exploration and sampling
are the same for all of them and follow in `choice`.
"""

from typing import Protocol

import msgspec
import numpy as np

from churnsaver_serving.runtime.arrays import Floats
from churnsaver_serving.runtime.policies.observation import Observation
from churnsaver_serving.runtime.policies.value import one_step_value
from churnsaver_serving.runtime.world.assumptions import World


class Policy(Protocol):
    """Anything that turns observations into preferences."""

    @property
    def name(self) -> str:
        """Return the name for logs and answers."""

    def preferences(self, observation: Observation) -> Floats:
        """Return preferences of no contact and of each offer, shape (n, 1 + O): highest is best.

        What is preferred at minus infinity is never done, not even to explore.
        """


class PropensityPolicy(
    msgspec.Struct, tag="propensity_threshold", frozen=True, forbid_unknown_fields=True
):
    """Contact who is at risk, always with the same offer.

    Attributes:
        threshold: Least p_churn to contact.
        offer_pct: The one offer, percent.
    """

    threshold: float
    offer_pct: int

    @property
    def name(self) -> str:
        """Return the name for logs and answers."""
        return "propensity_threshold"

    def preferences(self, observation: Observation) -> Floats:
        """Return 1 for the offer where p_churn >= threshold, 0 for no contact, else -1."""
        result = np.full((len(observation), 1 + len(observation.offers_pct)), -1.0)
        result[:, 0] = 0.0
        at_risk = observation.p_churn >= self.threshold
        result[at_risk, 1 + observation.offers_pct.index(self.offer_pct)] = 1.0
        return result


class OneStepPolicy(msgspec.Struct, tag="one_step", frozen=True, forbid_unknown_fields=True):
    """The offer of highest value net of the multiplier, as if no other contact followed.

    Attributes:
        name: The name for logs and answers.
        world: The world that it believes in; None for the nominal one.
        offers_pct: The offers that it may make; None for all.
    """

    name: str = "one_step"
    world: World | None = None
    offers_pct: tuple[int, ...] | None = None

    def preferences(self, observation: Observation) -> Floats:
        """Return the value of no contact, 0, and of each offer, USD."""
        value = one_step_value(observation, self.world)
        if self.offers_pct is not None:
            value[:, 1:][:, ~np.isin(observation.offers_pct, self.offers_pct)] = -np.inf
        return value


PolicyFile = PropensityPolicy | OneStepPolicy
