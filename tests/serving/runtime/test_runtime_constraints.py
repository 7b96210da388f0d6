"""Masks of the rules, at their edges."""

from datetime import date, timedelta
from typing import Any

import msgspec
import numpy as np
import pytest

from churnsaver_serving.runtime.actions import ActionSpace
from churnsaver_serving.runtime.constraints import (
    SharedState,
    binding,
    customer_masks,
    shared_masks,
)
from churnsaver_serving.runtime.customer import ContactHistory, Customer
from churnsaver_serving.runtime.value import reserve_usd
from tests.support.serving.profiles import AT_RISK
from tests.support.serving.release import RULES, assumptions

SPACE = ActionSpace()
MONDAY = date(2026, 11, 2)


def delays(mask: np.ndarray, row: int = 0) -> set[int]:
    """Delays of which a row's mask allows every offer; it must allow all or none of them."""
    allowed = mask[row, 1:].reshape(len(SPACE.delays_days), len(SPACE.offers_pct))
    assert (allowed.all(axis=1) == allowed.any(axis=1)).all()
    return {delay for delay, free in zip(SPACE.delays_days, allowed[:, 0], strict=True) if free}


def masks(today: date = MONDAY, rules: dict[str, Any] | None = None, **history: Any) -> Any:
    customer = Customer("c", AT_RISK, "cellular", ContactHistory(**history))
    result = customer_masks(
        [customer], today, SPACE, msgspec.structs.replace(RULES, **(rules or {}))
    )
    assert all(mask.shape == (1, SPACE.size) and mask[0, 0] for mask in result.values())
    return result


def test_nothing_binds_a_new_customer_on_a_monday() -> None:
    for mask in masks().values():
        assert mask.all()


def test_opt_out() -> None:
    assert delays(masks(opted_out=True)["opt_out"]) == set()


@pytest.mark.parametrize(
    ("weekday", "allowed"),
    [(0, {0, 1, 3, 7}), (2, {0, 1, 7}), (4, {0, 3, 7}), (5, {3}), (6, {1, 3})],
)
def test_contact_days(weekday: int, allowed: set[int]) -> None:
    assert delays(masks(MONDAY + timedelta(days=weekday))["contact_days"]) == allowed


@pytest.mark.parametrize(
    ("days_ago", "allowed"),
    [(7, {0, 1, 3, 7}), (6, {1, 3, 7}), (4, {3, 7}), (0, {7}), (-1, set()), (-7, set())],
)
def test_cooldown_counts_to_the_day_of_contact(days_ago: int, allowed: set[int]) -> None:
    last = MONDAY - timedelta(days=days_ago)
    assert delays(masks(last_contact_on=last)["cooldown"]) == allowed


@pytest.mark.parametrize(
    ("days_ago", "allowed"),
    [(30, {0, 1, 3, 7}), (29, {1, 3, 7}), (24, {7}), (22, set()), (0, set())],
)
def test_whoever_accepted_rests_until_the_day_of_contact(days_ago: int, allowed: set[int]) -> None:
    accepted = MONDAY - timedelta(days=days_ago)
    assert delays(masks(last_accepted_on=accepted)["active_offer"]) == allowed
    no_rest = masks(rules={"accepted_rest_days": 0}, last_accepted_on=accepted)
    assert no_rest["active_offer"].all()


def test_fatigue_cap() -> None:
    assert delays(masks(contacts_in_window=3)["fatigue"]) == {0, 1, 3, 7}
    assert delays(masks(contacts_in_window=4)["fatigue"]) == set()
    assert delays(masks(rules={"fatigue_cap": 0})["fatigue"]) == set()


def test_capacity_is_by_day() -> None:
    shared = SharedState(budget_remaining_usd=1e6, capacity_left=(0, 1, 0, 5))
    found = shared_masks(np.zeros((2, SPACE.size)), shared, SPACE)["capacity"]
    assert delays(found) == delays(found, row=1) == {1, 7}


def test_budget_may_be_spent_to_the_cent() -> None:
    reserve = reserve_usd(np.array([70.35]), SPACE, assumptions().nominal())
    dear = SPACE.index(20, 0)
    shared = SharedState(float(reserve[0, dear]), (9, 9, 9, 9))
    assert shared_masks(reserve, shared, SPACE)["budget"].all()
    less = SharedState(float(reserve[0, dear]) - 0.01, (9, 9, 9, 9))
    affordable = shared_masks(reserve, less, SPACE)["budget"][0]
    assert not affordable[SPACE.offer_pct == 20].any()
    assert affordable[SPACE.offer_pct < 20].all()


def test_binding_names_the_first_rule_that_forbade_the_wish() -> None:
    allowed = np.ones((1, SPACE.size), dtype=np.bool_)
    forbidden = allowed.copy()
    forbidden[0, 3] = False
    rules = {"opt_out": allowed, "cooldown": forbidden, "budget": forbidden}
    assert binding(3, 0, rules, 0) == "cooldown"
    assert binding(3, 3, rules, 0) is None
    assert binding(4, 0, rules, 0) is None
