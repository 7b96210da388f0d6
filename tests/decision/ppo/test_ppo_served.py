"""The policy that is served is the one that was trained: in torch, in NumPy and from its files."""

from __future__ import annotations

import msgspec
import numpy as np
import torch  # noqa: TID253 - the tensors are what is tested
from hypothesis import given, seed
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from churnsaver_assets.decision.play.served import ServedConditions, ServedMode
from churnsaver_assets.decision.ppo.fit import fit_policy
from churnsaver_assets.decision.ppo.network import ActorCritic
from churnsaver_assets.decision.ppo.parity import parity_with_torch
from churnsaver_assets.decision.simulator.dynamics import Dynamics
from churnsaver_assets.decision.simulator.environment import RetentionVectorEnv
from churnsaver_assets.decision.simulator.population import draw_population, everybody
from churnsaver_serving.runtime.policies.actor import LearnedSpec
from churnsaver_serving.runtime.policies.learned import LearnedPolicy
from churnsaver_serving.runtime.policies.pacing import Pacing, PacingRule, Start
from churnsaver_serving.runtime.policies.policy import OneStepPolicy
from churnsaver_serving.runtime.policies.policy_features import feature_names
from tests.support.decision.cohort import packaged_assumptions, small_setting
from tests.support.decision.ppo import CUSTOMERS, small_spec, trained

SETTING = small_setting(CUSTOMERS)
OFFERS = SETTING.space.offers_pct
NAMES = feature_names(OFFERS)


@seed(42)
@given(
    features=hnp.arrays(
        np.float64, st.tuples(st.integers(1, 20), st.just(len(NAMES))), elements=st.floats(-8, 8)
    ),
    activation=st.sampled_from(["relu", "tanh"]),
    hidden=st.lists(st.integers(1, 40), min_size=1, max_size=3),
)
def test_numpy_judges_as_torch_does(
    features: np.ndarray, activation: str, hidden: list[int]
) -> None:
    spec = LearnedSpec(
        offers_pct=OFFERS,
        features=NAMES,
        mean=tuple(np.linspace(-1, 1, len(NAMES))),
        scale=tuple(np.linspace(0.5, 2, len(NAMES))),
        clip=5.0,
        hidden=tuple(hidden),
        activation=activation,
    )
    model = ActorCritic(spec, 3, np.random.default_rng(42))
    with torch.no_grad():
        for layer in model.actor:
            if isinstance(layer, torch.nn.Linear):
                layer.bias.uniform_(-1.0, 1.0)
    actor = model.export(spec)
    inputs = actor.inputs.scaled(features)
    with torch.no_grad():
        learned = model.corrections(torch.from_numpy(inputs.astype(np.float32))).numpy()
    np.testing.assert_allclose(actor.corrections(inputs), learned, atol=1e-5, rtol=1e-5)


def _observed() -> RetentionVectorEnv:
    age = np.arange(CUSTOMERS) % 30
    population = everybody(np.arange(CUSTOMERS), age, SETTING.calendar.days)
    return RetentionVectorEnv(SETTING, population, [SETTING.nominal] * 2, "sampled", seed=42)


def test_files_hold_the_policy_whole() -> None:
    policy = LearnedPolicy(trained().actor)
    files = policy.to_files()
    again = LearnedPolicy.from_files(files)
    assert again.to_files() == files
    assert msgspec.json.decode(files["policy.json"])["type"] == "learned"
    env = _observed()
    observation = env.observe(env.available(), np.array([0.0, 0.5]))
    found = policy.preferences(observation)
    np.testing.assert_array_equal(again.preferences(observation), found)
    base = OneStepPolicy(world=packaged_assumptions().prior_mean()).preferences(observation)
    inputs = again.actor.inputs.of(observation)
    np.testing.assert_allclose(found, base / 2.0 + again.actor.corrections(inputs))


def test_parity_is_close_and_notices_another_network() -> None:
    policy = LearnedPolicy(trained().actor)
    parity = parity_with_torch(policy, SETTING, (0.0, 0.5), seed=42)
    assert parity.difference < 1e-5
    assert parity.decisions > CUSTOMERS
    actor = LearnedPolicy.from_files(policy.to_files()).actor
    inner = actor.corrections
    actor.corrections = lambda inputs: inner(inputs) + np.arange(5.0)  # type: ignore[method-assign]
    assert parity_with_torch(LearnedPolicy(actor), SETTING, (0.0,), seed=42).difference > 0.01


def test_fitting_gives_the_policy_that_training_ended_with() -> None:
    short = {"rollout": {"groups": 4, "customers": 24}, "ppo": {"updates": 2}}
    fitted = fit_policy(SETTING, packaged_assumptions(), small_spec(**short), 42)
    assert fitted.policy.name == "ppo"
    assert len(fitted.curves.updates) == 6


def test_it_serves_within_a_budget() -> None:
    setting = small_setting(CUSTOMERS, days=61, delays=tuple(range(8)))
    population = draw_population(
        setting.cohort, setting.calendar, arrival="daily", new_share=0.02, seed=42
    )
    rule = PacingRule(
        (1.0, 4.0), Start((0.8, 0.1), (0.7, 0.1)), 0.02, 0.5, 2.0, 3.0, 0.5, 0.1, 0.02
    )
    served = ServedMode(
        Dynamics(setting, population, [setting.nominal] * 2, seed=42),
        LearnedPolicy(trained().actor),
        Pacing(rule, CUSTOMERS),
        ServedConditions(budget_usd=2.0),
        seed=42,
    )
    days = [served.play_day() for _ in range(61)]
    assert sum(len(day.rows) for day in days) > 20
    for group in range(2):
        for account in served.accounts(group).values():
            assert account.spent_cents <= account.limit_cents
