"""Constraints on actions: a mask for each rule, so that the binding one can be named."""

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import Literal

import msgspec
import numpy as np

from churnsaver_serving.runtime.acceptance import WEEKDAYS
from churnsaver_serving.runtime.actions import ActionSpace
from churnsaver_serving.runtime.arrays import Bools, Floats
from churnsaver_serving.runtime.customer import Customer
from churnsaver_serving.runtime.rules import Rules
from churnsaver_serving.runtime.value import whole_cents

Constraint = Literal[
    "opt_out", "active_offer", "contact_days", "cooldown", "fatigue", "capacity", "budget"
]


class SharedState(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The limits that all customers share at a decision.

    Attributes:
        budget_remaining_usd: Budget less everything committed.
        capacity_left: Contacts still free on the day of each delay, length D.
    """

    budget_remaining_usd: float
    capacity_left: tuple[int, ...]


def customer_masks(
    customers: Sequence[Customer], today: date, space: ActionSpace, rules: Rules
) -> dict[Constraint, Bools]:
    """Apply the rules that look at one customer only.

    Returns:
        For each rule the allowed actions, shape (n, space.size). No contact is always allowed.
    """
    days = [today + timedelta(days=delay) for delay in space.delays_days]
    working = np.array([WEEKDAYS[day.weekday()] in rules.contact_weekdays for day in days])
    histories = [customer.history for customer in customers]
    opted_in = np.array([not history.opted_out for history in histories])
    fresh = np.array([history.contacts_in_window < rules.fatigue_cap for history in histories])
    lapsed = _passed([one.last_accepted_on for one in histories], days, rules.accepted_rest_days)
    rested = _passed([one.last_contact_on for one in histories], days, rules.cooldown_days)
    shape = (len(customers), len(days))
    return {
        "opt_out": _joint(np.broadcast_to(opted_in[:, None], shape), space),
        "active_offer": _joint(lapsed, space),
        "contact_days": _joint(np.broadcast_to(working, shape), space),
        "cooldown": _joint(rested, space),
        "fatigue": _joint(np.broadcast_to(fresh[:, None], shape), space),
    }


def shared_masks(
    reserve_usd: Floats, shared: SharedState, space: ActionSpace
) -> dict[Constraint, Bools]:
    """Apply the rules on what customers share, to rows that each see the same `shared`.

    Args:
        reserve_usd: Most that each action can cost, shape (n, space.size).
        shared: What is left of budget and capacity.
        space: The action space.

    Returns:
        For each rule the allowed actions, shape (n, space.size).
    """
    free = np.asarray(shared.capacity_left) > 0
    within = whole_cents(reserve_usd) <= whole_cents(shared.budget_remaining_usd)
    within[:, 0] = True
    return {
        "capacity": _joint(np.broadcast_to(free, (len(reserve_usd), len(free))), space),
        "budget": within,
    }


def binding(
    wanted: int, chosen: int, masks: Mapping[Constraint, Bools], row: int
) -> Constraint | None:
    """Return the rule that kept a row from what its policy wanted; None where none did."""
    if wanted == chosen:
        return None
    return next((name for name, mask in masks.items() if not mask[row, wanted]), None)


def _passed(since: Sequence[date | None], days: Sequence[date], least: int) -> Bools:
    """Return whether that many days have passed by each of the days, shape (n, D)."""
    return np.array(
        [[last is None or (day - last).days >= least for day in days] for last in since]
    )


def _joint(by_delay: Bools, space: ActionSpace) -> Bools:
    """Turn allowed delays (n, D) into allowed joint actions (n, space.size)."""
    contact = np.repeat(by_delay, len(space.offers_pct), axis=1)
    return np.concatenate([np.ones((len(by_delay), 1), dtype=np.bool_), contact], axis=1)
