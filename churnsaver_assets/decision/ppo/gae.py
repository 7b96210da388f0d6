"""Generalised advantage estimation where the discount depends on the state."""

import numpy as np

from churnsaver_serving.runtime.arrays import Bools, Floats


def advantages(
    reward: Floats,
    value: Floats,
    after: Floats,
    discount: Floats,
    choice: Bools,
    gae_lambda: float,
) -> Floats:
    """Estimate advantages of the actions taken (Schulman et al. 2016, eq. 16).

    Days without a choice (weekends, cooldown) only pass on what follows, so lambda counts
    decisions, not days.

    Args:
        reward: Reward of each day, 0 on days without a choice, shape (T, R).
        value: The critic's value, read on days with a choice, shape (T, R).
        after: The critic's value after the last day, shape (R,): rows are cut there, not ended.
        discount: The discount gamma times the probability to go on, shape (T, R).
        choice: True on days with a choice, shape (T, R).
        gae_lambda: The estimator's lambda: 0 trusts the critic, 1 the rewards that followed.

    Returns:
        Shape (T, R); 0 on days without a choice. Advantage plus value is the critic's target.
    """
    result = np.zeros_like(reward)
    next_value, next_advantage = after, np.zeros(reward.shape[1])
    for day in reversed(range(len(reward))):
        value_after, advantage_after = discount[day] * next_value, discount[day] * next_advantage
        error = reward[day] + value_after - value[day]
        advantage = error + gae_lambda * advantage_after
        result[day] = np.where(choice[day], advantage, 0.0)
        next_value = np.where(choice[day], value[day], value_after)
        next_advantage = np.where(choice[day], advantage, advantage_after)
    return result
