"""A batch decides as its customers would one after the other."""

import copy
from datetime import date, timedelta

import msgspec
import numpy as np
import pytest
from hypothesis import given, seed, settings
from hypothesis import strategies as st

from churnsaver_serving.runtime.customer import ContactHistory, Customer
from churnsaver_serving.runtime.engine.choice import SharedLimits
from churnsaver_serving.runtime.engine.decide import ContactDays
from churnsaver_serving.runtime.engine.decision import Decision, Pace
from churnsaver_serving.runtime.engine.release import Release
from churnsaver_serving.runtime.limits.account import Account
from churnsaver_serving.runtime.limits.actions import NO_CONTACT
from tests.support.serving.limits import contact_days, limits
from tests.support.serving.profiles import AT_RISK, LOYAL, random_profiles
from tests.support.serving.release import RULES, SEED, SPACE

MONDAY = date(2026, 11, 2)
DAY = MONDAY.toordinal()
NOVEMBER = 12 * 2026 + 10
PROFILES = [AT_RISK, LOYAL, *random_profiles(30, np.random.default_rng(SEED))]
PACE = Pace(0.3, (0.2, -0.1, 0.1))
DAYS = len(SPACE.delays_days)


@st.composite
def histories(draw: st.DrawFn) -> ContactHistory:
    days_ago = draw(st.none() | st.integers(-7, 60))
    opted_out, churned = draw(
        st.sampled_from([(False, False)] * 4 + [(True, False), (False, True)])
    )
    if days_ago is None:
        return ContactHistory(opted_out=opted_out, churned=churned)
    last = MONDAY - timedelta(days=days_ago)
    return ContactHistory(
        last_contact_on=last,
        contacts_in_window=draw(st.integers(1, 4)) if days_ago < 30 else 0,
        previous_contact_on=last if days_ago >= 30 else None,
        previous_contacts=1 if days_ago >= 30 else 0,
        previous_outcome="failure" if days_ago >= 30 else "nonexistent",
        last_accepted_on=draw(st.sampled_from([None, last])),
        waiting=days_ago < 14 and draw(st.booleans()),
        opted_out=opted_out,
        churned=churned,
    )


customers = st.builds(
    Customer,
    st.just("c"),
    st.sampled_from(PROFILES),
    st.sampled_from(["cellular", "telephone"]),
    histories(),
)


@st.composite
def shared_limits(draw: st.DrawFn) -> SharedLimits:
    account = st.builds(
        Account, st.integers(0, 60_000) | st.just(10**9), st.integers(0, 500), st.just(0)
    )
    free = {
        DAY + delay: draw(st.integers(0, 4)) for delay in range(-1, DAYS + 1) if draw(st.booleans())
    }
    months = (NOVEMBER - 1, NOVEMBER, NOVEMBER + 1)
    return SharedLimits(
        {month: draw(account) for month in months}, free, draw(st.sampled_from([0.0, 3.0]))
    )


def one_by_one(
    release: Release,
    batch: list[Customer],
    days: ContactDays,
    shared: SharedLimits,
    uniforms: np.ndarray,
    *,
    pace: Pace,
    exploration: float,
) -> list[Decision]:
    """Each alone, on what the ledger would say is left."""
    engine = release.engine(rules=msgspec.structs.replace(RULES, exploration=exploration))
    decisions = []
    for at, customer in enumerate(batch):
        row = slice(at, at + 1)
        own = ContactDays(days.today[row], days.open_days[row])
        decisions += engine.decide([customer], own, shared, uniforms[row], pace)
    return decisions


@seed(42)
@given(
    batch=st.lists(customers, min_size=1, max_size=8),
    shared=shared_limits(),
    exploration=st.sampled_from([0.0, 0.02, 1.0]),
    seed=st.integers(0, 2**32 - 1),
    multiplier=st.sampled_from([0.0, 0.3, 2.0]),
    learned=st.booleans(),
)
@settings(max_examples=150, deadline=None)
def test_batch_equals_one_by_one(
    release: Release,
    learned_release: Release,
    *,
    batch: list[Customer],
    shared: SharedLimits,
    exploration: float,
    seed: int,
    multiplier: float,
    learned: bool,
) -> None:
    pace = Pace(multiplier, PACE.belief)
    served = learned_release if learned else release
    rng = np.random.default_rng(seed)
    uniforms = rng.random(len(batch))
    # Customers east and west have other todays, and each has holidays of its own.
    days = ContactDays(DAY + rng.integers(-1, 2, len(batch)), rng.random((len(batch), DAYS)) < 0.7)
    engine = served.engine(rules=msgspec.structs.replace(RULES, exploration=exploration))
    before, alone = copy.deepcopy(shared), copy.deepcopy(shared)
    together = engine.decide(batch, days, shared, uniforms, pace)
    assert together == one_by_one(
        served, batch, days, alone, uniforms, pace=pace, exploration=exploration
    )
    assert shared == alone
    _audit(together, before, shared)


def _audit(decisions: list[Decision], before: SharedLimits, after: SharedLimits) -> None:
    """Assert that the decisions used exactly what is gone, and that it was there."""
    for decision in decisions:
        assert decision.contact == (decision.contact_on is not None)
        assert decision.contact == (decision.commitment is not None)
        assert decision.action in decision.eligible
        assert abs(sum(decision.probabilities) - 1.0) < 1e-9
        assert decision.only_no_contact == (decision.eligible == (NO_CONTACT,))
    for day, free in before.free.items():
        used = sum(one.contact_on == date.fromordinal(day) for one in decisions)
        assert after.free[day] == free - used >= 0
    accounts = dict(before.accounts)
    for one in decisions:
        if one.contact_on is not None and one.commitment is not None:
            month = one.contact_on.year * 12 + one.contact_on.month - 1
            accounts[month] = accounts[month].committed(one.commitment)
            assert accounts[month].required_cents(after.deviations) <= accounts[month].limit_cents
    assert after.accounts == accounts


def test_decision_tells_what_led_to_it(release: Release) -> None:
    engine = release.engine(rules=msgspec.structs.replace(RULES, exploration=0.0))
    history = ContactHistory(last_contact_on=MONDAY - timedelta(days=3), contacts_in_window=1)
    took = ContactHistory(last_accepted_on=MONDAY - timedelta(days=88), previous_contacts=1)
    batch = [
        Customer("new", AT_RISK, "cellular", ContactHistory()),
        Customer("rests", AT_RISK, "cellular", history),
        Customer("loyal", LOYAL, "cellular", ContactHistory()),
        Customer("took", AT_RISK, "cellular", took),
    ]
    shared = limits(MONDAY)
    new, rests, loyal, closed = engine.decide(
        batch, contact_days(MONDAY, 4), shared, np.full(4, 0.5), Pace()
    )
    assert (new.contact, new.delay_days, new.contact_on) == (True, 0, MONDAY)
    assert (new.constraints, new.cause, new.propensity) == ((), "policy", 1.0)
    assert rests.contact_on == MONDAY + timedelta(days=4)
    assert rests.constraints == ("cooldown",)
    assert closed.contact_on == MONDAY + timedelta(days=2)
    assert closed.constraints == ("active_offer",)
    assert (loyal.action, loyal.contact_on, loyal.commitment) == (NO_CONTACT, None, None)
    assert (loyal.constraints, loyal.only_no_contact) == ((), False)
    assert new.remaining_cents == shared.accounts[NOVEMBER].limit_cents
    assert len(new.context) == len(engine.risk.encoder.columns)
    assert [abs(driver.contribution) for driver in new.drivers] == sorted(
        (abs(driver.contribution) for driver in new.drivers), reverse=True
    )


def test_money_is_committed_to_the_month_of_the_contact(release: Release) -> None:
    engine = release.engine(rules=msgspec.structs.replace(RULES, exploration=0.0))
    saturday = date(2026, 10, 31)
    batch = [Customer("c", AT_RISK, "cellular", ContactHistory())]
    shared = limits(saturday)
    (one,) = engine.decide(batch, contact_days(saturday, 1), shared, np.full(1, 0.5), Pace())
    assert (one.contact_on, one.delay_days) == (MONDAY, 2)
    assert one.commitment is not None
    assert shared.accounts[NOVEMBER].mean_cents == one.commitment.mean_cents
    assert shared.accounts[NOVEMBER - 1] == limits(saturday).accounts[NOVEMBER - 1]


def test_acceptance_is_that_of_the_day_judged(release: Release) -> None:
    engine = release.engine()
    history = ContactHistory(last_contact_on=MONDAY - timedelta(days=3), contacts_in_window=1)
    batch = [Customer("c", AT_RISK, "cellular", history)]
    (one,) = engine.decide(batch, contact_days(MONDAY, 1), limits(MONDAY), np.full(1, 0.5), PACE)
    seen = engine.observe(batch, np.array([DAY]), np.array([4]), PACE)
    assert seen.days_since_contact.tolist() == [7.0]
    assert list(one.p_accept.values()) == seen.p_accept[0].tolist()
    today = engine.observe(batch, np.array([DAY]), np.array([0]), PACE)
    assert (today.p_accept < seen.p_accept).all()


def test_exploration_is_named_as_the_cause(release: Release) -> None:
    margin = {"exploration_margin_usd": 1e6}
    greedy = release.engine(rules=msgspec.structs.replace(RULES, exploration=0.0, **margin))
    engine = release.engine(rules=msgspec.structs.replace(RULES, exploration=1.0, **margin))
    batch = [Customer("c", AT_RISK, "cellular", ContactHistory())] * 200
    days = contact_days(MONDAY, 200)
    (own,) = greedy.decide(
        batch[:1], contact_days(MONDAY, 1), limits(MONDAY), np.full(1, 0.5), PACE
    )
    uniforms = np.random.default_rng(42).random(200)
    decisions = engine.decide(batch, days, limits(MONDAY), uniforms, PACE)
    for decision in decisions:
        assert decision.propensity == pytest.approx(0.2)  # all alike: no contact and four offers
        assert (decision.cause == "policy") == (decision.action == own.action)
    assert {decision.cause for decision in decisions} == {"policy", "exploration"}
    assert {decision.action for decision in decisions} == {0, 1, 2, 3, 4}


def test_nobody_no_decision(release: Release) -> None:
    shared = limits(MONDAY)
    assert release.engine().decide([], contact_days(MONDAY, 0), shared, np.empty(0), PACE) == []


def test_drivers_are_reckoned_where_they_are_shown(release: Release) -> None:
    batch = [Customer("c", AT_RISK, "cellular", ContactHistory())]

    def asked(*, explained: bool) -> Decision:
        (one,) = release.engine().decide(
            batch,
            contact_days(MONDAY, 1),
            limits(MONDAY),
            np.full(1, 0.5),
            PACE,
            explained=explained,
        )
        return one

    shown, hidden = asked(explained=True), asked(explained=False)
    assert (len(shown.drivers), hidden.drivers) == (3, ())
    assert msgspec.structs.replace(shown, drivers=()) == hidden


def test_observation_is_the_customer_on_that_day(learned_release: Release) -> None:
    engine = learned_release.engine()
    seen = ContactHistory(last_contact_on=MONDAY - timedelta(days=3), contacts_in_window=2)
    pending = ContactHistory(last_contact_on=MONDAY + timedelta(days=3), contacts_in_window=1)
    batch = [
        Customer("new", AT_RISK, "cellular", ContactHistory()),
        Customer("seen", LOYAL, "cellular", seen),
        Customer("pending", AT_RISK, "cellular", pending),
    ]
    observation = engine.observe(batch, np.full(3, DAY), np.array([0, 2, 5]), PACE)
    assert observation.wait_days.tolist() == [0.0, 2.0, 5.0]
    assert observation.days_since_contact.tolist() == [np.inf, 5.0, 2.0]
    assert observation.contacts_in_window.tolist() == [0.0, 2.0, 1.0]
    assert observation.monthly_charge_usd.tolist() == [95.5, 20.0, 95.5]
    assert observation.multiplier.tolist() == [0.3] * 3
    assert observation.belief.tolist() == [[0.2, -0.1, 0.1]] * 3
    assert observation.offers_pct == engine.space.offers_pct
    decisions = engine.decide(batch, contact_days(MONDAY, 3), limits(MONDAY), np.full(3, 0.5), PACE)
    assert [one.pace for one in decisions] == [PACE] * 3
    assert [one.p_churn for one in decisions] == observation.p_churn.tolist()


def test_fewer_contacts_where_money_is_dear(learned_release: Release) -> None:
    engine = learned_release.engine(rules=msgspec.structs.replace(RULES, exploration=0.0))
    batch = [
        Customer(str(at), one, "cellular", ContactHistory()) for at, one in enumerate(PROFILES)
    ]
    uniforms, days = np.full(len(batch), 0.5), contact_days(MONDAY, len(batch))
    contacts = [
        sum(
            one.contact
            for one in engine.decide(batch, days, limits(MONDAY), uniforms, Pace(multiplier))
        )
        for multiplier in (0.0, 0.5, 1.0, 20.0)
    ]
    assert contacts == sorted(contacts, reverse=True)
    assert contacts[0] > contacts[1] > contacts[3]
