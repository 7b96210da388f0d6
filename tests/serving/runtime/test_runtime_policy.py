"""Policies: what they prefer."""

from dataclasses import replace

import msgspec
import numpy as np
import pytest

from churnsaver_serving.runtime.policies.policy import OneStepPolicy, Policy, PropensityPolicy
from churnsaver_serving.runtime.policies.policy_features import policy_features
from churnsaver_serving.runtime.policies.value import one_step_value
from tests.support.serving.observations import observe
from tests.support.serving.policy import small_policy

POLICIES: list[Policy] = [
    OneStepPolicy(),
    PropensityPolicy(threshold=0.5, offer_pct=10),
    small_policy(),
]


@pytest.mark.parametrize("policy", POLICIES, ids=lambda policy: policy.name)
def test_preferences_are_of_no_contact_and_of_each_offer(policy: Policy) -> None:
    observation = observe(count=30)
    preferences = policy.preferences(observation)
    assert preferences.shape == (30, 5)
    some = np.array([3, 17])
    np.testing.assert_allclose(
        policy.preferences(observation.rows(some)), preferences[some], rtol=1e-12
    )


def test_one_step_prefers_the_highest_value_net_of_the_price() -> None:
    observation = observe(count=200)
    preferences = OneStepPolicy().preferences(observation)
    np.testing.assert_array_equal(preferences, one_step_value(observation))
    assert (preferences[:, 0] == 0.0).all()
    dear = OneStepPolicy().preferences(replace(observation, multiplier=np.full(200, 50.0)))
    free = OneStepPolicy().preferences(replace(observation, multiplier=np.zeros(200)))
    assert (dear.argmax(axis=1) == 0).all()
    assert (free.argmax(axis=1) > 0).sum() > (preferences.argmax(axis=1) > 0).sum() > 0


def test_a_place_in_a_full_day_has_its_price_whatever_the_offer_costs() -> None:
    observation = observe(count=200)
    free = replace(observation, capacity_price_usd=np.zeros(200))
    dear = replace(observation, capacity_price_usd=np.full(200, 3.0))
    for policy in (OneStepPolicy(), OneStepPolicy(world=observation.world)):
        before, after = policy.preferences(free), policy.preferences(dear)
        np.testing.assert_allclose(after[:, 1:], before[:, 1:] - 3.0)
        assert not after[:, 0].any()
    assert not np.array_equal(policy_features(free), policy_features(dear))


def test_one_step_by_another_world_than_the_observations() -> None:
    observation = observe(count=50)
    weak = msgspec.structs.replace(observation.world, save_effect=(1.0, 1.0, 1.0, 1.0))
    assert (OneStepPolicy(world=weak).preferences(observation)[:, 1:] < 0).all()
    same = OneStepPolicy(world=observation.world).preferences(observation)
    np.testing.assert_array_equal(same, OneStepPolicy().preferences(observation))


def test_one_step_with_some_of_the_offers() -> None:
    observation = observe(count=50)
    every, some = (
        policy.preferences(observation)
        for policy in (OneStepPolicy(), OneStepPolicy(offers_pct=(5, 20)))
    )
    assert (some[:, [1, 3]] == -np.inf).all()
    np.testing.assert_array_equal(some[:, [0, 2, 4]], every[:, [0, 2, 4]])


def test_propensity_contacts_at_the_threshold_with_its_one_offer() -> None:
    policy = PropensityPolicy(threshold=0.5, offer_pct=10)
    preferences = policy.preferences(observe(np.array([0.49999, 0.5, 0.9])))
    assert preferences.argmax(axis=1).tolist() == [0, 3, 3]
    assert (preferences[:, [1, 2, 4]] < 0).all()


@pytest.mark.parametrize("policy", [OneStepPolicy(offers_pct=(0, 5)), POLICIES[1]])
def test_policies_are_read_back_by_their_tag(policy: OneStepPolicy | PropensityPolicy) -> None:
    encoded = msgspec.json.encode(policy)
    assert msgspec.json.decode(encoded, type=OneStepPolicy | PropensityPolicy) == policy
