"""The planner as it is served: the best over all contacts to come, checked by value iteration."""

from __future__ import annotations

from dataclasses import replace

import msgspec
import numpy as np
import pytest

from churnsaver_serving.runtime.policies.observation import Observation
from churnsaver_serving.runtime.policies.planner import StationaryPlanner
from churnsaver_serving.runtime.policies.policy import OneStepPolicy
from churnsaver_serving.runtime.world.effects import RISK_MONTHS, acceptance_shift, contact_terms
from tests.support.decision.cohort import nominal_world

OFFERS = (0, 5, 10, 20)
REST = 90


def observation(
    *,
    since: float = np.inf,
    contacts: float = 0.0,
    multiplier: float = 0.0,
    place: float = 0.0,
    wait: float = 0.0,
) -> Observation:
    p_churn = np.tile([0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.45, 0.6, 0.85], 7)
    base = np.repeat([-3.0, -2.5, -2.0, -1.5, -1.0, -0.5, 0.0], 9)
    n = len(base)
    away, made = np.full(n, since), np.full(n, contacts)
    margin = base[:, None] + acceptance_shift(nominal_world(), OFFERS, away, made)
    return Observation(
        risk=np.tile(p_churn[:, None], (1, len(RISK_MONTHS))),
        p_accept=1.0 / (1.0 + np.exp(-margin)),
        monthly_charge_usd=np.full(n, 70.0),
        wait_days=np.full(n, wait),
        days_since_contact=away,
        contacts_in_window=made,
        multiplier=np.full(n, multiplier),
        capacity_price_usd=np.full(n, place),
        belief=np.zeros((n, 3)),
        offers_pct=OFFERS,
        world=nominal_world(),
    )


def iterated(seen: Observation, *, days: int = 3000) -> np.ndarray:
    """Value of an untouched customer's best contact over waiting a day, by value iteration.

    One refusal at a time is owed besides the new one; written out state by state.
    """
    world = nominal_world()
    n, price = len(seen), 1.0 + seen.multiplier
    gains = [
        contact_terms(
            world,
            OFFERS,
            risk=seen.risk,
            monthly_charge_usd=seen.monthly_charge_usd,
            p_accept=np.full((n, 4), sure),
        ).gain
        for sure in (0.0, 1.0)
    ]
    made = 2.0 * price + seen.capacity_price_usd
    discount = 3 * 70.0 * np.array(OFFERS) / 100.0
    hazard = 1.0 - (1.0 - seen.p_churn) ** (1 / 30)
    raised = hazard * (1.0 + world.disturbance * (1.0 - seen.p_churn))
    gamma = 1.0 - 1.0 / 180.0
    kept = gamma * (1.0 - raised)
    loss = -gains[0][:, 0] * (1.0 - kept) / (1.0 - kept**30)
    save = np.array(world.save_effect)
    rested = (gamma * (1.0 - hazard[:, None] * save)) ** REST
    margin = np.log(seen.p_accept / (1.0 - seen.p_accept))
    margin = margin - acceptance_shift(world, OFFERS, np.full(n, np.inf), np.zeros(n))
    opened = (7, 8, 9, 10, 12, 14, 17, 21, 25)
    accept = {
        day: 1.0
        / (1.0 + np.exp(-margin - acceptance_shift(world, OFFERS, np.full(n, day), np.ones(n))))
        for day in opened
    }
    untouched, value = np.zeros(n), np.zeros((31, n))
    for _ in range(days // 30):
        value[30] = untouched
        for day in range(29, -1, -1):
            value[day] = kept * value[day + 1] - loss
            if day in opened:
                owed = loss * (1.0 - kept ** (30 - day)) / (1.0 - kept)
                again = (value[0] - owed)[:, None]
                taken = gains[1] - price[:, None] * discount + rested * untouched[:, None]
                worth = again - made[:, None] + accept[day] * (taken - again)
                value[day] = np.maximum(value[day], worth.max(axis=1))
        taken = gains[1] - price[:, None] * discount + rested * untouched[:, None]
        worth = value[0][:, None] - made[:, None]
        worth = worth + seen.p_accept * (taken - value[0][:, None])
        untouched = np.maximum(worth.max(axis=1), 0.0)
    return worth - (gamma * (1.0 - hazard) * untouched)[:, None]


@pytest.mark.parametrize(("multiplier", "place"), [(0.0, 0.0), (0.5, 0.0), (0.2, 6.0)])
def test_solves_each_customers_programme(multiplier: float, place: float) -> None:
    seen = observation(multiplier=multiplier, place=place)
    found = StationaryPlanner().preferences(seen)
    assert not found[:, 0].any()
    np.testing.assert_allclose(found[:, 1:], iterated(seen), rtol=1e-6, atol=1e-6)


def test_a_dearer_dollar_means_fewer_contacts_and_none_in_the_end() -> None:
    contacted = [
        int((StationaryPlanner().preferences(observation(multiplier=one)).argmax(axis=1) > 0).sum())
        for one in (0.0, 0.5, 1.0, 3.0, 30.0)
    ]
    assert contacted == sorted(contacted, reverse=True)
    assert contacted[0] > contacted[-1] == 0


def test_offers_less_than_the_one_step_rule_where_a_refusal_can_be_repeated() -> None:
    """A chance to ask again is worth something, so a first offer need not be the largest."""
    seen = observation()
    patient, hasty = (
        policy.preferences(seen).argmax(axis=1) for policy in (StationaryPlanner(), OneStepPolicy())
    )
    both = (patient > 0) & (hasty > 0)
    assert (patient <= hasty)[both].all()
    assert (patient < hasty)[both].any()


def test_waits_where_a_recent_refusal_weighs_on_acceptance() -> None:
    """Right after the cooldown some are worth a contact, but more so some days later."""
    weighty = msgspec.structs.replace(nominal_world(), recency_penalty=1.0, recency_decay_days=14.0)
    seen = replace(observation(since=7.0, contacts=1.0), world=weighty)
    one_step = OneStepPolicy().preferences(seen)
    waits = (one_step.argmax(axis=1) > 0) & (
        StationaryPlanner().preferences(seen).argmax(axis=1) == 0
    )
    assert waits.any()


def test_believes_in_another_world_where_told() -> None:
    other = msgspec.structs.replace(nominal_world(), disturbance=1.0)
    seen = observation()
    told = StationaryPlanner("planner_prior", world=other).preferences(seen)
    assert not np.allclose(told, StationaryPlanner().preferences(seen))
    np.testing.assert_allclose(told, StationaryPlanner().preferences(replace(seen, world=other)))


def test_each_row_is_its_own() -> None:
    seen = observation(since=9.0, contacts=2.0, multiplier=0.2, wait=3.0)
    whole = StationaryPlanner().preferences(seen)
    for row in (0, 7, 14):
        one = StationaryPlanner().preferences(seen.rows(slice(row, row + 1)))
        np.testing.assert_allclose(one[0], whole[row])


def test_nobody_asked_about_nothing_preferred() -> None:
    assert StationaryPlanner().preferences(observation().rows(slice(0, 0))).shape == (0, 5)
