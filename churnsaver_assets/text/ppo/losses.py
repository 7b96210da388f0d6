"""PPO's losses over tokens (Schulman et al. 2017, eq. 7; clipped values as in its code)."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from churnsaver_assets.text.ppo.kl import k3


@dataclass(frozen=True, slots=True)
class PolicyLoss:
    """The clipped surrogate and what it tells of the step.

    Attributes:
        loss: differentiable.
        kl: from the sampling policy, nats per token (k3).
        clip_share: of the tokens, whose gradient the clip took away.
    """

    loss: Tensor
    kl: Tensor
    clip_share: Tensor


def policy_loss(
    logprobs: Tensor, old: Tensor, advantages: Tensor, mask: Tensor, *, clip: float, tokens: Tensor
) -> PolicyLoss:
    """The clipped objective, negated; tokens that aren't there count for nothing.

    Args:
        logprobs: of the policy as it is, shape (rows, tokens).
        old: of the policy that sampled.
        advantages: likewise shaped.
        mask: which tokens there are.
        clip: of the probability ratio.
        tokens: what sums are divided by: how many there are.
    """
    ratio = torch.where(mask, logprobs - old, 0.0).exp()
    advantages = torch.where(mask, advantages, 0.0)
    plain = ratio * advantages
    clipped = ratio.clamp(1.0 - clip, 1.0 + clip) * advantages
    with torch.no_grad():
        # From the sampling policy, at its own samples: k3(old, new).
        kl = torch.where(mask, k3(old, logprobs), 0.0).sum() / tokens
        clip_share = ((clipped < plain) & mask).sum() / tokens
    return PolicyLoss(-torch.minimum(plain, clipped).sum() / tokens, kl, clip_share)


def value_loss(
    values: Tensor, old: Tensor, targets: Tensor, mask: Tensor, *, clip: float, tokens: Tensor
) -> Tensor:
    """Half the squared error, the worse of it with and without the change clipped.

    Args:
        values: of the value head as it is, shape (rows, tokens).
        old: at sampling.
        targets: advantages plus old values.
        mask: which tokens there are.
        clip: of the value's change.
        tokens: what the sum is divided by.
    """
    kept = old + (values - old).clamp(-clip, clip)
    error = torch.maximum((values - targets).square(), (kept - targets).square())
    return 0.5 * torch.where(mask, error, 0.0).sum() / tokens


def explained_variance(
    values: Tensor,
    targets: Tensor,
    mask: Tensor,
    total: Callable[[Tensor], Tensor] = lambda part: part,
) -> float:
    """1 - Var(targets - values) / Var(targets) over the tokens there are; 0 for equal targets.

    Args:
        values: expected, shape (rows, tokens).
        targets: what came, likewise shaped.
        mask: which tokens there are.
        total: a sum over all processes from this process's.
    """
    seen, missed = targets[mask].double(), (targets - values)[mask].double()
    sums = torch.stack([mask.sum().double(), seen.sum(), missed.sum()])
    tokens, seen_sum, missed_sum = total(sums)
    spread = torch.stack(
        [
            (seen - seen_sum / tokens).square().sum(),
            (missed - missed_sum / tokens).square().sum(),
        ]
    )
    variance, left = total(spread).tolist()
    return 1.0 - left / variance if variance > 0.0 else 0.0
