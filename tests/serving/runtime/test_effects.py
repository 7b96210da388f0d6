"""What contacts do: the formulas' own relations, and the rules as API and simulator keep them."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import msgspec
import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from churnsaver_assets.decision.simulator.environment import RetentionVectorEnv
from churnsaver_assets.decision.simulator.worlds import Worlds
from churnsaver_serving.runtime.constraints import customer_masks
from churnsaver_serving.runtime.customer import ContactHistory, Customer, Profile
from churnsaver_serving.runtime.effects import (
    ContactTerms,
    acceptance_shift,
    contact_terms,
    daily_hazard,
    disturbed_hazard,
)
from tests.support.decision.cohort import START, nominal_world, packaged_assumptions, small_setting

if TYPE_CHECKING:
    from churnsaver_serving.runtime.arrays import Floats

OFFERS = (0, 5, 10, 20)

_seeds = st.integers(0, 10_000)


def _terms(effects: object, n: int, seed: int, **given_terms: Floats) -> ContactTerms:
    rng = np.random.default_rng(seed)
    p_churn = rng.uniform(0.01, 0.95, n)
    arguments = {
        "p_churn": p_churn,
        "hazard": daily_hazard(nominal_world(), p_churn),
        "monthly_charge_usd": rng.uniform(18.0, 120.0, n),
        "p_accept": rng.uniform(0.0, 1.0, (n, len(OFFERS))),
        "days_left": rng.integers(1, 31, n).astype(np.float64),
    }
    return contact_terms(effects, OFFERS, **(arguments | given_terms))  # type: ignore[arg-type]


@given(p_churn=arrays(np.float64, 5, elements=st.floats(1e-6, 0.999)))
def test_daily_hazard_compounds_to_the_period(p_churn: Floats) -> None:
    world = nominal_world()
    stay = (1.0 - daily_hazard(world, p_churn)) ** world.period_days
    np.testing.assert_allclose(stay, 1.0 - p_churn, rtol=1e-9)


@given(
    p_churn=st.floats(0.001, 0.999),
    disturbance=st.floats(0.0, 5.0),
    first=st.integers(0, 4),
    then=st.integers(0, 4),
)
def test_refusals_add_up_and_a_hazard_stays_a_probability(
    p_churn: float, disturbance: float, first: int, then: int
) -> None:
    world = msgspec.structs.replace(nominal_world(), disturbance=disturbance)
    p = np.array([p_churn])
    hazard = daily_hazard(world, p)
    once = disturbed_hazard(world, hazard, p, np.array([float(first)]))
    twice = disturbed_hazard(world, once, p, np.array([float(then)]))
    at_once = disturbed_hazard(world, hazard, p, np.array([float(first + then)]))
    np.testing.assert_allclose(twice, at_once, rtol=1e-12)
    assert hazard <= once <= twice <= 1.0


@given(seed=_seeds)
def test_a_world_for_each_row_is_that_world_for_all(seed: int) -> None:
    """Arrays of effects and plain numbers go through one formula."""
    rng = np.random.default_rng(seed)
    worlds = [packaged_assumptions().draw(rng.uniform) for _ in range(3)]
    by_row = Worlds.of_groups(worlds, 4)
    together = _terms(by_row, 12, seed)
    since, contacts = rng.exponential(5.0, 12), rng.integers(0, 5, 12).astype(np.float64)
    shifts = acceptance_shift(by_row, OFFERS, since, contacts)
    for group, world in enumerate(worlds):
        at = slice(4 * group, 4 * group + 4)
        alone = _terms(world, 12, seed)
        np.testing.assert_allclose(together.gain[at], alone.gain[at], rtol=1e-12)
        np.testing.assert_allclose(together.cost[at], alone.cost[at], rtol=1e-12)
        shift = acceptance_shift(world, OFFERS, since[at], contacts[at])
        np.testing.assert_allclose(shifts[at], shift, rtol=1e-12)


@given(seed=_seeds)
def test_a_refused_contact_never_gains_and_costs_the_contact(seed: int) -> None:
    world = nominal_world()
    terms = _terms(world, 6, seed, p_accept=np.zeros((6, 4)))
    assert (terms.gain <= 1e-12).all()
    np.testing.assert_array_equal(terms.cost, world.contact_cost_usd)
    harmless = msgspec.structs.replace(world, disturbance=0.0)
    unmoved = _terms(harmless, 6, seed, p_accept=np.zeros((6, 4)))
    np.testing.assert_allclose(unmoved.gain, 0.0, atol=1e-12)


@given(seed=_seeds)
def test_gain_rises_with_acceptance_and_with_the_days_left(seed: int) -> None:
    rng = np.random.default_rng(seed)
    p_accept = rng.uniform(0.0, 0.9, (6, 4))
    few, many = (_terms(nominal_world(), 6, seed, p_accept=p_accept + more) for more in (0.0, 0.1))
    assert (many.gain >= few.gain).all()
    assert (many.cost[:, 1:] > few.cost[:, 1:]).all()
    last = _terms(nominal_world(), 6, seed, days_left=np.zeros(6))
    np.testing.assert_allclose(last.gain, 0.0, atol=1e-12)


def test_acceptance_falls_after_a_contact_and_recovers() -> None:
    world = msgspec.structs.replace(nominal_world(), contact_fatigue=0.2)
    since = np.array([0.0, 1.0, 7.0, 30.0, np.inf])
    shift = acceptance_shift(world, OFFERS, since, np.zeros(5))
    assert (np.diff(shift, axis=0) > 0).all()
    np.testing.assert_allclose(shift[0, 0], -world.recency_penalty)
    np.testing.assert_allclose(shift[-1], world.offer_response * np.array(OFFERS))
    worn = acceptance_shift(world, OFFERS, since, np.full(5, 2.0))
    np.testing.assert_allclose(shift - worn, 0.4)


_PROFILE = Profile(
    senior_citizen=False,
    partner=True,
    dependents=False,
    tenure_months=3,
    phone_service=True,
    multiple_lines="No",
    internet_service="No",
    online_security="No internet service",
    online_backup="No internet service",
    device_protection="No internet service",
    tech_support="No internet service",
    streaming_tv="No internet service",
    streaming_movies="No internet service",
    contract="Month-to-month",
    paperless_billing=True,
    payment_method="Mailed check",
    monthly_charges_usd=20.0,
    total_charges_usd=60.0,
)


@given(
    contacts=st.integers(0, 5),
    since=st.none() | st.integers(0, 29),
    day=st.integers(0, 6),
    cooldown=st.integers(0, 10),
    cap=st.integers(1, 4),
)
def test_simulator_and_api_keep_the_same_rules(
    contacts: int, since: int | None, day: int, cooldown: int, cap: int
) -> None:
    today = START + timedelta(days=day)
    setting = small_setting(1, 30, delays=(0, 1, 3, 7), start=today)
    rules = msgspec.structs.replace(setting.rules, cooldown_days=cooldown, fatigue_cap=cap)
    env = RetentionVectorEnv(
        replace(setting, rules=rules),
        [setting.nominal],
        mode="sampled",
        rng=np.random.default_rng(42),
    )
    env.reset(np.array([float(contacts)]), np.array([np.inf if since is None else float(since)]))
    last = None if since is None else today - timedelta(days=since)
    history = ContactHistory(last_contact_on=last, contacts_in_window=contacts)
    customer = Customer(customer_id="C", profile=_PROFILE, channel="cellular", history=history)
    masks = customer_masks([customer], today, setting.space, rules)
    np.testing.assert_array_equal(
        env.eligible(), np.logical_and.reduce([masks[name] for name in masks])
    )
