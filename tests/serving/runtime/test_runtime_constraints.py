"""Days that the rules allow, at their edges."""

from datetime import date, timedelta
from typing import Any

import msgspec
import numpy as np
import pytest

from churnsaver_serving.runtime.customer import ContactHistory, Customer
from churnsaver_serving.runtime.limits.constraints import (
    NO_DAY,
    Constraint,
    allowed_days,
    first_day,
)
from churnsaver_serving.runtime.limits.standing import Standing
from tests.support.serving.profiles import AT_RISK
from tests.support.serving.release import RULES, SPACE

MONDAY = date(2026, 11, 2)
ALL = set(SPACE.delays_days)


def allowed(
    open_days: set[int] = ALL, rules: dict[str, Any] | None = None, **history: Any
) -> dict[Constraint, set[int]]:
    """Delays that each rule allows a customer with that history on a Monday."""
    standing = Standing.of([Customer("c", AT_RISK, "cellular", ContactHistory(**history))])
    found = allowed_days(
        standing,
        np.array([MONDAY.toordinal()]),
        np.array([[delay in open_days for delay in SPACE.delays_days]]),
        SPACE.delays_days,
        msgspec.structs.replace(RULES, **(rules or {})),
    )
    assert all(days.shape == (1, len(SPACE.delays_days)) for days in found.values())
    return {
        rule: {delay for delay, free in zip(SPACE.delays_days, days[0], strict=True) if free}
        for rule, days in found.items()
    }


def test_nothing_binds_a_new_customer() -> None:
    assert all(days == ALL for days in allowed().values())


@pytest.mark.parametrize(
    ("history", "rule"),
    [
        ({"opted_out": True}, "opt_out"),
        ({"churned": True}, "churned"),
        ({"waiting": True}, "open_contact"),
        ({"contacts_in_window": 4}, "fatigue"),
    ],
)
def test_what_rules_out_every_day(history: dict[str, Any], rule: Constraint) -> None:
    found = allowed(**history)
    assert found.pop(rule) == set()
    assert all(days == ALL for days in found.values())


def test_contact_days_are_those_of_the_calendar() -> None:
    assert allowed({2, 5})["contact_days"] == {2, 5}


@pytest.mark.parametrize(("days_ago", "first"), [(7, 0), (6, 1), (4, 3), (0, 7), (-1, 8)])
def test_cooldown_counts_to_the_day_of_contact(days_ago: int, first: int) -> None:
    found = allowed(last_contact_on=MONDAY - timedelta(days=days_ago), contacts_in_window=1)
    assert found["cooldown"] == set(range(first, 8))


@pytest.mark.parametrize(("days_ago", "first"), [(90, 0), (89, 1), (84, 6), (82, 8), (0, 8)])
def test_whoever_accepted_rests_until_the_day_of_contact(days_ago: int, first: int) -> None:
    accepted = MONDAY - timedelta(days=days_ago)
    assert allowed(last_accepted_on=accepted)["active_offer"] == set(range(first, 8))
    assert (
        allowed(rules={"accepted_rest_days": 0}, last_accepted_on=accepted)["active_offer"] == ALL
    )


def test_fatigue_cap() -> None:
    assert allowed(contacts_in_window=3)["fatigue"] == ALL
    assert allowed(rules={"fatigue_cap": 0})["fatigue"] == set()


def test_first_day_that_all_allow() -> None:
    days = np.array([[False, True, True], [False, False, False], [True, False, True]])
    assert first_day(days).tolist() == [1, NO_DAY, 0]
