"""Effects of contacts, in formulas: hazard, acceptance, and the closed-form worth of one contact.

The simulator and the decision path both take their numbers from here. `Effects` may hold plain
numbers (one world, `World`) or arrays (a world for each row); the formulas broadcast.
"""

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from churnsaver_serving.runtime.arrays import Floats


class Effects(Protocol):
    """A world, or one for each of n rows; units as in `Assumptions`."""

    @property
    def offer_response(self) -> float | Floats: ...  # noqa: D102 - see Assumptions
    @property
    def save_effect(self) -> tuple[float, ...] | Floats: ...  # noqa: D102
    @property
    def recency_penalty(self) -> float | Floats: ...  # noqa: D102
    @property
    def recency_decay_days(self) -> float | Floats: ...  # noqa: D102
    @property
    def disturbance(self) -> float | Floats: ...  # noqa: D102
    @property
    def contact_cost_usd(self) -> float | Floats: ...  # noqa: D102
    @property
    def discount_months(self) -> float | Floats: ...  # noqa: D102
    @property
    def horizon_months(self) -> float | Floats: ...  # noqa: D102
    @property
    def period_days(self) -> float | Floats: ...  # noqa: D102
    @property
    def hazard_scale(self) -> float | Floats: ...  # noqa: D102
    @property
    def acceptance_offset(self) -> float | Floats: ...  # noqa: D102
    @property
    def contact_fatigue(self) -> float | Floats: ...  # noqa: D102


@dataclass(frozen=True, slots=True)
class ContactTerms:
    """One contact made now against nothing further, USD, each of shape (n, O).

    Attributes:
        gain: Change in expected retained revenue.
        cost: Expected contact cost and discount.
    """

    gain: Floats
    cost: Floats

    @property
    def net(self) -> Floats:
        """Return the gain less the cost."""
        return self.gain - self.cost


def daily_hazard(effects: Effects, p_churn: Floats) -> Floats:
    """Return the daily hazard, untouched, shape (n,): 1 - (1 - p)^(1/T), scaled."""
    return np.minimum(
        effects.hazard_scale * -np.expm1(np.log1p(-p_churn) / effects.period_days), 1.0
    )


def disturbed_hazard(effects: Effects, hazard: Floats, p_churn: Floats, refusals: Floats) -> Floats:
    """Return the daily hazard after that many refused contacts, shape (n,)."""
    raised = hazard * (1.0 + effects.disturbance * (1.0 - p_churn)) ** refusals
    return np.minimum(raised, 1.0)


def acceptance_shift(
    effects: Effects, offers_pct: tuple[int, ...], days_since_contact: Floats, contacts: Floats
) -> Floats:
    """Return what the declared effects add to the acceptance log-odds.

    Args:
        effects: Numbers, or arrays of the shape of `days_since_contact`.
        offers_pct: The offers, length O.
        days_since_contact: Days since the last contact, shape (...); infinity for never.
        contacts: Number of contacts made before in the window, shape (...).

    Returns:
        Shape (..., O), log-odds.
    """
    plain = (
        effects.acceptance_offset
        - effects.recency_penalty * np.exp(-days_since_contact / effects.recency_decay_days)
        - effects.contact_fatigue * contacts
    )
    response = np.asarray(effects.offer_response, dtype=np.float64)[..., None]
    return np.asarray(plain)[..., None] + response * np.asarray(offers_pct, dtype=np.float64)


def discount_usd(
    effects: Effects, monthly_charge_usd: Floats, offers_pct: tuple[int, ...]
) -> Floats:
    """Return the cost of each offer if accepted, USD, shape (n, O)."""
    share = np.asarray(offers_pct, dtype=np.float64) / 100.0
    return (monthly_charge_usd * effects.discount_months)[:, None] * share


def contact_terms(
    effects: Effects,
    offers_pct: tuple[int, ...],
    *,
    p_churn: Floats,
    hazard: Floats,
    monthly_charge_usd: Floats,
    p_accept: Floats,
    days_left: Floats,
) -> ContactTerms:
    """Return the worth of a contact made now, for those who are there and hold no offer.

    Accepted, the hazard is hazard * save_effect from now on; refused, it is raised by the
    disturbance. Who is there after `days_left` days is worth M monthly charges. The gain is over
    making no further contact, so summed along a path of contacts it telescopes to the path's value
    over doing nothing (potential-based shaping: Ng, Harada and Russell 1999).

    Args:
        effects: The world.
        offers_pct: The offers, length O.
        p_churn: Monthly probability of churn, shape (n,); the disturbance depends on it.
        hazard: Daily hazard as it is now, refusals included, shape (n,).
        monthly_charge_usd: Monthly charge, USD, shape (n,).
        p_accept: Probability of accepting each offer now, shape (n, O).
        days_left: Days on which one may still leave, today included, shape (n,).
    """
    left = days_left[:, None]
    untouched = (1.0 - hazard) ** days_left
    refused = (1.0 - disturbed_hazard(effects, hazard, p_churn, np.ones_like(hazard))) ** days_left
    saved = (1.0 - hazard[:, None] * np.asarray(effects.save_effect, dtype=np.float64)) ** left
    worth = monthly_charge_usd * effects.horizon_months
    gain = worth[:, None] * (
        p_accept * saved + (1.0 - p_accept) * refused[:, None] - untouched[:, None]
    )
    contact_cost = np.broadcast_to(effects.contact_cost_usd, hazard.shape)[:, None]
    cost = contact_cost + p_accept * discount_usd(effects, monthly_charge_usd, offers_pct)
    return ContactTerms(gain=gain, cost=cost)
