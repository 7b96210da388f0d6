"""What an iteration showed, over all processes."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from churnsaver_assets.text.ppo.curves import IterationFigures
from churnsaver_assets.text.ppo.kl import k1, k3
from churnsaver_assets.text.ppo.learn import Batch, LearnFigures
from churnsaver_assets.text.ppo.losses import explained_variance
from churnsaver_assets.text.ppo.policy import TokenFigures
from churnsaver_assets.text.ppo.rollout import Rollout
from churnsaver_assets.text.reward.message_reward import RewardParts


@dataclass(frozen=True, slots=True)
class Seen:
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
    seen: Seen,
    batch: Batch,
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
