"""Learning curves: what each update showed, and what the greedy policy is worth now and then."""

from typing import Literal

import msgspec


class UpdateFigures(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One update; money per customer and period, expected, under the exploring policy.

    Attributes:
        update: counted from 1.
        phase: which it belongs to.
        gain_usd: value over doing nothing, over all groups of the rollout.
        cost_usd: spend.
        violation_usd: spend above the budget; 0 where the multiplier stands for the budget.
        multiplier: mean over the groups.
        entropy: of the actor, nats a decision.
        kl: from the policy before the update.
        clip_share: of the decisions, whose probability ratio was clipped.
        policy_loss: the actor's.
        critic_loss: the critics', in their units squared.
        learning_rate: as it was.
    """

    update: int
    phase: Literal["distillation", "ppo"]
    gain_usd: float
    cost_usd: float
    violation_usd: float
    multiplier: float
    entropy: float
    kl: float
    clip_share: float
    policy_loss: float
    critic_loss: float
    learning_rate: float


class PolicyProbe(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The greedy policy in the nominal world, expected, per customer.

    Attributes:
        update: after which.
        multiplier: at which.
        gain_usd: value over doing nothing.
        cost_usd: spend.
    """

    update: int
    multiplier: float
    gain_usd: float
    cost_usd: float


class LearningCurves(msgspec.Struct, forbid_unknown_fields=True):
    """All of a training run."""

    updates: list[UpdateFigures]
    probes: list[PolicyProbe]
