"""The learned policy: what its files must hold, and what it makes of an observation."""

from dataclasses import replace

import msgspec
import numpy as np
import pytest
import safetensors.numpy

from churnsaver_serving.runtime.policies.actor import (
    SPEC_FILE,
    WEIGHTS_FILE,
    Actor,
    LearnedPolicyError,
)
from churnsaver_serving.runtime.policies.learned import LearnedPolicy
from churnsaver_serving.runtime.policies.policy import OneStepPolicy
from churnsaver_serving.runtime.policies.policy_features import feature_names, policy_features
from tests.support.serving.observations import observe
from tests.support.serving.policy import OFFERS, small_policy

POLICY = small_policy()


def test_preferences_are_the_networks_logits() -> None:
    observation = observe()
    hidden = policy_features(observation).clip(-10.0, 10.0)  # scaled by 1
    weights = {name: tensor.astype(np.float64) for name, tensor in POLICY.actor.weights.items()}
    hidden = np.maximum(hidden @ weights["0.weight"].T + weights["0.bias"], 0.0)
    expected = hidden @ weights["1.weight"].T + weights["1.bias"]
    np.testing.assert_allclose(POLICY.preferences(observation), expected, rtol=1e-12)


def test_a_network_corrects_its_base() -> None:
    """Even an untrained one decides as its base does, in whatever unit its values count."""
    observation, base = observe(count=40), OneStepPolicy()
    based = msgspec.structs.replace(POLICY.actor.spec, base=base, unit_usd=0.5)
    found = LearnedPolicy(Actor(based, POLICY.actor.weights)).preferences(observation)
    expected = base.preferences(observation) / 0.5 + POLICY.preferences(observation)
    np.testing.assert_allclose(found, expected, rtol=1e-12)
    nothing = {name: np.zeros_like(tensor) for name, tensor in POLICY.actor.weights.items()}
    untrained = LearnedPolicy(Actor(based, nothing))
    again = LearnedPolicy.from_files(untrained.to_files())
    np.testing.assert_array_equal(
        again.preferences(observation).argmax(axis=1), base.preferences(observation).argmax(axis=1)
    )


def test_tanh_between_the_layers() -> None:
    spec = msgspec.structs.replace(POLICY.actor.spec, activation="tanh")
    inputs = POLICY.actor.inputs.of(observe())
    weights = {name: tensor.astype(np.float64) for name, tensor in POLICY.actor.weights.items()}
    hidden = np.tanh(inputs @ weights["0.weight"].T + weights["0.bias"])
    expected = hidden @ weights["1.weight"].T + weights["1.bias"]
    found = LearnedPolicy(Actor(spec, POLICY.actor.weights)).preferences(observe())
    np.testing.assert_allclose(found, expected, rtol=1e-12)


def test_a_row_is_judged_alike_in_any_batch() -> None:
    observation = observe(count=40)
    together = POLICY.preferences(observation)
    for row in range(40):
        alone = POLICY.preferences(observation.rows(slice(row, row + 1)))
        np.testing.assert_allclose(alone[0], together[row], rtol=1e-12)


def test_features_have_their_names_and_are_of_order_one() -> None:
    features = policy_features(observe(count=500))
    assert features.shape == (500, len(feature_names(OFFERS)))
    assert np.isfinite(features).all()
    assert np.abs(features).max() < 10.0


def test_features_of_certain_customers_are_finite() -> None:
    observation = observe(np.array([0.0, 0.999]))
    sure = replace(observation, p_accept=np.array([[0.0] * 4, [1.0] * 4]))
    assert np.isfinite(policy_features(sure)).all()


def test_what_is_later_is_worth_less() -> None:
    observation = observe(np.full(20, 0.4))
    column = feature_names(OFFERS).index("net_value_10")
    today, later = (
        policy_features(replace(observation, wait_days=np.full(20, wait), multiplier=np.zeros(20)))[
            :, column
        ]
        for wait in (0.0, 7.0)
    )
    gains = today > 0
    assert gains.any()
    assert (later[gains] < today[gains]).all()


def test_files_hold_the_whole_policy() -> None:
    files = POLICY.to_files()
    assert set(files) == {SPEC_FILE, WEIGHTS_FILE}
    again = LearnedPolicy.from_files(files)
    assert again.to_files() == files
    np.testing.assert_array_equal(again.preferences(observe()), POLICY.preferences(observe()))


def with_weights(**changed: np.ndarray | None) -> dict[str, bytes]:
    weights = dict(POLICY.actor.weights)
    for name, tensor in changed.items():
        if tensor is None:
            del weights[name]
        else:
            weights[name] = tensor
    return POLICY.to_files() | {WEIGHTS_FILE: safetensors.numpy.save(weights)}


def with_spec(**changed: object) -> dict[str, bytes]:
    spec = msgspec.structs.replace(POLICY.actor.spec, **changed)
    return POLICY.to_files() | {SPEC_FILE: msgspec.json.encode(spec)}


FEATURES = POLICY.actor.spec.features
FIRST_BIAS = POLICY.actor.weights["0.bias"]


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({}, "policy.json is missing"),
        ({SPEC_FILE: POLICY.to_files()[SPEC_FILE]}, "actor.safetensors is missing"),
        (POLICY.to_files() | {SPEC_FILE: b'{"type":"learned","x":1}'}, "policy.json can't be read"),
        (POLICY.to_files() | {WEIGHTS_FILE: b"junk"}, "actor.safetensors can't be read"),
        (with_weights(**{"0.bias": None}), r"missing \['0.bias'\]"),
        (with_weights(other=FIRST_BIAS), r"unexpected \['other'\]"),
        (with_weights(**{"0.bias": FIRST_BIAS[:-1]}), "0.bias: expected float32 of shape"),
        (with_weights(**{"0.bias": FIRST_BIAS.astype(np.float64)}), "got float64"),
        (with_weights(**{"0.bias": FIRST_BIAS * np.float32("nan")}), "not all numbers are finite"),
        (with_spec(features=("age", *FEATURES[1:])), r"unknown features \['age'\]"),
        (with_spec(mean=(0.0,)), "mean: expected"),
        (with_spec(scale=(0.0, *POLICY.actor.spec.scale[1:])), "policy.json can't be read"),
    ],
)
def test_files_that_make_no_policy_are_refused(files: dict[str, bytes], message: str) -> None:
    with pytest.raises(LearnedPolicyError, match=message):
        LearnedPolicy.from_files(files)


def test_other_offers_than_those_learnt_are_refused() -> None:
    with pytest.raises(LearnedPolicyError, match="trained on offers"):
        POLICY.preferences(replace(observe(), offers_pct=(0, 5, 10, 15)))
