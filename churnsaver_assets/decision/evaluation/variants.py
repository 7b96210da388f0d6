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
    """One training run.

    Attributes:
        name: in tables.
        spec: of the training.
        part: taken away; None where the policy is whole.
        budget_per_customer: that it is trained for; None for every budget.
    """

    name: str
    spec: PolicySpec
    part: Part | None = None
    budget_per_customer: float | None = None

    @property
    def conditioned(self) -> bool:
        """Whether it sees the multiplier, so that it can be paced."""
        return self.spec.network.multiplier_input


@dataclass(frozen=True, slots=True)
class TrainedVariant:
    """What came of it.

    Attributes:
        variant: the run.
        actor: the network.
        table: what it spends; None where it doesn't see the multiplier.
        curves: what training showed.
    """

    variant: Variant
    actor: Actor
    table: PacingTable | None
    curves: LearningCurves


def training_variants(
    spec: PolicySpec, pid: PIDGains, budgets_per_customer: Sequence[float]
) -> list[Variant]:
    """Distilled alone, from scratch in as many updates, and with a controlled multiplier.

    Args:
        spec: the learned policy's.
        pid: gains of the controller.
        budgets_per_customer: USD; the controlled one is trained for each.
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
    """The learned policy trained without one of its parts; pacing is no part of training."""
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
    """All that training a variant takes, to be sent to another process.

    Attributes:
        variant: what to train.
        setting: training customers, rules and days.
        assumptions: with the priors.
        pacing: the table's axes.
        seed: of everything.
        population: how many customers are evaluated.
    """

    variant: Variant
    setting: Setting
    assumptions: Assumptions
    pacing: PacingSpec
    seed: int
    population: int


def train_variant(training: VariantTraining) -> TrainedVariant:
    """Train it."""
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
    """A copy with other values, validated anew."""
    return type(spec).model_validate({**spec.model_dump(), **changes})
