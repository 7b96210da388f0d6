"""Expected value and spend of a policy in the nominal world, at fixed multipliers."""

from dataclasses import replace

import numpy as np

from churnsaver_assets.decision.ppo.curves import PolicyProbe
from churnsaver_assets.decision.simulator.calendar import Calendar
from churnsaver_assets.decision.simulator.environment import RetentionVectorEnv
from churnsaver_assets.decision.simulator.population import DAYS_A_MONTH, everybody
from churnsaver_assets.decision.simulator.setting import Setting
from churnsaver_serving.runtime.policies.policy import Policy


def probe_policy(
    policy: Policy,
    setting: Setting,
    multipliers: tuple[float, ...],
    *,
    days: int,
    update: int,
    seed: int,
) -> list[PolicyProbe]:
    """Play the policy's own choices at each multiplier, without exploration.

    Args:
        policy: The policy that decides.
        setting: Customers, rules, first day.
        multipliers: Multipliers to play at, each in a group of its own.
        days: Days to play.
        update: Number of updates made so far, noted in the result.
        seed: Seed for ages, luck and the belief's counting noise.
    """
    first = setting.calendar.first
    played = replace(setting, calendar=Calendar.starting(first, days, setting.rules))
    age = np.random.default_rng(seed).integers(DAYS_A_MONTH, size=len(setting.cohort))
    worlds = [setting.nominal] * len(multipliers)
    population = everybody(np.arange(len(age)), age, days)
    env = RetentionVectorEnv(played, population, worlds, seed=seed)
    gain, cost = np.zeros((2, len(multipliers)))
    gamma = env.dynamics.discount
    while not env.done:
        rows = env.available()
        preferred = policy.preferences(env.observe(rows, np.array(multipliers))).argmax(axis=1)
        rows, offer = rows[preferred > 0], preferred[preferred > 0] - 1
        weight = gamma**env.day * env.weight[rows] / len(setting.cohort)
        step = env.step(rows, offer)
        gain += np.bincount(env.group[rows], weight * step.gain, len(multipliers))
        cost += np.bincount(env.group[rows], weight * step.cost, len(multipliers))
    return [
        PolicyProbe(
            update=update,
            multiplier=price,
            gain_usd=float(one - other),
            cost_usd=float(other),
        )
        for price, one, other in zip(multipliers, gain, cost, strict=True)
    ]
