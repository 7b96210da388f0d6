"""Baselines without training: no contact, chance, churn risk, and the one-step value."""

from collections.abc import Sequence

import numpy as np

from churnsaver_assets.decision.baselines.choice import (
    ValueRule,
    contact_by_value,
    contact_today,
    reviewed,
)
from churnsaver_assets.decision.baselines.streams import own_stream
from churnsaver_assets.decision.play.agents import ContactRequests, DecisionContext
from churnsaver_serving.runtime.arrays import Floats, Ints
from churnsaver_serving.runtime.effects import ContactTerms, contact_terms, daily_hazard


class NothingAgent:
    """Never contacts anybody."""

    name = "nothing"

    def begin(self, context: DecisionContext) -> None:
        """Do nothing: the agent keeps no state."""

    def act(self, context: DecisionContext) -> ContactRequests:
        """Request no contact."""
        nobody = np.zeros(0, dtype=np.int64)
        return contact_today(context, nobody, nobody, np.zeros(0))


class RandomAgent:
    """Contacts by chance, with an offer by chance.

    Args:
        rate: Probability to contact an available customer on a day.
        seed: Seed for the agent's own draws; outcomes are drawn elsewhere.
    """

    name = "random"

    def __init__(self, rate: float, seed: int) -> None:
        self._rate = rate
        self._seed = seed
        self._rng = own_stream(seed, "random")

    def begin(self, context: DecisionContext) -> None:  # noqa: ARG002 - the protocol's
        """Start its draws anew."""
        self._rng = own_stream(self._seed, "random")

    def act(self, context: DecisionContext) -> ContactRequests:
        """Draw who, what and in which order."""
        rows = reviewed(context)
        rows = rows[self._rng.random(len(rows)) < self._rate]
        offer = self._rng.integers(len(context.setting.space.offers_pct), size=len(rows))
        return contact_today(context, rows, offer, self._rng.random(len(rows)))


class PropensityAgent:
    """Contacts who is at risk, always with the same offer, the riskiest first.

    Args:
        threshold: Least believed p_churn to contact.
        offer_pct: The offer that is always made, per cent.
    """

    name = "propensity"

    def __init__(self, threshold: float, offer_pct: int) -> None:
        self._threshold = threshold
        self._offer_pct = offer_pct

    def begin(self, context: DecisionContext) -> None:
        """Do nothing: the agent keeps no state."""

    def act(self, context: DecisionContext) -> ContactRequests:
        """Contact every available customer above the threshold."""
        believed = context.setting.believed or context.setting.cohort
        rows = reviewed(context)
        risk = believed.p_churn[context.customer[rows]]
        wanted = risk >= self._threshold
        offer = context.setting.space.offers_pct.index(self._offer_pct)
        chosen = np.full(int(wanted.sum()), offer, dtype=np.int64)
        return contact_today(context, rows[wanted], chosen, risk[wanted])


class OneStepAgent:
    """Contacts where the expected value of this one contact is worth its price.

    With all offers this is `GreedyValuePolicy` at a fixed multiplier; with one, a constant offer.

    Args:
        name: Name in tables and pictures.
        multiplier: Value that a dollar must bring beyond itself.
        offers_pct: The offers it may make; None for all.
    """

    def __init__(
        self, name: str, multiplier: float, offers_pct: Sequence[int] | None = None
    ) -> None:
        self.name = name
        self._rule = ValueRule(multiplier, price_offers=True)
        self._offers_pct = None if offers_pct is None else tuple(offers_pct)

    def begin(self, context: DecisionContext) -> None:
        """Do nothing: the agent keeps no state."""

    def act(self, context: DecisionContext) -> ContactRequests:
        """Contact by the models' own expected value."""
        rows = reviewed(context)
        terms = believed_terms(context, rows)
        net, cost = terms.net, terms.cost
        if self._offers_pct is not None:
            forbidden = ~np.isin(context.setting.space.offers_pct, self._offers_pct)
            net = np.where(forbidden, -np.inf, net)
        return contact_by_value(context, rows, net, cost, self._rule)


def believed_terms(
    context: DecisionContext, rows: Ints, p_accept: Floats | None = None
) -> ContactTerms:
    """Return the terms of a contact made today by the models and the nominal world.

    Args:
        context: The day as the policy sees it.
        rows: Rows that may be contacted, shape (m,).
        p_accept: Probability to accept each offer, shape (m, O); the acceptance model's where left
            out.
    """
    seen = context.observe(np.zeros(context.groups), rows)
    today = seen.p_accept[:, seen.space.delays_days.index(0)]
    return contact_terms(
        seen.world,
        seen.space.offers_pct,
        p_churn=seen.p_churn,
        hazard=daily_hazard(seen.world, seen.p_churn),
        monthly_charge_usd=seen.monthly_charge_usd,
        p_accept=today if p_accept is None else p_accept,
        days_left=seen.days_left,
    )
