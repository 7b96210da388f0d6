"""The policy that is served is evaluated: the exported actor, in torch, in NumPy and in play."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import msgspec
import numpy as np
import torch  # noqa: TID253 - the tensors are what is tested
from churnsaver_assets.decision.play.paced import FixedMultiplierAgent, PacedAgent
from churnsaver_assets.decision.play.pacing_table import build_pacing_table
from churnsaver_assets.decision.ppo.actor_policy import ActorPolicy
from hypothesis import given, seed
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from churnsaver_assets.decision.play.agents import DecisionContext
from churnsaver_assets.decision.play.execution import play
from churnsaver_assets.decision.ppo.network import ActorCritic
from churnsaver_assets.decision.simulator.environment import RetentionVectorEnv
from churnsaver_serving.runtime.actor import LearnedSpec
from churnsaver_serving.runtime.learned import LearnedPolicy
from churnsaver_serving.runtime.policy_features import feature_names
from tests.support.decision.cohort import small_setting
from tests.support.decision.ppo import CUSTOMERS, fine_tuned

if TYPE_CHECKING:
    from churnsaver_serving.runtime.pacing import PacingTable

SETTING = small_setting(CUSTOMERS)
OFFERS = SETTING.space.offers_pct
NAMES = feature_names(OFFERS)


@cache
def table() -> PacingTable:
    return build_pacing_table(
        ActorPolicy(fine_tuned().actor),
        small_setting(50),
        multipliers=(0.0, 1.0, 2.0, 4.0, 8.0),
        switch_days=(0, 1, 8),
        rng=np.random.default_rng(42),
    )


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
        trained = model.logits(torch.from_numpy(inputs.astype(np.float32))).numpy()
    np.testing.assert_allclose(actor.logits(inputs), trained, atol=1e-5, rtol=1e-5)


def test_the_evaluated_action_is_the_served_one() -> None:
    files = LearnedPolicy(fine_tuned().actor, table()).to_files()
    served = LearnedPolicy.from_files(files)
    env = RetentionVectorEnv(
        SETTING, [SETTING.nominal], mode="sampled", rng=np.random.default_rng(42)
    )
    context, multiplier = DecisionContext(env, None, None), np.array([0.8])
    rows = context.available()
    requests = ActorPolicy(served.actor).decide(context, multiplier)
    expected = served.probabilities(context.observe(multiplier, rows)).argmax(axis=1)
    np.testing.assert_array_equal(requests.action[rows], expected)
    assert (requests.action > 0).any()
    assert (requests.priority[requests.action > 0] > 0.0).mean() > 0.9


def test_a_paced_policy_uses_its_budget_and_never_overspends_it() -> None:
    served = LearnedPolicy(fine_tuned().actor, table())
    agent = PacedAgent(ActorPolicy(served.actor), served.pacing)
    budget = 4.0
    played = play(agent, SETTING, [SETTING.nominal] * 6, budget_per_customer=budget, seed=42)
    assert (played.overspent == 0.0).all()
    assert (played.cooldown_breaches == 0.0).all()
    assert played.spent_usd.mean() > 0.85 * budget
    assert (np.asarray(played.over_cap) < 0.05).all()


def test_a_capacity_is_kept_by_whom_it_is_worth_most() -> None:
    agent = FixedMultiplierAgent(ActorPolicy(fine_tuned().actor), 0.5)
    played = play(
        agent,
        SETTING,
        [SETTING.nominal] * 4,
        budget_per_customer=1e3,
        seed=42,
        daily_capacity=5,
    )
    assert (played.over_capacity == 0.0).all()
    assert played.contacts_by_day.max() * CUSTOMERS <= 5 + 1e-9
    loose = play(agent, SETTING, [SETTING.nominal] * 4, budget_per_customer=1e3, seed=42)
    # A first day's five best are worth more each than the average of all.
    assert played.gain_usd.mean() / played.contacts.mean() > (
        loose.gain_usd.mean() / loose.contacts.mean()
    )


def test_specs_travel_with_a_tag() -> None:
    files = fine_tuned().actor.to_files()
    assert msgspec.json.decode(files["policy.json"])["type"] == "learned"
