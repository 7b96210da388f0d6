"""The closed form of a contact's value, against day-by-day enumeration and against simulation."""

import numpy as np
import pytest
from hypothesis import given, seed
from hypothesis import strategies as st

from churnsaver_serving.runtime.actions import ActionSpace
from churnsaver_serving.runtime.assumptions import World
from churnsaver_serving.runtime.value import contact_value, reserve_usd, whole_cents
from tests.support.serving.release import assumptions

SPACE = ActionSpace()

worlds = st.builds(
    World,
    offer_response=st.just(0.1),
    save_effect=st.tuples(*[st.floats(0, 1.2)] * 4),
    recency_penalty=st.just(0.5),
    recency_decay_days=st.just(7.0),
    disturbance=st.floats(0, 1),
    contact_cost_usd=st.floats(0, 10),
    discount_months=st.floats(0, 12),
    horizon_months=st.floats(0, 24),
    period_days=st.sampled_from([7.0, 30.0]),
    hazard_scale=st.floats(0, 2),
    acceptance_offset=st.just(0.0),
    contact_fatigue=st.just(0.0),
    responsiveness=st.just(0.0),
)
charges = st.floats(0, 500)


def enumerate_value(
    p_churn: float,
    charge: float,
    p_accept: float,
    action: int,
    world: World,
    *,
    days: int,
    multiplier: float,
) -> float:
    """One day after the other, one branch after the other, until that many days are over."""
    hazard = min(world.hazard_scale * (1 - (1 - p_churn) ** (1 / world.period_days)), 1.0)
    offer = int(SPACE.offer_pct[action])
    delay = min(int(SPACE.delay_days[action]), days)
    effect = world.save_effect[SPACE.offers_pct.index(offer)]

    def survive(start: float, rate: float, count: int) -> float:
        for _ in range(count):
            start *= 1 - rate
        return start

    worth = world.horizon_months * charge
    reached = survive(1.0, hazard, delay)
    upset = min(hazard * (1 + world.disturbance * (1 - p_churn)), 1.0)
    accepted = survive(reached * p_accept, hazard * effect, days - delay)
    refused = survive(reached * (1 - p_accept), upset, days - delay)
    spent = reached * (
        world.contact_cost_usd + p_accept * charge * offer / 100 * world.discount_months
    )
    gain = (accepted + refused - survive(1.0, hazard, days)) * worth
    return gain - (1 + multiplier) * spent


@seed(42)
@given(
    world=worlds,
    charge=charges,
    p_churn=st.floats(0, 0.8),
    p_accept=st.lists(st.floats(0, 1), min_size=16, max_size=16),
    days=st.integers(1, 30),
    multiplier=st.sampled_from([0.0, 0.7, 5.0]),
)
def test_equals_enumeration(
    *,
    world: World,
    charge: float,
    p_churn: float,
    p_accept: list[float],
    days: int,
    multiplier: float,
) -> None:
    value = contact_value(
        np.array([p_churn]),
        np.array([charge]),
        np.reshape(p_accept, (1, 4, 4)),
        SPACE,
        world,
        days_left=np.array([float(days)]),
        multiplier=multiplier,
    )[0]
    assert value[0] == 0
    expected = [
        enumerate_value(
            p_churn,
            charge,
            p_accept[action - 1],
            action,
            world,
            days=days,
            multiplier=multiplier,
        )
        for action in range(1, SPACE.size)
    ]
    np.testing.assert_allclose(value[1:], expected, rtol=1e-9, atol=1e-7)


def test_equals_simulated_customers() -> None:
    world = assumptions().nominal()
    p_churn, charge, p_accept, action = 0.4, 90.0, 0.3, SPACE.index(10, 3)
    rng = np.random.default_rng(42)
    n = 400_000
    hazard = 1 - (1 - p_churn) ** (1 / 30)
    plain = rng.geometric(hazard, n)  # day of leaving, if nothing is done
    reached = plain > 3
    accepts = rng.random(n) < p_accept
    rate = np.where(accepts, hazard * 0.45, hazard * (1 + 0.10 * (1 - p_churn)))
    stays = np.where(reached, 3 + rng.geometric(rate) > 30, plain > 30)
    cost = reached * (2.0 + accepts * charge * 0.10 * 3)
    gain = 6 * charge * (stays.astype(float) - (plain > 30)) - cost
    value = contact_value(
        np.array([p_churn]),
        np.array([charge]),
        np.full((1, 4, 4), p_accept),
        SPACE,
        world,
        days_left=np.array([30.0]),
    )[0, action]
    assert value == pytest.approx(gain.mean(), abs=4 * gain.std() / np.sqrt(n))


@seed(42)
@given(worlds, st.lists(charges, min_size=1, max_size=5))
def test_reserve_covers_the_worst_case_in_whole_cents(world: World, charge: list[float]) -> None:
    reserve = reserve_usd(np.array(charge), SPACE, world)
    assert (reserve[:, 0] == 0).all()
    for action in range(1, SPACE.size):
        discount = np.array(charge) * SPACE.offer_pct[action] / 100 * world.discount_months
        worst = world.contact_cost_usd + discount
        assert (reserve[:, action] >= worst - 1e-6).all()
        assert (reserve[:, action] <= worst + 0.01 + 1e-6).all()
    np.testing.assert_allclose(reserve * 100, np.round(reserve * 100), atol=1e-6)


@seed(42)
@given(st.integers(0, 10**9), st.integers(0, 10**9))
def test_whole_cents_compare_without_error(a: int, b: int) -> None:
    assert whole_cents(a / 100) == a
    assert whole_cents((a + b) / 100 - b / 100) == a
    assert whole_cents(a / 100 + 0.009) == a
