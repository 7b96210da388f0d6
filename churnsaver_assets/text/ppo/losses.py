"""Advantages, KL estimates and the losses of PPO over tokens."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from churnsaver_assets.experiments.text_spec import KlSpec

# Ziegler et al. 2019, section 2.2: the proportional error is kept within these bounds.
_ERROR_CLIP = 0.2


def k1(logprobs: Tensor, reference: Tensor) -> Tensor:
    """Return the terms log(p / q) at samples of p: unbiased for KL(p, q), of either sign."""
    return logprobs - reference


def k3(logprobs: Tensor, reference: Tensor) -> Tensor:
    """Return q / p - 1 - log(q / p) at samples of p: unbiased for KL(p, q), never negative.

    John Schulman, "Approximating KL divergence", 2020.
    """
    difference = reference - logprobs
    return difference.expm1() - difference


@dataclass(frozen=True, slots=True)
class AdaptiveKl:
    """Adaptive KL penalty (Ziegler et al. 2019, section 2.2).

    Attributes:
        beta: Weight of the penalty.
    """

    beta: float

    @classmethod
    def start(cls, spec: KlSpec) -> "AdaptiveKl":
        """Return the controller at the start."""
        return cls(spec.beta)

    def after(self, kl: float, spec: KlSpec) -> "AdaptiveKl":
        """Return the controller after an iteration.

        Beta is multiplied by exp(error / horizon), error = kl / target - 1 within +-0.2.

        Ziegler et al. have 1 + K error, which is this to first order; the exponential undoes an
        error with its opposite exactly.

        Args:
            kl: KL of the iteration, nats per token.
            spec: Target and horizon.
        """
        error = min(max(kl / spec.target - 1.0, -_ERROR_CLIP), _ERROR_CLIP)
        return AdaptiveKl(self.beta * math.exp(error / spec.horizon))


_WHITEN_EPSILON = 1e-8


def gae(
    rewards: Tensor, values: Tensor, mask: Tensor, *, discount: float, gae_lambda: float
) -> Tensor:
    """Compute generalised advantage estimates over tokens (Schulman et al. 2016, eq. 16).

    After a message's last token nothing follows, whether it ended itself or was cut: its reward is
    of the whole text either way.

    Args:
        rewards: Rewards, shape (rows, tokens).
        values: Expected returns before each token, shape (rows, tokens).
        mask: Mask of the tokens; each row's true ones come first, shape (rows, tokens).
        discount: Discount per token.
        gae_lambda: Between 0, which trusts the values, and 1, which trusts the rewards that
            followed.

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
    """Scale to mean 0 and standard deviation 1 over the tokens there are; 0 elsewhere.

    Args:
        advantages: Advantages, shape (rows, tokens).
        mask: Mask of the tokens, shape (rows, tokens).
        total: Function that sums over all processes.
    """
    there = mask.to(advantages.dtype)
    tokens = total(there.sum())
    mean = total((advantages * there).sum()) / tokens
    centred = (advantages - mean) * there
    variance = total(centred.square().sum()) / tokens
    return centred * torch.rsqrt(variance + _WHITEN_EPSILON)


@dataclass(frozen=True, slots=True)
class PolicyLoss:
    """The clipped surrogate and what it tells of the step.

    Attributes:
        loss: Differentiable loss.
        kl: KL from the sampling policy, nats per token (k3).
        clip_share: Share of the tokens whose gradient was clipped away.
    """

    loss: Tensor
    kl: Tensor
    clip_share: Tensor


def policy_loss(
    logprobs: Tensor, old: Tensor, advantages: Tensor, mask: Tensor, *, clip: float, tokens: Tensor
) -> PolicyLoss:
    """Compute the clipped objective, negated, over the tokens there are.

    Args:
        logprobs: Log-probabilities under the policy as it is, shape (rows, tokens).
        old: Log-probabilities under the policy that sampled, shape (rows, tokens).
        advantages: Advantages, shape (rows, tokens).
        mask: Mask of the tokens, shape (rows, tokens).
        clip: Clip of the probability ratio.
        tokens: Number of tokens, by which sums are divided.
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
    """Compute half the squared error, the worse with and without the change clipped.

    Args:
        values: Values as they are, shape (rows, tokens).
        old: Values at sampling, shape (rows, tokens).
        targets: Advantages plus old values, shape (rows, tokens).
        mask: Mask of the tokens, shape (rows, tokens).
        clip: Clip of the value's change.
        tokens: Number of tokens, by which the sum is divided.
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
    """Return 1 - Var(targets - values) / Var(targets) over the tokens; 0 for equal targets.

    Args:
        values: Expected returns, shape (rows, tokens).
        targets: Returns, shape (rows, tokens).
        mask: Mask of the tokens, shape (rows, tokens).
        total: Function that sums over all processes.
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
