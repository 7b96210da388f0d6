"""Comparison of the served policy, in NumPy, with the one that was trained, in torch."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from churnsaver_assets.decision.ppo.network import ActorCritic
from churnsaver_assets.decision.simulator.environment import RetentionVectorEnv
from churnsaver_assets.decision.simulator.population import DAYS_A_MONTH, everybody
from churnsaver_assets.decision.simulator.setting import Setting
from churnsaver_serving.runtime.policies.learned import LearnedPolicy


@dataclass(frozen=True, slots=True)
class Parity:
    """The agreement of a policy with the same weights in torch.

    Attributes:
        difference: Largest absolute difference of an action's probability.
        decisions: Number of decisions compared.
    """

    difference: float
    decisions: int


def parity_with_torch(
    policy: LearnedPolicy, setting: Setting, multipliers: tuple[float, ...], *, seed: int
) -> Parity:
    """Compare on every day of the setting's calendar.

    Args:
        policy: The policy as loaded.
        setting: Customers to decide on, and the days.
        multipliers: Multipliers to decide at, each in a group of its own.
        seed: Seed for ages and outcomes, and for the critics, which are not compared.
    """
    actor = policy.actor
    rng = np.random.default_rng(seed)
    network = ActorCritic(actor.spec, 0, rng)
    linear = [layer for layer in network.actor if isinstance(layer, nn.Linear)]
    with torch.no_grad():
        for position, layer in enumerate(linear):
            layer.weight.copy_(torch.from_numpy(actor.weights[f"{position}.weight"]))
            layer.bias.copy_(torch.from_numpy(actor.weights[f"{position}.bias"]))
    age = rng.integers(DAYS_A_MONTH, size=len(setting.cohort))
    env = RetentionVectorEnv(
        setting,
        everybody(np.arange(len(age)), age, setting.calendar.days),
        [setting.nominal] * len(multipliers),
        "sampled",
        seed=seed,
    )
    difference, decisions = 0.0, 0
    while not env.done:
        rows = env.available()
        observation = env.observe(rows, np.array(multipliers))
        logits = policy.preferences(observation)
        base, inputs = (
            torch.from_numpy(array.astype(np.float32))
            for array in (actor.spec.based(observation), actor.inputs.of(observation))
        )
        with torch.no_grad():
            trained = torch.softmax(base + network.corrections(inputs), dim=1).numpy()
        served = torch.softmax(torch.from_numpy(logits), dim=1).numpy()
        difference = max(difference, float(np.abs(served - trained).max(initial=0.0)))
        decisions += len(rows)
        preferred = logits.argmax(axis=1)
        env.step(rows[preferred > 0], preferred[preferred > 0] - 1)
    return Parity(difference, decisions)
