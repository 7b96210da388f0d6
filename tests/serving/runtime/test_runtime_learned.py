"""The learned policy: what its files must hold, which delay it judges, and what it chooses."""

from collections.abc import Callable
from dataclasses import replace

import msgspec
import numpy as np
import pytest
import safetensors.numpy
from hypothesis import given, seed
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from churnsaver_serving.runtime.actions import ActionSpace
from churnsaver_serving.runtime.actor import (
    SPEC_FILE,
    WEIGHTS_FILE,
    Actor,
    LearnedPolicyError,
    masked_softmax,
)
from churnsaver_serving.runtime.learned import PACING_FILE, LearnedPolicy
from churnsaver_serving.runtime.observation import Observation
from churnsaver_serving.runtime.pacing import Pacing
from tests.support.serving.policy import small_policy
from tests.support.serving.release import assumptions

SPACE = ActionSpace()
POLICY = small_policy()


def observe(eligible: np.ndarray) -> Observation:
    n = len(eligible)
    rng = np.random.default_rng(42)
    return Observation(
        p_churn=rng.uniform(0.01, 0.9, n),
        p_accept=rng.uniform(0.05, 0.6, (n, 4, 4)),
        monthly_charge_usd=rng.uniform(20, 120, n),
        days_left=rng.integers(1, 31, n).astype(np.float64),
        days_since_contact=np.where(rng.random(n) < 0.5, np.inf, rng.integers(0, 30, n)),
        contacts_in_window=rng.integers(0, 4, n).astype(np.float64),
        multiplier=rng.uniform(0.0, 2.0, n),
        belief=rng.normal(0.0, 0.3, (n, 3)),
        eligible=eligible,
        space=SPACE,
        world=assumptions().nominal(),
    )


@st.composite
def observations(draw: Callable[..., np.ndarray]) -> Observation:
    eligible = draw(hnp.arrays(np.bool_, st.tuples(st.integers(1, 8), st.just(SPACE.size))))
    eligible[:, 0] = True
    return observe(eligible)


def eager(policy: LearnedPolicy) -> LearnedPolicy:
    """Return the same policy with an actor that would rather contact than not."""
    last = f"{len(policy.actor.spec.hidden)}.bias"
    weights = dict(policy.actor.weights)
    weights[last] = weights[last] + np.float32([-50.0, 0.0, 0.0, 0.0, 0.0])
    return LearnedPolicy(Actor(policy.actor.spec, weights), policy.pacing_table)


@seed(42)
@given(observation=observations())
def test_only_what_is_eligible_has_probability(observation: Observation) -> None:
    shares = POLICY.distribution(observation)
    np.testing.assert_allclose(shares.sum(axis=1), 1.0)
    assert (shares[~observation.eligible] == 0.0).all()
    chosen = POLICY.probabilities(observation)
    assert set(np.unique(chosen)) <= {0.0, 1.0}
    np.testing.assert_array_equal(chosen.argmax(axis=1), shares.argmax(axis=1))


@seed(42)
@given(observation=observations())
def test_contacts_fall_on_the_first_eligible_delay_only(observation: Observation) -> None:
    shares = eager(POLICY).distribution(observation)
    for row, allowed in enumerate(observation.eligible):
        delays = SPACE.delay_days[np.flatnonzero(allowed)[1:]]
        used = SPACE.delay_days[np.flatnonzero(shares[row, 1:] > 0) + 1]
        if len(delays):
            assert set(used) == {delays.min()}
            assert shares[row].argmax() != 0
        else:
            assert shares[row, 0] == 1.0


def test_a_contact_after_a_delay_is_judged_on_its_own_day() -> None:
    eligible = np.zeros((5, SPACE.size), dtype=np.bool_)
    eligible[:, 0] = True
    eligible[:, 1 + 2 * 4 : 1 + 3 * 4] = True  # all offers after three days, nothing before
    late = observe(eligible)
    now = np.zeros_like(eligible)
    now[:, :5] = True
    moved = replace(
        late,
        eligible=now,
        days_left=np.maximum(late.days_left - 3.0, 0.0),
        days_since_contact=late.days_since_contact + 3.0,
        p_accept=np.roll(late.p_accept, -2, axis=1),
    )
    np.testing.assert_allclose(
        POLICY.distribution(late)[:, 9:13], POLICY.distribution(moved)[:, 1:5], rtol=1e-12
    )


def test_a_row_is_judged_alike_in_any_batch() -> None:
    observation = observe(np.ones((40, SPACE.size), dtype=np.bool_))
    together = POLICY.distribution(observation)
    for row in range(40):
        alone = POLICY.distribution(observation.rows(slice(row, row + 1)))
        np.testing.assert_allclose(alone[0], together[row], rtol=1e-12)


def test_the_first_of_equal_actions_is_chosen() -> None:
    spec = POLICY.actor.spec
    zero = {name: np.zeros(shape, np.float32) for name, shape in spec.shapes().items()}
    level = LearnedPolicy(Actor(spec, zero), POLICY.pacing_table)
    observation = observe(np.ones((3, SPACE.size), dtype=np.bool_))
    assert (level.probabilities(observation).argmax(axis=1) == 0).all()


def test_masked_softmax_of_what_is_far_apart_is_finite() -> None:
    logits = np.array([[1000.0, -1000.0, 3000.0]])
    allowed = np.array([[True, True, False]])
    np.testing.assert_array_equal(masked_softmax(logits, allowed), [[1.0, 0.0, 0.0]])


def test_files_hold_the_whole_policy() -> None:
    files = POLICY.to_files()
    again = LearnedPolicy.from_files(files)
    assert again.to_files() == files
    observation = observe(np.ones((20, SPACE.size), dtype=np.bool_))
    np.testing.assert_array_equal(again.distribution(observation), POLICY.distribution(observation))
    assert isinstance(again.pacing, Pacing)
    assert again.pacing.table == POLICY.pacing_table


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
        ({}, "pacing.json is missing"),
        ({PACING_FILE: POLICY.to_files()[PACING_FILE]}, "policy.json is missing"),
        (POLICY.to_files() | {PACING_FILE: b"{}"}, "pacing.json can't be read"),
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
    observation = replace(
        observe(np.ones((1, SPACE.size), dtype=np.bool_)), space=ActionSpace((0, 5, 10, 15))
    )
    with pytest.raises(LearnedPolicyError, match="trained on offers"):
        POLICY.distribution(observation)
