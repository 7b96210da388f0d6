"""Constraints on contacts: for each rule the days that it allows, so that it can be named."""

from typing import Literal

import numpy as np

from churnsaver_serving.runtime.arrays import Bools, Ints
from churnsaver_serving.runtime.limits.rules import Rules
from churnsaver_serving.runtime.limits.standing import Standing

Constraint = Literal[
    "opt_out",
    "churned",
    "open_contact",
    "active_offer",
    "contact_days",
    "cooldown",
    "fatigue",
    "capacity",
    "budget",
]

NO_DAY = -1


def allowed_days(
    standing: Standing,
    today: Ints,
    open_days: Bools,
    delays_days: tuple[int, ...],
    rules: Rules,
) -> dict[Constraint, Bools]:
    """Apply the rules that look at one customer only.

    Args:
        standing: What the ledger holds of n customers.
        today: The customers' own today, ordinals, shape (n,).
        open_days: Days after each delay on which a message may go out there: working days, no
            holidays, hours not over, shape (n, D).
        delays_days: The D delays.
        rules: The rules.

    Returns:
        For each rule the days that it allows, shape (n, D).
    """
    days = today[:, None] + np.asarray(delays_days)
    shape = days.shape
    return {
        "opt_out": np.broadcast_to(~standing.opted_out[:, None], shape),
        "churned": np.broadcast_to(~standing.churned[:, None], shape),
        "open_contact": np.broadcast_to(~standing.waiting[:, None], shape),
        "active_offer": days - standing.last_accepted[:, None] >= rules.accepted_rest_days,
        "contact_days": open_days,
        "cooldown": days - standing.last_contact[:, None] >= rules.cooldown_days,
        "fatigue": np.broadcast_to(
            (standing.contacts_in_window < rules.fatigue_cap)[:, None], shape
        ),
    }


def first_day(allowed: Bools) -> Ints:
    """Return the position of the first allowed day of each row, or `NO_DAY`, shape (n,)."""
    return np.where(allowed.any(axis=1), allowed.argmax(axis=1), NO_DAY)
