"""Comparison of the served policy, in NumPy, with the one that was trained, in torch."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from churnsaver_assets.decision.ppo.network import ActorCritic
from churnsaver_assets.decision.simulator.environment import RetentionVectorEnv
from churnsaver_assets.decision.simulator.setting import Setting
from churnsaver_serving.runtime.actor import masked_softmax
from churnsaver_serving.runtime.learned import LearnedPolicy


@dataclass(frozen=True, slots=True)
class Parity:
    """The agreement of a policy with the same weights in torch.

    Attributes:
        difference: Largest absolute difference of an action's probability.
        decisions: Number of decisions compared.
    """

    difference: float
    decisions: int


def parity_with_torch(policy: LearnedPolicy, setting: Setting, *, seed: int) -> Parity:
    """Compare over a period, at every multiplier of the policy's pacing table.

    Args:
        policy: The policy as loaded.
        setting: Customers to decide on.
        seed: Seed for outcomes, and for the critics, which are not compared.
    """
    actor = policy.actor
    network = ActorCritic(actor.spec, 0, np.random.default_rng(seed))
    linear = [layer for layer in network.actor if isinstance(layer, nn.Linear)]
    with torch.no_grad():
        for position, layer in enumerate(linear):
            layer.weight.copy_(torch.from_numpy(actor.weights[f"{position}.weight"]))
            layer.bias.copy_(torch.from_numpy(actor.weights[f"{position}.bias"]))
    multipliers = np.array(policy.pacing_table.multipliers)
    env = RetentionVectorEnv(
        setting,
        [setting.nominal] * len(multipliers),
        mode="sampled",
        rng=np.random.default_rng(seed),
    )
    difference, decisions = 0.0, 0
    while not env.done:
        rows = np.flatnonzero(env.available())
        action = np.zeros(env.size, dtype=np.int64)
        if len(rows):
            inputs = actor.inputs.of(env.observe(multipliers, rows), 0)
            served = masked_softmax(actor.logits(inputs), env.eligible()[rows])
            with torch.no_grad():
                logits = network.logits(torch.from_numpy(inputs.astype(np.float32)))
                trained = torch.softmax(logits, dim=1).numpy()
            difference = max(difference, float(np.abs(served - trained).max()))
            decisions += len(rows)
            action[rows] = served.argmax(axis=1)
        env.step(action)
    return Parity(difference, decisions)
