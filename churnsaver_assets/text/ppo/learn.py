"""Gradient steps on one iteration's samples."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from churnsaver_assets.experiments.text_spec import TextPpoSpec
from churnsaver_assets.text.ppo.losses import policy_loss, value_loss
from churnsaver_assets.text.ppo.sequences import Sequences

if TYPE_CHECKING:
    from accelerate import Accelerator  # type: ignore[import-untyped]


class PpoDivergedError(RuntimeError):
    """A loss that is no number; says where and what to do."""


@dataclass(frozen=True, slots=True)
class TokenBatch:
    """A batch to learn from; figures of tokens have shape (rows, longest).

    Attributes:
        sequences: Prompts and completions.
        logprobs: Log-probabilities under the policy that sampled.
        values: Values before the first step.
        advantages: Advantages, whitened where the settings say so.
        targets: Targets of the values.
    """

    sequences: Sequences
    logprobs: Tensor
    values: Tensor
    advantages: Tensor
    targets: Tensor

    def rows(self, index: Tensor) -> "TokenBatch":
        """Return some rows, trimmed to the longest of them."""
        sequences = self.sequences.rows(index)
        longest = int(sequences.lengths.max())
        parts = (self.logprobs, self.values, self.advantages, self.targets)
        return TokenBatch(sequences, *(part[index, :longest] for part in parts))

    def minibatches(self, rows: int, rng: np.random.Generator) -> Iterator["TokenBatch"]:
        """Yield all rows once, in random order, so many at a time."""
        order = torch.from_numpy(rng.permutation(len(self.sequences)))
        for index in torch.split(order.to(self.logprobs.device), rows):
            yield self.rows(index)


@dataclass(frozen=True, slots=True)
class LearnFigures:
    """Means over the steps made, as in `IterationFigures`."""

    policy_loss: float
    value_loss: float
    step_kl: float
    clip_share: float
    grad_norm: float
    steps: int


def learn(
    policy: nn.Module,
    optimiser: torch.optim.Optimizer,
    batch: TokenBatch,
    spec: TextPpoSpec,
    *,
    rng: np.random.Generator,
    accelerator: "Accelerator",
) -> LearnFigures:
    """Make PPO's epochs over a batch, until they are done or the policy has moved `stop_at`.

    Args:
        policy: Policy as the accelerator prepared it.
        optimiser: Optimiser of two groups of parameters, the adapters' and the value head's.
        batch: Rows of this process.
        spec: Epochs, clips, weights.
        rng: Random numbers for the minibatches' order.
        accelerator: The processes that train together.

    Raises:
        PpoDivergedError: A loss or gradient is no number; no step was made with it.
    """
    made: list[tuple[float, ...]] = []
    kl = 0.0
    rows = max(1, spec.minibatch_rows // accelerator.num_processes)
    parts = (part for _ in range(spec.epochs) for part in batch.minibatches(rows, rng))
    for part in parts:
        mask = part.sequences.mask
        # Gradients are averaged over processes: sums over the mean number of tokens give the mean
        # over all tokens.
        tokens = _reduced(accelerator, mask.sum().float())
        sequences = part.sequences
        now = policy(sequences.tokens, sequences.prompt_lengths, sequences.lengths)
        actor = policy_loss(
            now.logprobs, part.logprobs, part.advantages, mask, clip=spec.clip, tokens=tokens
        )
        critic = value_loss(
            now.values, part.values, part.targets, mask, clip=spec.value_clip, tokens=tokens
        )
        told = torch.stack([actor.loss, critic, actor.kl, actor.clip_share]).detach()
        actor_figure, critic_figure, kl, clip_share = _reduced(accelerator, told).tolist()
        if not np.isfinite([actor_figure, critic_figure, kl]).all():
            raise PpoDivergedError(f"policy loss {actor_figure}, value loss {critic_figure}")
        if kl > spec.kl.stop_at:
            break
        optimiser.zero_grad()
        accelerator.backward(actor.loss + spec.value_weight * critic)
        norms = [
            float(accelerator.clip_grad_norm_(group["params"], spec.max_grad_norm))
            for group in optimiser.param_groups
        ]
        if not np.isfinite(norms).all():
            raise PpoDivergedError(f"gradient norms {norms}")
        optimiser.step()
        made.append((actor_figure, critic_figure, clip_share, norms[0]))
    means = np.mean(made, axis=0).tolist() if made else [0.0] * 4
    return LearnFigures(means[0], means[1], kl, means[2], means[3], len(made))


def _reduced(accelerator: "Accelerator", value: Tensor) -> Tensor:
    """Return the mean over processes."""
    reduced: Any = accelerator.reduce(value, "mean")
    return torch.as_tensor(reduced)
