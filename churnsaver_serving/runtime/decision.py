"""A decision with everything that led to it."""

from datetime import date
from typing import Literal

import msgspec

from churnsaver_serving.runtime.belief import SIGNALS
from churnsaver_serving.runtime.constraints import Constraint
from churnsaver_serving.runtime.reasons import RiskDriver

Cause = Literal["policy", "exploration"]


class Pace(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a policy is told of how the budget period goes.

    Attributes:
        multiplier: what a dollar of budget is worth now; 0 for policies without pacing.
        belief: log ratios of observed over expected, in the order of `SIGNALS`.
    """

    multiplier: float = 0.0
    belief: tuple[float, ...] = (0.0,) * len(SIGNALS)


class Decision(msgspec.Struct, frozen=True):
    """One customer's decision with everything that led to it.

    Attributes:
        action: index in the action space.
        contact: whether to contact.
        offer_pct: discount offered, percent; 0 without contact.
        delay_days: days until the contact; 0 without contact.
        contact_on: day of the contact; None without contact.
        p_churn: calibrated probability to leave within a month.
        p_accept: of each offer, at the chosen delay (without contact: at the shortest).
        cause: whether the policy's own choice was drawn or exploration's.
        constraint: the rule that kept the policy from what it wanted; None where none did.
        drivers: strongest drivers of the risk.
        reserve_usd: most that the action can cost; committed at the decision.
        propensity: probability with which the action was drawn.
        uniform: the random number it was drawn with.
        eligible: indices of the actions that the rules allowed.
        probabilities: of the actions in `eligible`, in that order.
        context: the encoded risk features, in the encoder's order.
        pace: multiplier and belief that the policy was given.
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
