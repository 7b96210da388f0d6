"""Policies, exploration and the draw."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, seed
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from churnsaver_serving.runtime.actions import ActionSpace
from churnsaver_serving.runtime.observation import Observation
from churnsaver_serving.runtime.policy import (
    GreedyValuePolicy,
    Policy,
    PropensityPolicy,
    act,
)
from churnsaver_serving.runtime.value import contact_value
from tests.support.serving.policy import small_policy
from tests.support.serving.release import assumptions

SPACE = ActionSpace()
POLICIES: list[Policy] = [
    GreedyValuePolicy(),
    PropensityPolicy(threshold=0.5, offer_pct=10),
    small_policy(),
]


def observe(p_churn: np.ndarray, eligible: np.ndarray | None = None) -> Observation:
    n = len(p_churn)
    rng = np.random.default_rng(42)
    return Observation(
        p_churn=p_churn,
        p_accept=rng.uniform(0.05, 0.6, (n, 4, 4)),
        monthly_charge_usd=rng.uniform(20, 120, n),
        days_left=rng.integers(1, 31, n).astype(np.float64),
        days_since_contact=np.where(rng.random(n) < 0.5, np.inf, rng.integers(0, 30, n)),
        contacts_in_window=rng.integers(0, 4, n).astype(np.float64),
        multiplier=rng.uniform(0.0, 2.0, n),
        belief=rng.normal(0.0, 0.3, (n, 3)),
        eligible=np.ones((n, SPACE.size), dtype=np.bool_) if eligible is None else eligible,
        space=SPACE,
        world=assumptions().nominal(),
    )


@st.composite
def observations(draw: Callable[..., np.ndarray]) -> Observation:
    p_churn = draw(hnp.arrays(np.float64, st.integers(1, 6), elements=st.floats(0.001, 0.95)))
    eligible = draw(hnp.arrays(np.bool_, (len(p_churn), SPACE.size)))
    eligible[:, 0] = True
    return observe(p_churn, eligible)


@pytest.mark.parametrize("policy", POLICIES, ids=lambda policy: policy.name)
@seed(42)
@given(
    observation=observations(),
    exploration=st.floats(0, 1),
    uniform=st.floats(0, 1, exclude_max=True),
)
def test_draws_are_eligible_and_their_propensity_true(
    policy: Policy, observation: Observation, exploration: float, uniform: float
) -> None:
    n = len(observation.p_churn)
    draw = act(policy, observation, np.full(n, uniform), exploration)
    np.testing.assert_allclose(draw.probabilities.sum(axis=1), 1)
    assert (draw.probabilities[~observation.eligible] == 0).all()
    rows = np.arange(n)
    assert observation.eligible[rows, draw.action].all()
    assert (draw.propensity == draw.probabilities[rows, draw.action]).all()
    assert (draw.propensity > 0).all()
    floor = exploration / observation.eligible.sum(axis=1, keepdims=True)
    spread = np.where(observation.eligible, draw.probabilities, np.inf)
    assert (spread >= floor * (1 - 1e-9)).all()


@pytest.mark.parametrize("policy", POLICIES, ids=lambda policy: policy.name)
def test_frequencies_are_the_probabilities(policy: Policy) -> None:
    eligible = np.ones((1, SPACE.size), dtype=np.bool_)
    eligible[0, [2, 5, 16]] = False
    n = 100_000
    one = observe(np.array([0.7]), eligible)
    many = one.rows(np.zeros(n, dtype=np.int64))
    draw = act(policy, many, np.random.default_rng(42).random(n), 0.3)
    expected = draw.probabilities[0]
    observed = np.bincount(draw.action, minlength=SPACE.size) / n
    error = np.sqrt(expected * (1 - expected) / n)
    assert (np.abs(observed - expected) <= 4.5 * error).all()


def test_uniforms_cover_the_unit_interval_in_order() -> None:
    observation = observe(np.array([0.7]))
    edges = act(POLICIES[0], observation, np.zeros(1), 0.5).probabilities[0].cumsum()
    for action in range(SPACE.size):
        low, high = (edges[action - 1] if action else 0.0), edges[action]
        for uniform in (low + 1e-9, (low + high) / 2, high - 1e-9):
            assert act(POLICIES[0], observation, np.array([uniform]), 0.5).action[0] == action


def test_greedy_takes_the_best_eligible_value() -> None:
    observation = observe(np.linspace(0.01, 0.9, 50))
    value = contact_value(
        observation.p_churn,
        observation.monthly_charge_usd,
        observation.p_accept,
        SPACE,
        observation.world,
        days_left=observation.days_left,
        multiplier=observation.multiplier,
    )
    chosen = GreedyValuePolicy().probabilities(observation).argmax(axis=1)
    np.testing.assert_array_equal(chosen, value.argmax(axis=1))
    assert {0} < set(chosen.tolist())
    barred = observation.eligible.copy()
    barred[np.arange(50), chosen] = False
    barred[:, 0] = True
    second = GreedyValuePolicy().probabilities(replace(observation, eligible=barred))
    allowed = np.where(barred, value, -np.inf)
    np.testing.assert_array_equal(second.argmax(axis=1), allowed.argmax(axis=1))


def test_propensity_contacts_at_the_threshold_as_early_as_allowed() -> None:
    policy = PropensityPolicy(threshold=0.5, offer_pct=10)
    observation = observe(np.array([0.49999, 0.5, 0.9]))
    chosen = policy.probabilities(observation).argmax(axis=1)
    assert chosen.tolist() == [0, SPACE.index(10, 0), SPACE.index(10, 0)]
    barred = observation.eligible.copy()
    barred[:, SPACE.delay_days < 3] = False
    barred[:, 0] = True
    later = policy.probabilities(replace(observation, eligible=barred)).argmax(axis=1)
    assert later.tolist() == [0, SPACE.index(10, 3), SPACE.index(10, 3)]
