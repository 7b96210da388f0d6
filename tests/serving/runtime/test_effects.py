"""What contacts do: the formulas' own relations."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from churnsaver_assets.decision.simulator.worlds import Worlds
from churnsaver_serving.runtime.world.effects import (
    RISK_MONTHS,
    ContactTerms,
    acceptance_shift,
    aged_worth_usd,
    changed_worth_usd,
    contact_terms,
    daily_discount,
    daily_hazard,
    disturbed_hazard,
    worth_usd,
)
from tests.support.decision.cohort import ageless, nominal_world, packaged_assumptions

if TYPE_CHECKING:
    from churnsaver_serving.runtime.arrays import Floats

OFFERS = (0, 5, 10, 20)

_seeds = st.integers(0, 10_000)


def _terms(effects: object, n: int, seed: int, **given_terms: Floats) -> ContactTerms:
    rng = np.random.default_rng(seed)
    arguments = {
        "risk": rng.uniform(0.01, 0.95, (n, len(RISK_MONTHS))),
        "monthly_charge_usd": rng.uniform(18.0, 120.0, n),
        "p_accept": rng.uniform(0.0, 1.0, (n, len(OFFERS))),
        "wait_days": rng.integers(0, 8, n).astype(np.float64),
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
    refused = {"p_accept": np.zeros((6, 4)), "wait_days": np.zeros(6)}
    terms = _terms(world, 6, seed, **refused)
    assert (terms.gain <= 1e-12).all()
    np.testing.assert_array_equal(terms.cost, world.contact_cost_usd)
    harmless = msgspec.structs.replace(world, disturbance=0.0)
    unmoved = _terms(harmless, 6, seed, **refused)
    np.testing.assert_allclose(unmoved.gain, 0.0, atol=1e-9)


@given(seed=_seeds)
def test_gain_rises_with_acceptance_and_with_the_days_that_it_lasts(seed: int) -> None:
    rng = np.random.default_rng(seed)
    p_accept = rng.uniform(0.0, 0.9, (6, 4))
    few, many = (_terms(nominal_world(), 6, seed, p_accept=p_accept + more) for more in (0.0, 0.1))
    assert (many.gain >= few.gain).all()
    assert (many.cost[:, 1:] > few.cost[:, 1:]).all()
    longer = msgspec.structs.replace(nominal_world(), effect_days=180.0)
    assert (_terms(longer, 6, seed, p_accept=p_accept).gain >= few.gain).all()


@given(seed=_seeds)
def test_a_later_contact_is_worth_what_it_is_for_who_is_there_then(seed: int) -> None:
    rng = np.random.default_rng(seed)
    world, p_churn = nominal_world(), rng.uniform(0.01, 0.95, 6)
    now, later = (
        _terms(world, 6, seed, risk=ageless(p_churn), wait_days=np.full(6, wait))
        for wait in (0.0, 5.0)
    )
    weight = (daily_discount(world) * (1.0 - daily_hazard(world, p_churn))) ** 5
    np.testing.assert_allclose(later.gain, weight[:, None] * now.gain, rtol=1e-9)
    np.testing.assert_allclose(later.cost, weight[:, None] * now.cost, rtol=1e-9)


@given(seed=_seeds)
def test_worth_of_who_does_not_age_is_the_plain_closed_form(seed: int) -> None:
    rng = np.random.default_rng(seed)
    world, p_churn = nominal_world(), rng.uniform(0.01, 0.95, 6)
    charge, days = rng.uniform(18.0, 120.0, 6), float(rng.integers(0, 400))
    hazard = daily_hazard(world, p_churn)
    stages, under = [hazard] * len(RISK_MONTHS), [0.4 * hazard] * len(RISK_MONTHS)
    found = aged_worth_usd(world, charge, stages, under, days)
    expected = changed_worth_usd(world, charge, hazard, 0.4 * hazard, days)
    np.testing.assert_allclose(found, expected, rtol=1e-9)


def test_worth_of_who_ages_is_the_sum_over_days() -> None:
    """The first anniversary is half a month away, the others follow by the month."""
    world, charge = nominal_world(), np.array([50.0])
    risk = np.array([0.5, 0.4, 0.3, 0.25, 0.2, 0.15])
    hazards = [daily_hazard(world, np.array([p])) for p in risk]
    found = aged_worth_usd(world, charge, hazards, [0.5 * one for one in hazards], 100.0)
    starts = np.array([0, 15, 45, 75, 135, 195])
    there, total = 1.0, 0.0
    for day in range(4000):
        hazard = float(hazards[int(np.searchsorted(starts, day, side="right")) - 1][0])
        total += there * 50.0 / 30.0
        there *= float(daily_discount(world)) * (1.0 - hazard * (0.5 if day < 100 else 1.0))
    np.testing.assert_allclose(found, total, rtol=1e-9)


def test_worth_is_that_many_monthly_charges_for_who_never_leaves() -> None:
    world = nominal_world()
    charge = np.array([20.0, 95.5])
    np.testing.assert_allclose(worth_usd(world, charge, np.zeros(2)), 6.0 * charge)
    assert (worth_usd(world, charge, np.full(2, 0.01)) < 6.0 * charge).all()
    np.testing.assert_allclose(worth_usd(world, charge, np.ones(2)), charge / 30.0)


@pytest.mark.parametrize("days", [0, 1, 30, 90])
def test_a_changed_hazard_is_worth_the_sum_over_days(days: int) -> None:
    world = nominal_world()
    gamma, charge, hazard, during = daily_discount(world), 60.0, 0.02, 0.005
    there, total = 1.0, 0.0
    for day in range(20_000):
        total += there * charge / 30.0
        there *= gamma * (1.0 - (during if day < days else hazard))
    found = changed_worth_usd(
        world, np.array([charge]), np.array([hazard]), np.array([during]), float(days)
    )
    assert found[0] == pytest.approx(total, rel=1e-9)


def test_acceptance_falls_after_a_contact_and_recovers() -> None:
    world = msgspec.structs.replace(nominal_world(), contact_fatigue=0.2)
    since = np.array([0.0, 1.0, 7.0, 30.0, np.inf])
    shift = acceptance_shift(world, OFFERS, since, np.zeros(5))
    assert (np.diff(shift, axis=0) > 0).all()
    np.testing.assert_allclose(shift[0, 0], -world.recency_penalty)
    np.testing.assert_allclose(shift[-1], world.offer_response * np.array(OFFERS))
    worn = acceptance_shift(world, OFFERS, since, np.full(5, 2.0))
    np.testing.assert_allclose(shift - worn, 0.4)
