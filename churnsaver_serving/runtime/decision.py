"""A decision with everything that led to it."""

from datetime import date
from typing import Literal

import msgspec

from churnsaver_serving.runtime.belief import SIGNALS
from churnsaver_serving.runtime.constraints import Constraint
from churnsaver_serving.runtime.reasons import RiskDriver

Cause = Literal["policy", "exploration"]


class Pace(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The state of the budget period, as a policy is told of it.

    Attributes:
        multiplier: Worth of a dollar of budget now, beyond itself; 0 for policies without pacing.
        belief: Log ratios of observed over expected, in the order of `SIGNALS`.
    """

    multiplier: float = 0.0
    belief: tuple[float, ...] = (0.0,) * len(SIGNALS)


class Decision(msgspec.Struct, frozen=True):
    """One customer's decision with everything that led to it.

    Attributes:
        action: Index in the action space.
        contact: True to contact the customer.
        offer_pct: Discount offered, percent; 0 without contact.
        delay_days: Days until the contact; 0 without contact.
        contact_on: Day of the contact; None without contact.
        p_churn: Calibrated probability to leave within a month.
        p_accept: Probability of accepting each offer (percent) at the chosen delay; at the
            shortest without contact.
        cause: Origin of the action: the policy's own choice, or exploration's.
        constraint: The rule that kept the policy from what it wanted; None where none did.
        drivers: Strongest drivers of the risk.
        reserve_usd: Most that the action can cost; committed at the decision.
        propensity: Probability with which the action was drawn.
        uniform: The random number it was drawn with.
        eligible: Indices of the actions that the rules allowed.
        probabilities: Probabilities of the actions in `eligible`, in that order.
        context: The encoded risk features, in the encoder's order.
        pace: Multiplier and belief that the policy was given.
    """

    action: int
    contact: bool
    offer_pct: int
    delay_days: int
    contact_on: date | None
    p_churn: float
    p_accept: dict[int, float]
    cause: Cause
    constraint: Constraint | None
    drivers: tuple[RiskDriver, ...]
    reserve_usd: float
    propensity: float
    uniform: float
    eligible: tuple[int, ...]
    probabilities: tuple[float, ...]
    context: tuple[float, ...]
    pace: Pace
