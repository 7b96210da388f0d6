"""Baselines without learning: no contact, chance, and one constant offer.

Contacting by churn risk is serving's own `PropensityPolicy`.
"""

from dataclasses import replace
from datetime import date

import numpy as np

from churnsaver_assets.decision.baselines.streams import own_stream
from churnsaver_serving.runtime.arrays import Floats
from churnsaver_serving.runtime.policies.observation import Observation
from churnsaver_serving.runtime.policies.policy import OneStepPolicy


def at_price(observation: Observation, price: float | None) -> Observation:
    """Return the observation with a multiplier of the policy's own; as it is for None."""
    if price is None:
        return observation
    return replace(observation, multiplier=np.full(len(observation), price))


class NothingPolicy:
    """Never contacts anybody."""

    name = "nothing"

    def preferences(self, observation: Observation) -> Floats:
        """Return 0 for no contact and minus infinity for each offer."""
        result = np.full((len(observation), 1 + len(observation.offers_pct)), -np.inf)
        result[:, 0] = 0.0
        return result


class RandomPolicy:
    """Contacts by chance, with an offer by chance.

    Args:
        rate: Probability to contact a customer who is asked about.
        seed: Seed for the policy's own draws, one stream for each day.
    """

    name = "random"

    def __init__(self, rate: float, seed: int) -> None:
        self._rate = rate
        self._seed = seed
        self._rng = own_stream(seed, "random")

    def begin_day(self, day: date) -> None:
        """Begin the day's own draws, whatever was drawn before."""
        self._rng = own_stream(self._seed, "random", day.toordinal())

    def preferences(self, observation: Observation) -> Floats:
        """Return 1 for a drawn offer where a contact was drawn, 0 for no contact, else never."""
        n, offers = len(observation), len(observation.offers_pct)
        result = NothingPolicy().preferences(observation)
        drawn = np.flatnonzero(self._rng.random(n) < self._rate)
        result[drawn, 1 + self._rng.integers(offers, size=n)[drawn]] = 1.0
        return result


class ConstantOfferPolicy:
    """Makes one offer wherever its expected value is worth a price of the policy's own.

    Args:
        offer_pct: The offer, percent.
        price: Value that a dollar must bring beyond itself, whatever pacing says.
    """

    name = "constant_offer"

    def __init__(self, offer_pct: int, price: float) -> None:
        self._policy = OneStepPolicy(name=self.name, offers_pct=(offer_pct,))
        self._price = price

    def preferences(self, observation: Observation) -> Floats:
        """Return the value of no contact, 0, and of the offer; of others, minus infinity."""
        return self._policy.preferences(at_price(observation, self._price))
