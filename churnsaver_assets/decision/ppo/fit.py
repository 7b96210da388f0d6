"""Fitting of the learned policy: training, and the policy as it is served."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from churnsaver_assets.decision.ppo.curves import LearningCurves, UpdateFigures
from churnsaver_assets.decision.ppo.train import train_policy
from churnsaver_assets.decision.simulator.setting import Setting
from churnsaver_assets.experiments.policy_spec import PolicySpec
from churnsaver_serving.runtime.policies.learned import LearnedPolicy
from churnsaver_serving.runtime.world.assumptions import Assumptions


@dataclass(frozen=True, slots=True)
class FittedPolicy:
    """The policy that is served, and its learning curves."""

    policy: LearnedPolicy
    curves: LearningCurves


def fit_policy(
    setting: Setting,
    assumptions: Assumptions,
    spec: PolicySpec,
    seed: int,
    *,
    checkpoint_dir: Path | None = None,
    progress: Callable[[UpdateFigures], None] | None = None,
) -> FittedPolicy:
    """Train the policy and return it as it is served. Arguments as of `train_policy`."""
    trained = train_policy(
        setting, assumptions, spec, seed, checkpoint_dir=checkpoint_dir, progress=progress
    )
    return FittedPolicy(LearnedPolicy(trained.actor), trained.curves)
