"""Losses of an update: clipped objective, critics' error."""

from dataclasses import dataclass

import torch
from torch.nn import functional


@dataclass(frozen=True, slots=True)
class PolicyLoss:
    """A loss of the actor, with figures for the learning curves.

    Attributes:
        loss: Loss to minimise, a scalar.
        kl: Estimated Kullback-Leibler divergence from the policy before the update, a scalar.
        clip_share: Share of the decisions whose ratio was clipped, a scalar.
    """

    loss: torch.Tensor
    kl: torch.Tensor
    clip_share: torch.Tensor


def clipped_loss(
    log_probability: torch.Tensor,
    old_log_probability: torch.Tensor,
    advantage: torch.Tensor,
    weight: torch.Tensor,
    clip: float,
) -> PolicyLoss:
    """Return the negative clipped objective (Schulman et al. 2017, eq. 7), from shape (n,) each."""
    log_ratio = log_probability - old_log_probability
    ratio = log_ratio.exp()
    clipped = ratio.clamp(1.0 - clip, 1.0 + clip)
    gained = torch.minimum(ratio * advantage, clipped * advantage)
    with torch.no_grad():
        # Low variance and never negative (Schulman 2020, "Approximating KL divergence", k3).
        kl = _mean(ratio - 1.0 - log_ratio, weight)
        clip_share = _mean((ratio != clipped).float(), weight)
    return PolicyLoss(-_mean(gained, weight), kl, clip_share)


def critic_loss(values: torch.Tensor, target: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """Return the squared error of both critics, shape (n, 2) each; weight of shape (n,)."""
    error = functional.mse_loss(values, target, reduction="none").sum(dim=1)
    return _mean(error, weight)


def _mean(values: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    return (values * weight).sum() / weight.sum()
