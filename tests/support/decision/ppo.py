"""A small training run of the learned policy, and shortcuts to look at what came of it."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
from churnsaver_assets.decision.planning.dynamic_programme import CustomerProgrammes

from churnsaver_assets.decision.ppo.policy_probe import probe_policy
from churnsaver_assets.decision.ppo.train import TrainedPolicy, train_policy
from churnsaver_assets.experiments.policy_spec import PolicySpec
from tests.support.decision.cohort import packaged_assumptions, small_setting

if TYPE_CHECKING:
    from churnsaver_assets.decision.ppo.curves import PolicyProbe
    from churnsaver_assets.decision.simulator.setting import Setting
    from churnsaver_serving.runtime.actor import Actor

_SPEC: dict[str, Any] = {
    "network": {
        "hidden": [32, 32],
        "activation": "relu",
        "input_clip": 5.0,
        "multiplier_input": True,
        "belief_input": True,
    },
    "rollout": {
        "groups": 16,
        "customers": 48,
        "population": 1400,
        "nominal_share": 1.0,
        "history_share": 0.0,
        "random_start_share": 0.0,
        "start_dates": ["2026-01-01", "2026-12-31"],
        "multipliers": {"low": 0.2, "high": 8.0, "zero_share": 0.2},
    },
    "distillation": {
        "updates": 12,
        "epochs": 4,
        "minibatch": 1024,
        "learning_rate": 3e-3,
        "final_learning_rate": 3e-4,
        "max_grad_norm": 1.0,
        "teacher": "programme",
        "nominal_share": 1.0,
        "smoothing": 0.2,
    },
    "ppo": {
        "updates": 12,
        "epochs": 4,
        "minibatch": 1024,
        "learning_rate": 3e-3,
        "final_learning_rate": 0.0,
        "max_grad_norm": 0.5,
        "clip": 0.2,
        "gae_lambda": 0.95,
        "entropy": 0.01,
        "value_weight": 0.5,
        "value_scale_usd": 10.0,
        "least_group_spread": 0.1,
        "privileged_critic": True,
    },
    "probe": {"every": 100, "customers": 150, "multipliers": [0.0, 1.0, 3.0]},
    "checkpoint_every": 1,
    "threads": 1,
    "device": "cpu",
}
CUSTOMERS = 150


def small_spec(**changed: dict[str, Any]) -> PolicySpec:
    """Return the spec above with some keys of some of its sections changed."""
    sections = {
        name: {**section, **changed.get(name, {})} if isinstance(section, dict) else section
        for name, section in _SPEC.items()
    }
    return PolicySpec.model_validate({**sections, "pid": changed.get("pid")})


def train(setting: Setting, seed: int = 42, **changed: dict[str, Any]) -> TrainedPolicy:
    return train_policy(setting, packaged_assumptions(), small_spec(**changed), seed)


@cache
def fine_tuned() -> TrainedPolicy:
    """Distilled, then trained, on `small_setting(CUSTOMERS)`."""
    return train(small_setting(CUSTOMERS))


def spends(actor: Actor, setting: Setting, multipliers: tuple[float, ...]) -> list[PolicyProbe]:
    return probe_policy(actor, setting, multipliers, update=0, seed=42)


def share_of_optimum(actor: Actor, setting: Setting, multiplier: float) -> float:
    """Reward net of the multiplier times cost, as a share of the dynamic programme's."""
    programmes = CustomerProgrammes(setting.cohort, setting, setting.nominal)
    best = float(np.mean(programmes.solve(multiplier).value))
    got = spends(actor, setting, (multiplier,))[0]
    return (got.gain_usd - multiplier * got.cost_usd) / best
