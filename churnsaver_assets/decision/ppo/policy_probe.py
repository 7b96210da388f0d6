"""Expected value and spend of the greedy policy in the nominal world."""

import numpy as np

from churnsaver_assets.decision.ppo.curves import PolicyProbe
from churnsaver_assets.decision.simulator.environment import RetentionVectorEnv
from churnsaver_assets.decision.simulator.setting import Setting
from churnsaver_serving.runtime.actions import NO_CONTACT
from churnsaver_serving.runtime.actor import Actor
from churnsaver_serving.runtime.learned import choose


def probe_policy(
    actor: Actor, setting: Setting, multipliers: tuple[float, ...], *, update: int, seed: int
) -> list[PolicyProbe]:
    """Play one integrated period at each multiplier, without exploration.

    Args:
        actor: The actor that decides.
        setting: Customers, rules, days.
        multipliers: Multipliers to play at, each in a group of its own.
        update: Number of updates made so far, noted in the result.
        seed: Seed for the belief's counting noise.
    """
    env = RetentionVectorEnv(
        setting,
        [setting.nominal] * len(multipliers),
        mode="integrated",
        rng=np.random.default_rng(seed),
    )
    prices = np.array(multipliers)
    gain, cost = np.zeros(env.size), np.zeros(env.size)
    while not env.done:
        weight = env.weight
        action = np.full(env.size, NO_CONTACT, dtype=np.int64)
        rows = np.flatnonzero(env.available())
        if len(rows):
            action[rows] = choose(actor, env.observe(prices, rows))
        step = env.step(action)
        gain += weight * step.reward
        cost += weight * step.cost
    by_group = (len(multipliers), -1)
    means = zip(
        gain.reshape(by_group).mean(axis=1), cost.reshape(by_group).mean(axis=1), strict=True
    )
    return [
        PolicyProbe(update=update, multiplier=price, gain_usd=float(one), cost_usd=float(other))
        for price, (one, other) in zip(multipliers, means, strict=True)
    ]
