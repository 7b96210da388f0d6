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
    """One iteration; samples are those that it learnt from, over all processes.

    Attributes:
        iteration: counted from 1.
        reward: mean of the messages' rewards, without the KL penalty.
        reward_model: mean of that part, before its weight.
        safety: likewise.
        brevity: likewise.
        strict_pass_rate: share of the messages that break no rule and came to their end.
        finished_rate: share that came to their end.
        breaches: share of the messages that break each rule.
        kl: from the reference, nats per token (k1, the penalty's).
        kl_k3: the same by the estimator that is never negative.
        beta: weight of the penalty in this iteration.
        tokens: mean of a message, end token included.
        entropy: of the next token's distribution, nats.
        explained_variance: of the returns, by the values before this iteration's steps.
        policy_loss: mean over the steps.
        value_loss: likewise.
        step_kl: from the sampling policy at the last forward pass, nats per token.
        clip_share: of the tokens, whose gradient the clip took away, mean over the steps.
        grad_norm: of the adapters before clipping, mean over the steps.
        steps: optimiser steps made; fewer than planned where the KL stopped them.
        sampler_gap: mean absolute difference of the sampler's and the training path's
            log-probabilities, nats.
        learning_rate: of the adapters.
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
    """Where an iteration's time went, seconds on the main process.

    Attributes:
        generate: merging and sampling.
        score: rewards.
        forward: log-probabilities and values of policy and reference.
        learn: gradient steps.
        tokens_per_second: generated, over all processes, by `generate`.
    """

    generate: float
    score: float
    forward: float
    learn: float
    tokens_per_second: float

    @property
    def seconds(self) -> float:
        """Of the whole iteration."""
        return self.generate + self.score + self.forward + self.learn


class PpoTextCurves(msgspec.Struct, forbid_unknown_fields=True):
    """All of a training run. The same run has the same figures; its timings are its own.

    Attributes:
        figures: of each iteration.
        timings: likewise.
    """

    figures: list[IterationFigures]
    timings: list[IterationTimings]


class PpoTextReport(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a run of PPO made.

    Attributes:
        finished: all iterations are done and the model is written.
        curves: so far.
        beta: the controller's, for the next iteration.
        trainable_parameters: of adapters and value head.
        value_direction_used: values started along the reward model's direction.
        processes: that trained together.
    """

    finished: bool
    curves: PpoTextCurves
    beta: float
    trainable_parameters: int
    value_direction_used: bool
    processes: int


def write_ppo_json(folder: Path, report: PpoTextReport, settings: dict[str, object]) -> None:
    """`ppo.json` beside the model: settings and figures, no timings, so equal runs are equal bytes.

    Args:
        folder: the model directory.
        report: of the run.
        settings: what the run was made with.
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
        rollout: what was written.
        rewards: what it earned.
        old: the policy's figures of it.
        reference: log-probabilities under the reference, shape (rows, longest).
    """

    rollout: Rollout
    rewards: RewardParts
    old: TokenFigures
    reference: Tensor


def iteration_figures(
    seen: Experience,
    batch: TokenBatch,
    learnt: LearnFigures,
    *,
    iteration: int,
    beta: float,
    learning_rate: float,
    total: Callable[[Tensor], Tensor],
) -> IterationFigures:
    """Figures over all processes.

    Args:
        seen: this process's samples.
        batch: what was learnt from them.
        learnt: how that went; the same in all processes.
        iteration: counted from 1.
        beta: as it was.
        learning_rate: as it was.
        total: a sum over all processes from this process's.
    """
    rollout, rewards, old = seen.rollout, seen.rewards, seen.old
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
        "kl": k1(old.logprobs, seen.reference),
        "kl_k3": k3(old.logprobs, seen.reference),
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
