"""Fitting of the learned policy: training, and the pacing table that goes with it."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from churnsaver_assets.decision.play.pacing_fit import fit_pacing
from churnsaver_assets.decision.ppo.actor_policy import ActorPolicy
from churnsaver_assets.decision.ppo.curves import LearningCurves, UpdateFigures
from churnsaver_assets.decision.ppo.train import train_policy
from churnsaver_assets.decision.simulator.setting import Setting
from churnsaver_assets.experiments.pacing_spec import PacingSpec
from churnsaver_assets.experiments.policy_spec import PolicySpec
from churnsaver_serving.runtime.actor import Actor
from churnsaver_serving.runtime.assumptions import Assumptions
from churnsaver_serving.runtime.learned import LearnedPolicy
from churnsaver_serving.runtime.pacing import PacingTable


@dataclass(frozen=True, slots=True)
class FittedPolicy:
    """The policy that is served, and its learning curves."""

    policy: LearnedPolicy
    curves: LearningCurves


def fit_policy(
    setting: Setting,
    assumptions: Assumptions,
    spec: PolicySpec,
    pacing: PacingSpec,
    seed: int,
    *,
    checkpoint_dir: Path | None = None,
    progress: Callable[[UpdateFigures], None] | None = None,
) -> FittedPolicy:
    """Train the policy and simulate what it spends under the rules' own daily capacity.

    Arguments as of `train_policy`, and the axes of the pacing table.
    """
    trained = train_policy(
        setting, assumptions, spec, seed, checkpoint_dir=checkpoint_dir, progress=progress
    )
    table = served_pacing(trained.actor, setting, pacing, seed)
    return FittedPolicy(LearnedPolicy(trained.actor, table), trained.curves)


def served_pacing(actor: Actor, setting: Setting, pacing: PacingSpec, seed: int) -> PacingTable:
    """Fit the pacing table of an actor, at the rules' numbers of customers and contacts a day.

    Args:
        actor: The actor that decides.
        setting: Training customers; its rules are those that will be served.
        pacing: Axes of the table.
        seed: Seed for the noise in the belief.
    """
    rules = setting.rules
    return fit_pacing(
        ActorPolicy(actor),
        setting,
        pacing,
        seed,
        population=rules.customers,
        contacts_per_customer=rules.daily_capacity / rules.customers,
    )
