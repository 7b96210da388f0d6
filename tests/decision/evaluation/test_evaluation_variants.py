"""Variants of the learned policy: what each changes, and how they enter."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from churnsaver_assets.decision.evaluation.compared import ablated, variants
from churnsaver_assets.decision.evaluation.evaluated_policies import (
    AgentByBudget,
    PacedPolicy,
    SingleAgent,
)
from churnsaver_assets.decision.evaluation.variants import (
    TrainedVariant,
    ablation_variants,
    training_variants,
)
from churnsaver_assets.decision.ppo.curves import LearningCurves
from churnsaver_assets.experiments.evaluation_spec import EvaluationSpec
from churnsaver_assets.experiments.policy_spec import PolicySpec
from churnsaver_serving.runtime.actor import Actor, LearnedSpec
from tests.support.decision.cohort import packaged_section
from tests.support.decision.evaluation import SEED, GreedyMultiplierPolicy

if TYPE_CHECKING:
    from churnsaver_serving.runtime.pacing import PacingTable


def test_variants_change_one_thing_each() -> None:
    policy = PolicySpec.model_validate(packaged_section("policy"))
    evaluation = EvaluationSpec.model_validate(packaged_section("evaluation"))
    updates = policy.distillation.updates + policy.ppo.updates
    distilled, scratch, *controlled = training_variants(policy, evaluation.pid, [3.0, 7.0])
    assert distilled.spec.ppo.updates == 0
    assert (scratch.spec.distillation.updates, scratch.spec.ppo.updates) == (0, updates)
    assert [one.budget_per_customer for one in controlled] == [3.0, 7.0]
    assert [one.spec.pid and one.spec.pid.budget_per_customer for one in controlled] == [3.0, 7.0]
    assert not any(one.conditioned for one in controlled)
    lacking = {one.part: one for one in ablation_variants(policy, evaluation.ablations)}
    assert set(lacking) == {part.part for part in evaluation.ablations} - {"pacing"}
    assert lacking["domain_randomisation"].spec.rollout.nominal_share == 1.0
    assert not lacking["multiplier_input"].conditioned
    assert lacking["risk_model"].spec == policy


def test_variants_enter_as_they_were_trained(greedy_pacing: PacingTable) -> None:
    policy = PolicySpec.model_validate(packaged_section("policy"))
    evaluation = EvaluationSpec.model_validate(packaged_section("evaluation"))
    wanted = [
        *training_variants(policy, evaluation.pid, [3.0, 7.0]),
        *ablation_variants(policy, evaluation.ablations),
    ]
    actor = an_actor()
    trained = [
        TrainedVariant(
            one, actor, greedy_pacing if one.conditioned else None, LearningCurves([], [])
        )
        for one in wanted
    ]
    names = {one.name: one for one in variants(trained)}
    assert set(names) == {"distilled", "from_scratch", "pid"}
    assert isinstance(names["pid"], AgentByBudget)
    assert set(names["pid"].agents) == {3.0, 7.0}
    whole = PacedPolicy("ppo", "learned", GreedyMultiplierPolicy(), greedy_pacing)
    without_parts = ablated(whole, trained)
    assert set(without_parts) == {one.part for one in evaluation.ablations}
    assert without_parts["pacing"] == whole.unpaced()
    assert isinstance(without_parts["multiplier_input"], SingleAgent)


def an_actor() -> Actor:
    names = ("risk_logit", "multiplier_log")
    spec = LearnedSpec(
        offers_pct=(0, 5, 10, 20),
        features=names,
        mean=(0.0, 0.0),
        scale=(1.0, 1.0),
        clip=5.0,
        hidden=(3,),
        activation="relu",
    )
    rng = np.random.default_rng(SEED)
    weights = {
        name: rng.normal(size=shape).astype(np.float32) for name, shape in spec.shapes().items()
    }
    return Actor(spec, weights)
