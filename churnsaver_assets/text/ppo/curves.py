"""Figures of each iteration over all processes, and the learning curves that they make."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np
import torch
from torch import Tensor

from churnsaver_assets.text.ppo.learn import LearnFigures, TokenBatch
from churnsaver_assets.text.ppo.losses import explained_variance, k1, k3
from churnsaver_assets.text.ppo.policy import TokenFigures
from churnsaver_assets.text.ppo.rollout import Rollout
from churnsaver_assets.text.reward.message_reward import RewardParts


class IterationFigures(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Figures of one iteration and of the samples it learnt from, over all processes.

    Attributes:
        iteration: Number of the iteration, from 1.
        reward: Mean of the messages' rewards, without the KL penalty.
        reward_model: Mean of the reward model's part, before its weight.
        safety: Mean of the shield's part, before its weight.
        brevity: Mean of the brevity part, before its weight.
        strict_pass_rate: Share of the messages that break no rule and came to their end.
        finished_rate: Share of the messages that came to their end.
        breaches: Share of the messages that break each rule.
        kl: KL from the reference, nats per token, by the estimator k1, which is penalised.
        kl_k3: KL from the reference, nats per token, by the estimator k3, which is never negative.
        beta: Weight of the penalty in this iteration.
        tokens: Mean number of tokens of a message, end token included.
        entropy: Entropy of the next token's distribution, nats.
        explained_variance: Share of the returns' variance explained by the values before this
            iteration's steps.
        policy_loss: Policy loss, mean over the steps.
        value_loss: Value loss, mean over the steps.
        step_kl: KL from the sampling policy at the last forward pass, nats per token.
        clip_share: Share of the tokens whose gradient was clipped away, mean over the steps.
        grad_norm: Norm of the adapters' gradient before clipping, mean over the steps.
        steps: Number of optimiser steps; fewer than planned where the KL stopped them.
        sampler_gap: Mean absolute difference of the sampler's and the training path's
            log-probabilities, nats.
        learning_rate: Learning rate of the adapters.
    """

    iteration: int
    reward: float
    reward_model: float
    safety: float
    brevity: float
    strict_pass_rate: float
    finished_rate: float
    breaches: dict[str, float]
    kl: float
    kl_k3: float
    beta: float
    tokens: float
    entropy: float
    explained_variance: float
    policy_loss: float
    value_loss: float
    step_kl: float
    clip_share: float
    grad_norm: float
    steps: int
    sampler_gap: float
    learning_rate: float


class IterationTimings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Seconds of an iteration's parts, on the main process.

    Attributes:
        generate: Seconds of merging and sampling.
        score: Seconds of rewards.
        forward: Seconds of log-probabilities and values of policy and reference.
        learn: Seconds of gradient steps.
        tokens_per_second: Tokens generated over all processes, per second of `generate`.
    """

    generate: float
    score: float
    forward: float
    learn: float
    tokens_per_second: float

    @property
    def seconds(self) -> float:
        """Return the seconds of the whole iteration."""
        return self.generate + self.score + self.forward + self.learn


class PpoTextCurves(msgspec.Struct, forbid_unknown_fields=True):
    """The curves of a training. Equal trainings have equal figures; timings differ.

    Attributes:
        figures: Figures of each iteration.
        timings: Timings of each iteration.
    """

    figures: list[IterationFigures]
    timings: list[IterationTimings]


class PpoTextReport(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A report of a training by PPO.

    Attributes:
        finished: Whether all iterations are done and the model is written.
        curves: Curves of the iterations made.
        beta: Weight of the KL penalty for the next iteration.
        trainable_parameters: Number of weights of adapters and value head.
        value_direction_used: Whether values started along the reward model's direction.
        processes: Number of processes that trained together.
    """

    finished: bool
    curves: PpoTextCurves
    beta: float
    trainable_parameters: int
    value_direction_used: bool
    processes: int


def write_ppo_json(folder: Path, report: PpoTextReport, settings: dict[str, object]) -> None:
    """Write `ppo.json` beside the model: no timings, so that equal runs are equal bytes.

    Args:
        folder: Model directory.
        report: Report of the training.
        settings: Settings that the training depends on.
    """
    content = {
        "settings": settings,
        "beta": report.beta,
        "trainable_parameters": report.trainable_parameters,
        "value_direction_used": report.value_direction_used,
        "processes": report.processes,
        "iterations": report.curves.figures,
    }
    encoded = msgspec.json.format(msgspec.json.encode(content), indent=1)
    (folder / "ppo.json").write_bytes(encoded + b"\n")


@dataclass(frozen=True, slots=True)
class Experience:
    """One process's samples of an iteration, before it learns from them.

    Attributes:
        rollout: The messages.
        rewards: Their rewards.
        old: The policy's figures of their tokens, before any step.
        reference: Log-probabilities under the reference, shape (rows, longest).
    """

    rollout: Rollout
    rewards: RewardParts
    old: TokenFigures
    reference: Tensor


def iteration_figures(
    experience: Experience,
    batch: TokenBatch,
    learnt: LearnFigures,
    *,
    iteration: int,
    beta: float,
    learning_rate: float,
    total: Callable[[Tensor], Tensor],
) -> IterationFigures:
    """Compute an iteration's figures over all processes.

    Args:
        experience: This process's samples.
        batch: The batch that was made of them.
        learnt: Figures of the gradient steps, the same in all processes.
        iteration: Number of the iteration, from 1.
        beta: Weight of the KL penalty in this iteration.
        learning_rate: Learning rate of the adapters in this iteration.
        total: Function that sums over all processes.
    """
    rollout, rewards, old = experience.rollout, experience.rewards, experience.old
    mask = rollout.sequences.mask
    per_row = {
        "reward": rewards.total,
        "reward_model": rewards.reward_model,
        "safety": rewards.safety,
        "brevity": rewards.brevity,
        "strict_pass_rate": np.array([verdict.passed for verdict in rewards.verdicts]),
        "finished_rate": np.array([one.finished for one in rollout.completions]),
        "tokens": np.array([one.tokens for one in rollout.completions]),
    }
    per_token = {
        "kl": k1(old.logprobs, experience.reference),
        "kl_k3": k3(old.logprobs, experience.reference),
        "entropy": old.entropies,
        "sampler_gap": (rollout.sampler_logprobs - old.logprobs).abs(),
    }
    sums = {name: float(values.sum()) for name, values in per_row.items()}
    sums |= {name: float(values[mask].double().sum()) for name, values in per_token.items()}
    counts = [float(len(mask)), *sums.values()]
    rows, *summed = total(torch.tensor(counts, dtype=torch.float64, device=mask.device)).tolist()
    sums = dict(zip(sums, summed, strict=True))
    tokens = sums["tokens"]
    breaches = _over_processes(rewards.breaches())
    return IterationFigures(
        iteration=iteration,
        **{name: sums[name] / rows for name in per_row},
        **{name: sums[name] / tokens for name in per_token},
        breaches={rule: count / rows for rule, count in sorted(breaches.items())},
        beta=beta,
        explained_variance=explained_variance(batch.values, batch.targets, mask, total),
        policy_loss=learnt.policy_loss,
        value_loss=learnt.value_loss,
        step_kl=learnt.step_kl,
        clip_share=learnt.clip_share,
        grad_norm=learnt.grad_norm,
        steps=learnt.steps,
        learning_rate=learning_rate,
    )


def _over_processes(breaches: Counter[str]) -> Counter[str]:
    from accelerate.utils import gather_object  # type: ignore[import-untyped]

    result: Counter[str] = Counter()
    for counted in gather_object([dict(breaches)]):
        result.update(counted)
    return result
