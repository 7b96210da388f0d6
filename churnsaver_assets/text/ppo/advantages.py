"""What each token was better than expected."""

from collections.abc import Callable

import torch
from torch import Tensor

_WHITEN_EPSILON = 1e-8


def gae(
    rewards: Tensor, values: Tensor, mask: Tensor, *, discount: float, gae_lambda: float
) -> Tensor:
    """Generalised advantage estimates over tokens (Schulman et al. 2016, eq. 16).

    After a message's last token nothing follows, whether it ended itself or was cut: its reward is
    of the whole text either way.

    Args:
        rewards: shape (rows, tokens).
        values: expected before each token, shape (rows, tokens).
        mask: which tokens there are; each row's true ones come first, shape (rows, tokens).
        discount: per token.
        gae_lambda: 0 trusts the values, 1 the rewards that followed.

    Returns:
        Shape (rows, tokens), 0 where there is no token. Plus values: the value head's targets.
    """
    result = torch.zeros_like(rewards)
    next_value = torch.zeros_like(rewards[:, 0])
    next_advantage = torch.zeros_like(next_value)
    for step in range(rewards.shape[1] - 1, -1, -1):
        there = mask[:, step]
        error = rewards[:, step] + discount * next_value - values[:, step]
        advantage = error + discount * gae_lambda * next_advantage
        next_advantage = torch.where(there, advantage, 0.0)
        next_value = torch.where(there, values[:, step], 0.0)
        result[:, step] = next_advantage
    return result


def whiten(
    advantages: Tensor, mask: Tensor, total: Callable[[Tensor], Tensor] = lambda part: part
) -> Tensor:
    """Mean 0 and standard deviation 1 over the tokens there are; 0 elsewhere.

    Args:
        advantages: shape (rows, tokens).
        mask: which tokens there are, shape (rows, tokens).
        total: a sum over all processes from this process's.
    """
    there = mask.to(advantages.dtype)
    tokens = total(there.sum())
    mean = total((advantages * there).sum()) / tokens
    centred = (advantages - mean) * there
    variance = total(centred.square().sum()) / tokens
    return centred * torch.rsqrt(variance + _WHITEN_EPSILON)
