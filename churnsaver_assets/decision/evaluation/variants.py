"""The learned policy's variants: trained otherwise, or without one of its parts."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from pydantic import BaseModel

from churnsaver_assets.decision.evaluation.scenarios import without
from churnsaver_assets.decision.play.pacing_fit import fit_pacing
from churnsaver_assets.decision.ppo.actor_policy import ActorPolicy
from churnsaver_assets.decision.ppo.curves import LearningCurves
from churnsaver_assets.decision.simulator.setting import Setting
from churnsaver_assets.experiments.evaluation_spec import AblationSpec, Part, PIDGains
from churnsaver_assets.experiments.pacing_spec import PacingSpec
from churnsaver_assets.experiments.policy_spec import PIDSpec, PolicySpec
from churnsaver_serving.runtime.actor import Actor
from churnsaver_serving.runtime.assumptions import Assumptions
from churnsaver_serving.runtime.pacing import PacingTable

Spec = TypeVar("Spec", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class Variant:
    """A variant of the learned policy, to be trained.

    Attributes:
        name: Name in tables.
        spec: Hyperparameters of the training.
        part: Part that is taken away; None where the policy is whole.
        budget_per_customer: Budget that it is trained for, USD; None for every budget.
    """

    name: str
    spec: PolicySpec
    part: Part | None = None
    budget_per_customer: float | None = None

    @property
    def conditioned(self) -> bool:
        """Return whether it sees the multiplier, so that it can be paced."""
        return self.spec.network.multiplier_input


@dataclass(frozen=True, slots=True)
class TrainedVariant:
    """A trained variant of the learned policy.

    Attributes:
        variant: The variant that was trained.
        actor: The trained actor.
        table: Its pacing table; None where it doesn't see the multiplier.
        curves: Learning curves of the training.
    """

    variant: Variant
    actor: Actor
    table: PacingTable | None
    curves: LearningCurves


def training_variants(
    spec: PolicySpec, pid: PIDGains, budgets_per_customer: Sequence[float]
) -> list[Variant]:
    """List three variants: distilled alone, from scratch, and with a controlled multiplier.

    Args:
        spec: Hyperparameters of the learned policy.
        pid: Gains of the multiplier's controller.
        budgets_per_customer: Budgets, USD; the variant with a controller is trained for each.
    """
    updates = spec.distillation.updates + spec.ppo.updates
    scratch = _with(
        spec,
        distillation=_with(spec.distillation, updates=0),
        ppo=_with(spec.ppo, updates=updates),
    )
    return [
        Variant("distilled", _with(spec, ppo=_with(spec.ppo, updates=0))),
        Variant("from_scratch", scratch),
        *(
            Variant(
                "pid",
                _with(
                    spec,
                    network=_with(spec.network, multiplier_input=False),
                    pid=PIDSpec(budget_per_customer=budget, **pid.model_dump()),
                ),
                budget_per_customer=budget,
            )
            for budget in budgets_per_customer
        ),
    ]


def ablation_variants(spec: PolicySpec, ablations: Sequence[AblationSpec]) -> list[Variant]:
    """List the learned policy without each part; pacing is no part of training."""
    changed: dict[Part, PolicySpec] = {
        "risk_model": spec,
        "acceptance_model": spec,
        "multiplier_input": _with(spec, network=_with(spec.network, multiplier_input=False)),
        "domain_randomisation": _with(spec, rollout=_with(spec.rollout, nominal_share=1.0)),
    }
    return [
        Variant(f"without_{one.part}", changed[one.part], one.part)
        for one in ablations
        if one.part in changed
    ]


@dataclass(frozen=True, slots=True)
class VariantTraining:
    """The inputs of training a variant, to be sent to another process.

    Attributes:
        variant: The variant to train.
        setting: Training customers, rules and days.
        assumptions: The priors that true worlds are drawn from.
        pacing: Axes of the pacing table.
        seed: Seed for everything drawn.
        population: Number of customers in the evaluation.
    """

    variant: Variant
    setting: Setting
    assumptions: Assumptions
    pacing: PacingSpec
    seed: int
    population: int


def train_variant(training: VariantTraining) -> TrainedVariant:
    """Train a variant."""
    from churnsaver_assets.decision.ppo.train import train_policy

    variant, setting = training.variant, training.setting
    if variant.part is not None:
        setting = without(variant.part, setting)
    trained = train_policy(setting, training.assumptions, variant.spec, training.seed)
    table = None
    if variant.conditioned:
        policy = ActorPolicy(trained.actor, variant.name)
        table = fit_pacing(
            policy, setting, training.pacing, training.seed, population=training.population
        )
    return TrainedVariant(variant, trained.actor, table, trained.curves)


def _with(spec: Spec, **changes: Any) -> Spec:  # noqa: ANN401 - any field's
    """Return a copy with other values, validated anew."""
    return type(spec).model_validate({**spec.model_dump(), **changes})
