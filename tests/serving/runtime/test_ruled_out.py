"""Answers name every rule that stood in the way, and no other."""

from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given, seed, settings
from hypothesis import strategies as st

from churnsaver_serving.runtime.customer import ContactHistory, Customer
from churnsaver_serving.runtime.engine.decision import Decision, Pace
from churnsaver_serving.runtime.engine.release import Release
from churnsaver_serving.runtime.limits.actions import NO_CONTACT
from churnsaver_serving.runtime.limits.constraints import Constraint
from tests.support.serving.limits import AMPLE_CENTS, contact_days, limits
from tests.support.serving.profiles import AT_RISK, LOYAL, random_profiles
from tests.support.serving.release import RULES, SEED

MONDAY = date(2026, 11, 2)
SATURDAY = 5
WEEK = set(range(8))
# Accepted before, a while ago, so contacted whether money is free or dear.
KEEN = {"previous_contacts": 1, "previous_outcome": "success"}
GREEDY = msgspec.structs.replace(RULES, exploration=0.0)


@dataclass(frozen=True)
class Situation:
    """What stands in the way of a contact, whatever the weekday.

    `days_ago` of the latest contact, made or booked; `left` whether anything but no contact is.
    """

    rules: tuple[Constraint, ...]
    left: bool = False
    days_ago: int | None = None
    accepted_days_ago: int | None = None
    history: dict[str, Any] = field(default_factory=dict)
    cents: int = AMPLE_CENTS
    full: frozenset[int] = frozenset()
    holiday: bool = False


SITUATIONS = {
    "nothing": Situation((), left=True),
    "asked again, contacted today": Situation(
        ("open_contact", "cooldown"), days_ago=0, history={"waiting": True}
    ),
    "asked again, contact booked": Situation(
        ("open_contact", "cooldown"), days_ago=-3, history={"waiting": True}
    ),
    "asked again, no answer yet": Situation(
        ("open_contact",), days_ago=9, history={"waiting": True}
    ),
    "opted out on the day": Situation(
        ("opt_out", "cooldown"), days_ago=0, history={"opted_out": True}
    ),
    "churned": Situation(("churned",), days_ago=9, history={"churned": True}),
    "accepted that day": Situation(("active_offer", "cooldown"), days_ago=0, accepted_days_ago=0),
    "offer runs out": Situation(("active_offer",), left=True, days_ago=89, accepted_days_ago=88),
    "fatigue": Situation(("fatigue",), days_ago=9, history={"contacts_in_window": 4}),
    "fatigue and cooldown": Situation(
        ("cooldown", "fatigue"), days_ago=2, history={"contacts_in_window": 4}
    ),
    "cooldown": Situation(("cooldown",), left=True, days_ago=5),
    "budget gone": Situation(("budget",), cents=0),
    "budget for the talk alone": Situation(("budget",), left=True, cents=300),
    "cooldown and budget gone": Situation(("cooldown", "budget"), days_ago=5, cents=0),
    "fatigue and budget gone": Situation(
        ("fatigue", "budget"), days_ago=9, history={"contacts_in_window": 4}, cents=0
    ),
    "today full": Situation(("capacity",), left=True, full=frozenset({0})),
    "every day full": Situation(("capacity",), full=frozenset(WEEK)),
    "cooldown, every day full": Situation(
        ("cooldown", "capacity"), days_ago=5, full=frozenset(WEEK)
    ),
    "holiday": Situation(("contact_days",), left=True, holiday=True),
    "holiday and cooldown": Situation(
        ("contact_days", "cooldown"), left=True, holiday=True, days_ago=5
    ),
}
_ORDER: tuple[Constraint, ...] = (
    "opt_out",
    "churned",
    "open_contact",
    "active_offer",
    "contact_days",
    "cooldown",
    "fatigue",
    "capacity",
    "budget",
)


def decide(
    release: Release, policy: str, today: date, situation: Situation, multiplier: float
) -> Decision:
    past = {**KEEN, **situation.history}
    if situation.days_ago is not None:
        past["last_contact_on"] = today - timedelta(days=situation.days_ago)
        past.setdefault("contacts_in_window", int(situation.days_ago < 30))
    if situation.accepted_days_ago is not None:
        past["last_accepted_on"] = today - timedelta(days=situation.accepted_days_ago)
    (one,) = release.engine(policy=policy, rules=GREEDY).decide(
        [Customer("c", AT_RISK, "cellular", ContactHistory(**past))],
        contact_days(today, 1, closed=[today] if situation.holiday else ()),
        limits(today, situation.cents, sorted(situation.full)),
        np.full(1, 0.5),
        Pace(multiplier),
    )
    return one


@pytest.mark.parametrize("policy", ["one_step", "planner", "ppo"])
@pytest.mark.parametrize("multiplier", [0.0, 1.0])
@pytest.mark.parametrize("weekday", range(7))
@pytest.mark.parametrize("name", SITUATIONS)
def test_every_rule_is_named(
    several: Release, name: str, weekday: int, multiplier: float, policy: str
) -> None:
    situation, today = SITUATIONS[name], MONDAY + timedelta(days=weekday)
    expected = set(situation.rules)
    if weekday >= SATURDAY:
        expected.add("contact_days")
        if situation.full == {0}:  # closed anyway, so nobody missed room on it
            expected.discard("capacity")
    one = decide(several, policy, today, situation, multiplier)
    assert one.constraints == tuple(rule for rule in _ORDER if rule in expected)
    assert one.only_no_contact == (not situation.left)
    assert one.cause == "policy"
    if not situation.left:
        assert one.action == NO_CONTACT
    if situation.left and "budget" not in expected:
        assert one.contact
        assert one.contact_on is not None
        assert one.contact_on.weekday() < SATURDAY
        assert (one.delay_days == 0) == (not expected)


@pytest.mark.parametrize("policy", ["one_step", "planner", "ppo"])
@pytest.mark.parametrize("name", [name for name, one in SITUATIONS.items() if one.cents == 0])
def test_money_that_is_gone_is_named_whatever_its_price(
    several: Release, name: str, policy: str
) -> None:
    """The day after the money went its price is up, so that nobody seems worth it."""
    situation = SITUATIONS[name]
    one = decide(several, policy, MONDAY, situation, 20.0)
    assert one.constraints == situation.rules
    assert one.only_no_contact


def test_a_price_that_can_be_paid_is_the_policys_own_reason(several: Release) -> None:
    one = decide(several, "one_step", MONDAY, Situation(()), 20.0)
    assert (one.contact, one.constraints, one.only_no_contact) == (False, (), False)
    one = decide(several, "one_step", MONDAY, SITUATIONS["cooldown"], 20.0)
    assert (one.contact, one.constraints, one.only_no_contact) == (False, (), False)


def test_who_would_not_be_contacted_anyway_has_no_rule_to_blame(several: Release) -> None:
    booked = ContactHistory(last_contact_on=MONDAY, contacts_in_window=1, waiting=True)
    (one,) = several.engine(rules=GREEDY).decide(
        [Customer("c", LOYAL, "cellular", booked)],
        contact_days(MONDAY, 1),
        limits(MONDAY, cents=0),
        np.full(1, 0.5),
        Pace(),
    )
    assert (one.constraints, one.only_no_contact, one.cause) == ((), True, "policy")


def test_the_offer_that_money_denied_is_said_beside_the_one_it_allowed(several: Release) -> None:
    """One who got less than the policy wanted is told so too."""
    one = decide(several, "one_step", MONDAY, Situation(()), 0.0)
    assert one.offer_pct == 20
    less = decide(several, "one_step", MONDAY, Situation((), cents=3_000), 0.0)
    assert less.contact
    assert less.offer_pct < 20
    assert less.constraints == ("budget",)


PROFILES = [AT_RISK, LOYAL, *random_profiles(30, np.random.default_rng(SEED))]


@seed(42)
@given(
    profile=st.sampled_from(PROFILES),
    days_ago=st.none() | st.integers(-7, 40),
    weekday=st.integers(0, 6),
    flags=st.sampled_from([{}, {}, {"waiting": True}, {"opted_out": True}, {"churned": True}]),
    accepted=st.booleans(),
    cents=st.sampled_from([0, 300, 3_000, AMPLE_CENTS]),
    full=st.frozensets(st.integers(0, 7)),
    multiplier=st.sampled_from([0.0, 0.3, 1.0]),
    policy=st.sampled_from(["one_step", "planner", "ppo", "propensity_threshold"]),
)
@settings(max_examples=300, deadline=None)
def test_no_contact_without_a_reason(
    several: Release,
    *,
    profile: Any,
    days_ago: int | None,
    weekday: int,
    flags: dict[str, bool],
    accepted: bool,
    cents: int,
    full: frozenset[int],
    multiplier: float,
    policy: str,
) -> None:
    """Whoever is contacted when nothing rules is told which rule ruled."""
    today = MONDAY + timedelta(days=weekday)
    last = None if days_ago is None else today - timedelta(days=days_ago)
    history = ContactHistory(
        last_contact_on=last,
        contacts_in_window=int(days_ago is not None and days_ago < 30),
        last_accepted_on=last if accepted else None,
        **flags,
    )
    engine = several.engine(policy=policy, rules=GREEDY)

    def asked(
        history: ContactHistory, today: date, cents: int, full: Any, price: float
    ) -> Decision:
        (one,) = engine.decide(
            [Customer("c", profile, "cellular", history)],
            contact_days(today, 1),
            limits(today, cents, sorted(full)),
            np.full(1, 0.5),
            Pace(price),
        )
        return one

    one = asked(history, today, cents, full, multiplier)
    fresh = asked(ContactHistory(), MONDAY, AMPLE_CENTS, (), multiplier if cents else 0.0)
    all_of_today = (0, 1, 2, 3, 4)
    assert one.cause == "policy"
    if fresh.contact and not one.contact and one.eligible != all_of_today:
        assert one.constraints
    if not fresh.contact and not one.contact:
        assert one.constraints == ()
    if one.delay_days > 0:
        assert one.constraints or not fresh.contact
