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
    """Terms log(p / q) at samples of p: unbiased for KL(p, q), of either sign."""
    return logprobs - reference


def k3(logprobs: Tensor, reference: Tensor) -> Tensor:
    """Terms q / p - 1 - log(q / p) at samples of p: unbiased for KL(p, q), never negative.

    John Schulman, "Approximating KL divergence", 2020.
    """
    difference = reference - logprobs
    return difference.expm1() - difference


@dataclass(frozen=True, slots=True)
class AdaptiveKl:
    """Adaptive KL penalty (Ziegler et al. 2019, section 2.2).

    Attributes:
        beta: weight of the penalty.
    """

    beta: float

    @classmethod
    def start(cls, spec: KlSpec) -> "AdaptiveKl":
        """At the start."""
        return cls(spec.beta)

    def after(self, kl: float, spec: KlSpec) -> "AdaptiveKl":
        """After an iteration: beta * exp(error / horizon), error = kl / target - 1 within +-0.2.

        Ziegler et al. have 1 + K error, which is this to first order; the exponential undoes an
        error with its opposite exactly.

        Args:
            kl: the iteration's, nats per token.
            spec: target and horizon.
        """
        error = min(max(kl / spec.target - 1.0, -_ERROR_CLIP), _ERROR_CLIP)
        return AdaptiveKl(self.beta * math.exp(error / spec.horizon))


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
