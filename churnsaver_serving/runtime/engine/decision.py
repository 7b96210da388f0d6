"""A decision with everything that led to it."""

from datetime import date
from typing import Literal

import msgspec

from churnsaver_serving.runtime.limits.account import Commitment
from churnsaver_serving.runtime.limits.constraints import Constraint
from churnsaver_serving.runtime.scoring.reasons import RiskDriver
from churnsaver_serving.runtime.world.belief import SIGNALS

Cause = Literal["policy", "exploration"]


class Pace(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The state of the month, as a policy is told of it.

    Attributes:
        multiplier: Worth of a dollar of budget now, beyond itself.
        belief: Log ratios of observed over expected, in the order of `SIGNALS`.
        capacity_price_usd: Worth of a place in a day's capacity now, USD.
    """

    multiplier: float = 0.0
    belief: tuple[float, ...] = (0.0,) * len(SIGNALS)
    capacity_price_usd: float = 0.0


class Decision(msgspec.Struct, frozen=True):
    """One customer's decision with everything that led to it.

    Attributes:
        action: Index of the joint action.
        contact: True to contact the customer.
        offer_pct: Discount offered, percent; 0 without contact.
        delay_days: Days until the contact; 0 without contact.
        contact_on: Day of the contact by the customer's calendar; None without contact.
        p_churn: Calibrated probability to leave within a month.
        p_accept: Probability of accepting each offer (percent) on the day that was judged: the
            first that the rules and the days' capacity left, today where they left none.
        cause: Origin of the action: the policy's own choice, or exploration's.
        constraints: Every rule that kept the policy from what it would have done if nothing stood
            in its way; see `ruled_out`.
        only_no_contact: Whether nothing but no contact was left.
        drivers: Strongest drivers of the risk; empty where none were asked for.
        commitment: The money that the contact may come to cost; None without contact.
        propensity: Probability with which the action was drawn.
        uniform: The random number it was drawn with.
        eligible: Indices of the joint actions that were left on the day judged.
        probabilities: Probabilities of the actions in `eligible`, in that order.
        context: The encoded risk features, in the encoder's order.
        pace: Multiplier and belief that the policy was given.
        remaining_cents: Left of the budget of the judged day's month before this decision.
    """

    action: int
    contact: bool
    offer_pct: int
    delay_days: int
    contact_on: date | None
    p_churn: float
    p_accept: dict[int, float]
    cause: Cause
    constraints: tuple[Constraint, ...]
    only_no_contact: bool
    drivers: tuple[RiskDriver, ...]
    commitment: Commitment | None
    propensity: float
    uniform: float
    eligible: tuple[int, ...]
    probabilities: tuple[float, ...]
    context: tuple[float, ...]
    pace: Pace
    remaining_cents: int
