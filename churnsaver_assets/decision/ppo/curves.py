"""Learning curves: the figures of each update, and probes of the greedy policy."""

from typing import Literal

import msgspec


class UpdateFigures(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Figures of one update: expected, per customer and 30 days, under the exploring policy.

    Attributes:
        update: Number of the update, counted from 1.
        phase: Phase that the update belongs to.
        gain_usd: Value over doing nothing, over all groups of the rollout.
        cost_usd: Spend.
        multiplier: Mean multiplier of the groups.
        entropy: Entropy of the actor, nats a decision.
        kl: Kullback-Leibler divergence from the policy before the update.
        clip_share: Share of the decisions whose probability ratio was clipped.
        policy_loss: Loss of the actor.
        critic_loss: Loss of the critics, in their units squared.
        learning_rate: Learning rate of the update.
    """

    update: int
    phase: Literal["warm_up", "ppo"]
    gain_usd: float
    cost_usd: float
    multiplier: float
    entropy: float
    kl: float
    clip_share: float
    policy_loss: float
    critic_loss: float
    learning_rate: float


class PolicyProbe(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Expected value and spend of the greedy policy in the nominal world, per customer.

    Attributes:
        update: Number of updates made before the probe.
        multiplier: Multiplier that the policy was played at.
        gain_usd: Value over doing nothing.
        cost_usd: Spend.
    """

    update: int
    multiplier: float
    gain_usd: float
    cost_usd: float


class LearningCurves(msgspec.Struct, forbid_unknown_fields=True):
    """The learning curves of a training run."""

    updates: list[UpdateFigures]
    probes: list[PolicyProbe]
