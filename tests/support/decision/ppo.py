"""A small training run of the learned policy, and shortcuts to look at what came of it."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

from churnsaver_assets.decision.ppo.policy_probe import probe_policy
from churnsaver_assets.decision.ppo.train import TrainedPolicy, train_policy
from churnsaver_assets.experiments.policy_spec import PolicySpec
from tests.support.decision.cohort import packaged_assumptions, small_setting

if TYPE_CHECKING:
    from churnsaver_assets.decision.ppo.curves import PolicyProbe
    from churnsaver_assets.decision.simulator.setting import Setting
    from churnsaver_serving.runtime.policies.policy import Policy

_SPEC: dict[str, Any] = {
    "network": {
        "hidden": [32, 32],
        "activation": "relu",
        "input_clip": 5.0,
        "multiplier_input": True,
        "belief_input": True,
        "base": "one_step",
        "unit_usd": 2.0,
    },
    "rollout": {
        "groups": 16,
        "customers": 48,
        "parts": 4,
        "part_days": 14,
        "history_days": 0,
        "counted": 1400,
        "nominal_share": 1.0,
        "start_dates": ["2026-01-01", "2026-12-31"],
        "multipliers": {"high": 1.0, "zero_share": 0.3},
    },
    "warm_up": {
        "updates": 4,
        "epochs": 4,
        "minibatch": 1024,
        "learning_rate": 3e-3,
        "final_learning_rate": 3e-3,
        "max_grad_norm": 1.0,
    },
    "ppo": {
        "updates": 32,
        "epochs": 4,
        "minibatch": 1024,
        "learning_rate": 3e-3,
        "final_learning_rate": 0.0,
        "max_grad_norm": 0.5,
        "clip": 0.2,
        "gae_lambda": 0.95,
        "entropy": 0.01,
        "correction_weight": 0.0,
        "value_weight": 0.5,
        "sure": 0.99,
        "sure_share": 0.2,
        "value_scale_usd": 10.0,
        "least_group_spread": 0.1,
        "privileged_critic": True,
    },
    "probe": {"every": 1000, "customers": 150, "days": 60, "multipliers": [0.0, 0.5]},
    "checkpoint_every": 1,
    "threads": 1,
    "device": "cpu",
}
CUSTOMERS = 400


def small_spec(**changed: dict[str, Any]) -> PolicySpec:
    """Return the spec above with some keys of some of its sections changed."""
    sections = {
        name: {**section, **changed.get(name, {})} if isinstance(section, dict) else section
        for name, section in _SPEC.items()
    }
    return PolicySpec.model_validate(sections)


def train(setting: Setting, seed: int = 42, **changed: dict[str, Any]) -> TrainedPolicy:
    return train_policy(setting, packaged_assumptions(), small_spec(**changed), seed)


@cache
def trained() -> TrainedPolicy:
    """Train in the nominal world on `small_setting(CUSTOMERS)`, once for all tests."""
    return train(small_setting(CUSTOMERS))


def plays(policy: Policy, setting: Setting, multipliers: tuple[float, ...]) -> list[PolicyProbe]:
    return probe_policy(policy, setting, multipliers, days=60, update=0, seed=42)


def score(policy: Policy, setting: Setting, multiplier: float) -> float:
    """Return value less the multiplier times cost in the nominal world, USD per customer."""
    got = plays(policy, setting, (multiplier,))[0]
    return got.gain_usd - multiplier * got.cost_usd
