"""A batch decides as its customers would one after the other."""

from datetime import date, timedelta

import msgspec
import numpy as np
from hypothesis import given, seed, settings
from hypothesis import strategies as st

from churnsaver_serving.runtime.actions import NO_CONTACT
from churnsaver_serving.runtime.constraints import SharedState
from churnsaver_serving.runtime.customer import ContactHistory, Customer
from churnsaver_serving.runtime.decision import Decision, Pace
from churnsaver_serving.runtime.release import Release
from tests.support.serving.profiles import AT_RISK, LOYAL, random_profiles
from tests.support.serving.release import RULES, SEED

MONDAY = date(2026, 11, 2)
PROFILES = [AT_RISK, LOYAL, *random_profiles(30, np.random.default_rng(SEED))]
AMPLE = SharedState(1e6, (1000,) * 4)
PACE = Pace(0.3, (0.2, -0.1, 0.1))


@st.composite
def histories(draw: st.DrawFn) -> ContactHistory:
    days_ago = draw(st.none() | st.integers(-7, 60))
    if days_ago is None:
        return ContactHistory(opted_out=draw(st.booleans()))
    last = MONDAY - timedelta(days=days_ago)
    return ContactHistory(
        last_contact_on=last,
        contacts_in_window=draw(st.integers(1, 4)) if days_ago < 30 else 0,
        previous_contact_on=last if days_ago >= 30 else None,
        previous_contacts=1 if days_ago >= 30 else 0,
        previous_outcome="failure" if days_ago >= 30 else "nonexistent",
        last_accepted_on=draw(st.sampled_from([None, last])),
    )


customers = st.builds(
    Customer,
    st.just("c"),
    st.sampled_from(PROFILES),
    st.sampled_from(["cellular", "telephone"]),
    histories(),
)
shared_states = st.builds(
    SharedState,
    st.integers(0, 60_000).map(lambda cents: cents / 100),
    st.tuples(*[st.integers(0, 4)] * 4) | st.just((1000,) * 4),
)


def one_by_one(
    release: Release,
    batch: list[Customer],
    shared: SharedState,
    uniforms: np.ndarray,
    *,
    pace: Pace,
    exploration: float,
) -> list[Decision]:
    """Each alone, on what the ledger would say is left."""
    engine = release.engine(rules=msgspec.structs.replace(RULES, exploration=exploration))
    decisions = []
    cents, left = round(shared.budget_remaining_usd * 100), list(shared.capacity_left)
    for at, customer in enumerate(batch):
        state = SharedState(cents / 100, tuple(left))
        decision = engine.decide([customer], state, MONDAY, uniforms[at : at + 1], pace)[0]
        decisions.append(decision)
        cents -= round(decision.reserve_usd * 100)
        if decision.contact:
            left[engine.space.delays_days.index(decision.delay_days)] -= 1
        assert cents >= 0
        assert min(left) >= 0
    return decisions


@seed(42)
@given(
    batch=st.lists(customers, min_size=1, max_size=8),
    shared=shared_states,
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
    shared: SharedState,
    exploration: float,
    seed: int,
    multiplier: float,
    learned: bool,
) -> None:
    pace = Pace(multiplier, PACE.belief)
    served = learned_release if learned else release
    uniforms = np.random.default_rng(seed).random(len(batch))
    engine = served.engine(rules=msgspec.structs.replace(RULES, exploration=exploration))
    together = engine.decide(batch, shared, MONDAY, uniforms, pace)
    assert together == one_by_one(
        served, batch, shared, uniforms, pace=pace, exploration=exploration
    )


def test_decision_tells_what_led_to_it(release: Release) -> None:
    engine = release.engine(rules=msgspec.structs.replace(RULES, exploration=0.0))
    history = ContactHistory(last_contact_on=MONDAY - timedelta(days=3), contacts_in_window=1)
    took = ContactHistory(last_accepted_on=MONDAY - timedelta(days=24), contacts_in_window=1)
    batch = [
        Customer("new", AT_RISK, "cellular", ContactHistory()),
        Customer("rests", AT_RISK, "cellular", history),
        Customer("loyal", LOYAL, "cellular", ContactHistory()),
        Customer("took", AT_RISK, "cellular", took),
    ]
    new, rests, loyal, closed = engine.decide(batch, AMPLE, MONDAY, np.full(4, 0.5), Pace())
    assert (new.contact, new.delay_days, new.contact_on) == (True, 0, MONDAY)
    assert (new.constraint, new.cause, new.propensity) == (None, "policy", 1.0)
    assert rests.contact_on == MONDAY + timedelta(days=7)
    assert rests.constraint == "cooldown"
    assert closed.contact_on == MONDAY + timedelta(days=7)  # 31 days after
    assert closed.constraint == "active_offer"
    assert (loyal.action, loyal.contact_on, loyal.reserve_usd) == (NO_CONTACT, None, 0.0)
    assert len(new.context) == len(engine.risk.encoder.columns)
    assert [abs(driver.contribution) for driver in new.drivers] == sorted(
        (abs(driver.contribution) for driver in new.drivers), reverse=True
    )


def test_exploration_is_named_as_the_cause(release: Release) -> None:
    greedy_engine = release.engine(rules=msgspec.structs.replace(RULES, exploration=0.0))
    engine = release.engine(rules=msgspec.structs.replace(RULES, exploration=1.0))
    batch = [Customer("c", AT_RISK, "cellular", ContactHistory())] * 200
    own = greedy_engine.decide(batch[:1], AMPLE, MONDAY, np.full(1, 0.5), PACE)[0].action
    decisions = engine.decide(batch, AMPLE, MONDAY, np.random.default_rng(42).random(200), PACE)
    first = engine.decide(batch[:1], AMPLE, MONDAY, np.zeros(1), PACE)[0].action
    for decision in decisions:
        best = decision.probabilities.index(max(decision.probabilities))
        assert decision.propensity == decision.probabilities[best]  # all alike: 1 / eligible
        assert (decision.cause == "policy") == (decision.action == own)
    assert {decision.cause for decision in decisions} == {"policy", "exploration"}
    assert len({decision.action for decision in decisions}) == engine.space.size
    assert first == NO_CONTACT  # a uniform of 0 draws the first action


def test_nobody_no_decision(release: Release) -> None:
    assert release.engine().decide([], AMPLE, MONDAY, np.empty(0), PACE) == []


def test_observation_is_the_customer_on_that_day(learned_release: Release) -> None:
    engine = learned_release.engine()
    seen = ContactHistory(last_contact_on=MONDAY - timedelta(days=3), contacts_in_window=2)
    pending = ContactHistory(last_contact_on=MONDAY + timedelta(days=3), contacts_in_window=1)
    batch = [
        Customer("new", AT_RISK, "cellular", ContactHistory()),
        Customer("seen", LOYAL, "cellular", seen),
        Customer("pending", AT_RISK, "cellular", pending),
    ]
    observation = engine.observe(batch, MONDAY, PACE)
    assert observation.days_left.tolist() == [29.0] * 3  # November has 30 days, this is the 2nd
    assert observation.days_since_contact.tolist() == [np.inf, 3.0, 0.0]
    assert observation.contacts_in_window.tolist() == [0.0, 2.0, 1.0]
    assert observation.monthly_charge_usd.tolist() == [95.5, 20.0, 95.5]
    assert observation.multiplier.tolist() == [0.3] * 3
    assert observation.belief.tolist() == [[0.2, -0.1, 0.1]] * 3
    decisions = engine.decide(batch, AMPLE, MONDAY, np.full(3, 0.5), PACE)
    assert [one.pace for one in decisions] == [PACE] * 3
    assert [one.p_churn for one in decisions] == observation.p_churn.tolist()


def test_fewer_contacts_where_money_is_dear(learned_release: Release) -> None:
    engine = learned_release.engine(rules=msgspec.structs.replace(RULES, exploration=0.0))
    batch = [
        Customer(str(at), one, "cellular", ContactHistory()) for at, one in enumerate(PROFILES)
    ]
    uniforms = np.full(len(batch), 0.5)
    contacts = [
        sum(one.contact for one in engine.decide(batch, AMPLE, MONDAY, uniforms, Pace(multiplier)))
        for multiplier in (0.0, 1.0, 3.0, 20.0)
    ]
    assert contacts == sorted(contacts, reverse=True)
    assert contacts[0] > contacts[1] > contacts[3]
