"""Effects of contacts, in formulas: hazard, acceptance, and the closed-form worth of one contact.

The simulator, the planner and the decision path take their numbers from here. `Effects` may hold
plain numbers (one world, `World`) or arrays (a world for each row); the formulas broadcast.

Worth is geometric: a day brings the revenue r / T, and each further day counts gamma = 1 - 1/(T M)
times the day before. So a customer who never leaves is worth M monthly charges, whatever the day of
the month, and one who leaves with daily probability h is worth (r / T) / (1 - gamma (1 - h)).
"""

from collections.abc import Sequence
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
    def effect_days(self) -> float | Floats: ...  # noqa: D102
    @property
    def refusal_days(self) -> float | Floats: ...  # noqa: D102
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


def daily_discount(effects: Effects) -> Floats:
    """Return gamma, the worth of a day's revenue over that of the day before: 1 - 1 / (T M)."""
    return np.asarray(1.0 - 1.0 / (effects.period_days * effects.horizon_months))


def daily_hazard(effects: Effects, p_churn: Floats) -> Floats:
    """Return the daily hazard, untouched, shape (n,): 1 - (1 - p)^(1/T), scaled."""
    return np.minimum(
        effects.hazard_scale * -np.expm1(np.log1p(-p_churn) / effects.period_days), 1.0
    )


def disturbed_hazard(effects: Effects, hazard: Floats, p_churn: Floats, refusals: Floats) -> Floats:
    """Return the daily hazard after that many refused contacts, shape (n,)."""
    raised = hazard * (1.0 + effects.disturbance * (1.0 - p_churn)) ** refusals
    return np.minimum(raised, 1.0)


def worth_usd(effects: Effects, monthly_charge_usd: Floats, hazard: Floats) -> Floats:
    """Return the discounted revenue of customers with that daily hazard, USD, shape (n,)."""
    kept = daily_discount(effects) * (1.0 - hazard)
    worth: Floats = monthly_charge_usd / effects.period_days / (1.0 - kept)
    return worth


def changed_worth_usd(
    effects: Effects,
    monthly_charge_usd: Floats,
    hazard: Floats,
    during: Floats,
    days: float | Floats,
) -> Floats:
    """Return the worth of customers whose hazard is `during` for some days, and `hazard` after.

    Args:
        effects: The world.
        monthly_charge_usd: Monthly charge, USD, shape (n,).
        hazard: Daily hazard afterwards, shape (n,).
        during: Daily hazard for the first `days` days, shape (n,).
        days: Number of days, >= 0.
    """
    kept = daily_discount(effects) * (1.0 - during)
    beyond = kept**days
    revenue = monthly_charge_usd / effects.period_days * (1.0 - beyond) / (1.0 - kept)
    worth: Floats = revenue + beyond * worth_usd(effects, monthly_charge_usd, hazard)
    return worth


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


RISK_MONTHS = (0, 1, 2, 3, 5, 7)
"""Anniversaries ahead at which a customer's risk is scored, tenure and charges so much higher."""

# The day of the next anniversary isn't known; on average it is half a month away.
_TO_ANNIVERSARY_DAYS = 15.0
_MONTH_DAYS = 30.0
# Days from now on which each of the risks begins to hold.
_STARTS = (0.0, *(_TO_ANNIVERSARY_DAYS + _MONTH_DAYS * (month - 1) for month in RISK_MONTHS[1:]))


def aged_hazards(effects: Effects, risk: Floats) -> list[Floats]:
    """Return the daily hazard at each of `RISK_MONTHS`, shape (n,) each; `risk` is (n, M)."""
    return [daily_hazard(effects, risk[:, place]) for place in range(risk.shape[1])]


def aged_stay(hazards: Sequence[Floats], days: float) -> Floats:
    """Return the probability to stay for so many days from now on, growing older, shape (n,)."""
    result = np.ones_like(hazards[0])
    ends = [*_STARTS[1 : len(hazards)], np.inf]
    for hazard, start, end in zip(hazards, _STARTS, ends, strict=False):
        span = min(max(days - start, 0.0), end - start)
        if span > 0:
            result = result * (1.0 - hazard) ** span
    return result


def aged_worth_usd(
    effects: Effects,
    monthly_charge_usd: Floats,
    hazards: Sequence[Floats],
    during: Sequence[Floats],
    days: float | Floats,
) -> Floats:
    """Return the worth of customers whose hazard changes with age, and by an effect at first.

    Args:
        effects: The world.
        monthly_charge_usd: Monthly charge, USD, shape (n,).
        hazards: Daily hazard at each of `RISK_MONTHS`, shape (n,) each; the last is for ever.
        during: The same under the effect.
        days: Number of days for which the effect lasts, >= 0.
    """
    gamma, revenue = daily_discount(effects), monthly_charge_usd / effects.period_days
    last = len(hazards) - 1
    worth = changed_worth_usd(
        effects,
        monthly_charge_usd,
        hazards[last],
        during[last],
        np.maximum(np.asarray(days) - _STARTS[last], 0.0),
    )
    for place in range(last - 1, -1, -1):
        length = _STARTS[place + 1] - _STARTS[place]
        under = np.clip(np.asarray(days) - _STARTS[place], 0.0, length)
        for hazard, span in ((hazards[place], length - under), (during[place], under)):
            if np.any(span):
                kept = gamma * (1.0 - hazard)
                beyond = kept**span
                worth = revenue * (1.0 - beyond) / (1.0 - kept) + beyond * worth
    return worth


def contact_terms(
    effects: Effects,
    offers_pct: tuple[int, ...],
    *,
    risk: Floats,
    monthly_charge_usd: Floats,
    p_accept: Floats,
    wait_days: Floats | float = 0.0,
) -> ContactTerms:
    """Return the worth of a contact for those who hold no offer and have refused none lately.

    Accepted, the hazard is multiplied by `save_effect` for `effect_days`; refused, it is raised by
    the disturbance for `refusal_days`; all along it changes with age. The gain is over making no
    further contact, so the discounted sum along a path of contacts telescopes to the path's value
    over doing nothing (potential-based shaping: Ng, Harada and Russell 1999). No day of a calendar
    is in it.

    Args:
        effects: The world.
        offers_pct: The offers, length O.
        risk: Monthly probability of churn at each of `RISK_MONTHS`, shape (n, len(RISK_MONTHS)).
        monthly_charge_usd: Monthly charge, USD, shape (n,).
        p_accept: Probability of accepting each offer on the day of the contact, shape (n, O).
        wait_days: Days until the contact, shape (n,) or one for all. It is made, and paid for, if
            the customer is still there then.
    """
    columns = range(risk.shape[1])
    hazards = [daily_hazard(effects, risk[:, place]) for place in columns]
    once = np.ones_like(hazards[0])
    raised = [disturbed_hazard(effects, hazards[place], risk[:, place], once) for place in columns]
    untouched = aged_worth_usd(effects, monthly_charge_usd, hazards, hazards, 0.0)
    refused = aged_worth_usd(effects, monthly_charge_usd, hazards, raised, effects.refusal_days)
    saved = np.stack(
        [
            aged_worth_usd(
                effects,
                monthly_charge_usd,
                hazards,
                [hazard * factor for hazard in hazards],
                effects.effect_days,
            )
            for factor in np.moveaxis(np.asarray(effects.save_effect, dtype=np.float64), -1, 0)
        ],
        axis=-1,
    )
    gain = p_accept * saved + (1.0 - p_accept) * refused[:, None] - untouched[:, None]
    contact_cost = np.broadcast_to(effects.contact_cost_usd, once.shape)[:, None]
    cost = contact_cost + p_accept * discount_usd(effects, monthly_charge_usd, offers_pct)
    # Both as seen from today: who has left by then gets nothing and costs nothing.
    there = (1.0 - hazards[0]) ** wait_days
    later = (there * daily_discount(effects) ** wait_days)[:, None]
    return ContactTerms(gain=later * gain, cost=later * cost)
