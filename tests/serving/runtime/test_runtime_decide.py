"""A batch decides as its customers would one after the other."""

from datetime import date, timedelta

import msgspec
import numpy as np
from hypothesis import given, seed, settings
from hypothesis import strategies as st
from serving_profiles import AT_RISK, LOYAL, random_profiles
from serving_release import RULES, SEED

from churnsaver_serving.runtime.actions import NO_CONTACT
from churnsaver_serving.runtime.constraints import SharedState
from churnsaver_serving.runtime.customer import ContactHistory, Customer
from churnsaver_serving.runtime.decide import Decision
from churnsaver_serving.runtime.release import Release

MONDAY = date(2026, 11, 2)
PROFILES = [AT_RISK, LOYAL, *random_profiles(30, np.random.default_rng(SEED))]
AMPLE = SharedState(1e6, (1000,) * 4)


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
    exploration: float,
) -> list[Decision]:
    """Each alone, on what the ledger would say is left."""
    engine = release.engine(rules=msgspec.structs.replace(RULES, exploration=exploration))
    decisions = []
    cents, left = round(shared.budget_remaining_usd * 100), list(shared.capacity_left)
    for at, customer in enumerate(batch):
        state = SharedState(cents / 100, tuple(left))
        decision = engine.decide([customer], state, MONDAY, uniforms[at : at + 1])[0]
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
)
@settings(max_examples=150, deadline=None)
def test_batch_equals_one_by_one(
    release: Release,
    batch: list[Customer],
    shared: SharedState,
    exploration: float,
    seed: int,
) -> None:
    uniforms = np.random.default_rng(seed).random(len(batch))
    engine = release.engine(rules=msgspec.structs.replace(RULES, exploration=exploration))
    together = engine.decide(batch, shared, MONDAY, uniforms)
    assert together == one_by_one(release, batch, shared, uniforms, exploration)


def test_decision_tells_what_led_to_it(release: Release) -> None:
    engine = release.engine(rules=msgspec.structs.replace(RULES, exploration=0.0))
    history = ContactHistory(last_contact_on=MONDAY - timedelta(days=3), contacts_in_window=1)
    batch = [
        Customer("new", AT_RISK, "cellular", ContactHistory()),
        Customer("rests", AT_RISK, "cellular", history),
        Customer("loyal", LOYAL, "cellular", ContactHistory()),
    ]
    new, rests, loyal = engine.decide(batch, AMPLE, MONDAY, np.full(3, 0.5))
    assert (new.contact, new.delay_days, new.contact_on) == (True, 0, MONDAY)
    assert (new.constraint, new.cause, new.propensity) == (None, "policy", 1.0)
    assert rests.contact_on == MONDAY + timedelta(days=7)
    assert rests.constraint == "cooldown"
    assert (loyal.action, loyal.contact_on, loyal.reserve_usd) == (NO_CONTACT, None, 0.0)
    assert len(new.context) == len(engine.risk.encoder.columns)
    assert [abs(driver.contribution) for driver in new.drivers] == sorted(
        (abs(driver.contribution) for driver in new.drivers), reverse=True
    )


def test_exploration_is_named_as_the_cause(release: Release) -> None:
    greedy_engine = release.engine(rules=msgspec.structs.replace(RULES, exploration=0.0))
    engine = release.engine(rules=msgspec.structs.replace(RULES, exploration=1.0))
    batch = [Customer("c", AT_RISK, "cellular", ContactHistory())] * 200
    own = greedy_engine.decide(batch[:1], AMPLE, MONDAY, np.full(1, 0.5))[0].action
    decisions = engine.decide(batch, AMPLE, MONDAY, np.random.default_rng(42).random(200))
    first = engine.decide(batch[:1], AMPLE, MONDAY, np.zeros(1))[0].action
    for decision in decisions:
        best = decision.probabilities.index(max(decision.probabilities))
        assert decision.propensity == decision.probabilities[best]  # all alike: 1 / eligible
        assert (decision.cause == "policy") == (decision.action == own)
    assert {decision.cause for decision in decisions} == {"policy", "exploration"}
    assert len({decision.action for decision in decisions}) == engine.space.size
    assert first == NO_CONTACT  # a uniform of 0 draws the first action


def test_nobody_no_decision(release: Release) -> None:
    assert release.engine().decide([], AMPLE, MONDAY, np.empty(0)) == []
