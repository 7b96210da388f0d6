"""One iteration: write, score, look back, learn."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from churnsaver_assets.experiments.text_spec import TextPpoSpec
from churnsaver_assets.text.ppo.advantages import gae, whiten
from churnsaver_assets.text.ppo.checkpoint import RunState
from churnsaver_assets.text.ppo.credit import placed_rewards
from churnsaver_assets.text.ppo.curves import IterationTimings
from churnsaver_assets.text.ppo.figures import Seen, iteration_figures
from churnsaver_assets.text.ppo.kl import k1
from churnsaver_assets.text.ppo.learn import Batch, LearnFigures, PpoDivergedError, learn
from churnsaver_assets.text.ppo.merging import merged_weights
from churnsaver_assets.text.ppo.rollout import Rollout, Writer, prompts_of, recompute
from churnsaver_assets.text.records import Prompt
from churnsaver_assets.text.reward.message_reward import MessageReward, RewardParts

if TYPE_CHECKING:
    from accelerate import Accelerator  # type: ignore[import-untyped]

# Streams of random numbers: one seed, iteration and process give both.
_DRAWS, _ORDER = 0, 1
_FINAL_RATE = 0.1


@dataclass(frozen=True, slots=True)
class Machinery:
    """What stays the same over a run.

    Attributes:
        accelerator: of all processes.
        policy: as the accelerator prepared it: the one to call where gradients are wanted.
        full: the adapted layers' weights in full precision.
        writer: samples.
        reward: of messages.
        prompts: all.
        spec: every hyperparameter.
        seed: of all random numbers.
    """

    accelerator: "Accelerator"
    policy: nn.Module
    full: dict[str, Tensor]
    writer: Writer
    reward: MessageReward
    prompts: Sequence[Prompt]
    spec: TextPpoSpec
    seed: int

    def total(self, part: Tensor) -> Tensor:
        """Sum over processes."""
        reduced: Any = self.accelerator.reduce(part, "sum")
        return torch.as_tensor(reduced)

    @property
    def rows(self) -> int:
        """That one process computes together."""
        processes: int = self.accelerator.num_processes
        return max(1, self.spec.minibatch_rows // processes)


def iterate(run: RunState, machinery: Machinery) -> None:
    """One iteration; moves the penalty's weight.

    Raises:
        PpoDivergedError: a loss is no number.
    """
    try:
        _iterate(run, machinery)
    except PpoDivergedError as error:
        every = machinery.spec.save_every
        raise PpoDivergedError(
            f"PPO diverged in iteration {run.iteration + 1}: {error}. The checkpoint of iteration "
            f"{run.iteration // every * every} stands, but leads here again: lower "
            "ppo.learning_rate or ppo.max_grad_norm, or set hardware.bf16 to false, and start anew"
        ) from error


def _iterate(run: RunState, machinery: Machinery) -> None:
    spec = machinery.spec
    rate = _learning_rate(spec, run.iteration)
    run.optimiser.param_groups[0]["lr"] = rate
    clock = _clock(run.policy.device)
    times = [clock()]
    rollout = _write(run, machinery)
    times.append(clock())
    rewards = machinery.reward(rollout.prompts, rollout.completions)
    earned = _earned(machinery, rollout, rewards)
    times.append(clock())
    if run.iteration == 0:
        _start_values(run, machinery, rollout, earned)
    old, reference = recompute(run.policy, rollout.sequences, machinery.rows)
    broken = ~torch.isfinite(torch.stack([*old, reference]))
    if machinery.total(broken.sum()) > 0:  # in any process, so that all stop
        raise PpoDivergedError("the policy's log-probabilities or values are no numbers")
    seen = Seen(rollout, rewards, old, reference)
    batch = _batch(run, machinery, seen, earned)
    times.append(clock())
    learnt = _learn(run, machinery, batch)
    times.append(clock())
    figures = iteration_figures(
        seen,
        batch,
        learnt,
        iteration=run.iteration + 1,
        beta=run.kl.beta,
        learning_rate=rate,
        total=machinery.total,
    )
    generate, score, forward, learning = np.diff(times).tolist()
    run.curves.figures.append(figures)
    run.curves.timings.append(
        IterationTimings(
            generate=generate,
            score=score,
            forward=forward,
            learn=learning,
            tokens_per_second=figures.tokens * spec.batch_rows / generate,
        )
    )
    run.kl = run.kl.after(figures.kl, spec.kl)
    run.iteration += 1


def _write(run: RunState, machinery: Machinery) -> Rollout:
    """This process's share of the iteration's samples."""
    accelerator, spec = machinery.accelerator, machinery.spec
    machinery.writer.sampler.sync(merged_weights(run.policy, machinery.full))
    asked = prompts_of(machinery.prompts, spec.batch_rows, run.iteration, machinery.seed)
    process = accelerator.process_index
    key = np.random.SeedSequence([machinery.seed, run.iteration, process, _DRAWS])
    generator = torch.Generator().manual_seed(int(key.generate_state(1)[0]))
    share = asked[process :: accelerator.num_processes]
    return machinery.writer.write(share, generator, run.policy.device)


def _earned(machinery: Machinery, rollout: Rollout, rewards: RewardParts) -> Tensor:
    """What each token earned, without the KL penalty, shape (rows, longest)."""
    reward, lengths = machinery.reward, rollout.sequences.lengths
    steps: list[list[int]] = (
        machinery.writer.breaks(rollout, rewards.verdicts, reward.shield)
        if machinery.spec.place_breaches
        else [[] for _ in rollout.prompts]
    )
    return placed_rewards(rewards, steps, lengths, safety=reward.spec.safety)


def _start_values(run: RunState, machinery: Machinery, rollout: Rollout, earned: Tensor) -> None:
    """Start the value head on the first rollout, where no KL has been paid yet."""
    from accelerate.utils import broadcast  # type: ignore[import-untyped]

    sequences = rollout.sequences
    nothing = torch.zeros_like(earned)
    discount = machinery.spec.discount
    returns = gae(earned, nothing, sequences.mask, discount=discount, gae_lambda=1.0)
    head = run.policy.value_head
    direction, _ = machinery.reward.reward_model.value_direction()
    order = torch.split(torch.arange(len(sequences), device=earned.device), machinery.rows)
    features = torch.cat([run.policy.features(sequences.rows(index)) for index in order])
    used = head.start(features, returns[sequences.mask], np.asarray(direction))
    # One head for all processes: the main one's.
    with torch.no_grad():
        for tensor in (*head.parameters(), *head.buffers()):
            main: Any = broadcast(tensor.detach())
            tensor.copy_(main)
    run.value_direction_used = used


def _batch(run: RunState, machinery: Machinery, seen: Seen, earned: Tensor) -> Batch:
    """Advantages and targets of what was seen."""
    spec, sequences, old = machinery.spec, seen.rollout.sequences, seen.old
    mask = sequences.mask
    penalty = run.kl.beta * k1(old.logprobs, seen.reference)
    advantages = gae(
        earned - penalty,
        old.values,
        mask,
        discount=spec.discount,
        gae_lambda=spec.gae_lambda,
    )
    targets = advantages + old.values
    if spec.whiten:
        advantages = whiten(advantages, mask, machinery.total)
    return Batch(sequences, old.logprobs, old.values, advantages, targets)


def _learn(run: RunState, machinery: Machinery, batch: Batch) -> LearnFigures:
    accelerator, spec = machinery.accelerator, machinery.spec
    key = [machinery.seed, run.iteration, accelerator.process_index, _ORDER]
    return learn(
        machinery.policy,
        run.optimiser,
        batch,
        spec,
        rng=np.random.default_rng(key),
        accelerator=accelerator,
    )


def _learning_rate(spec: TextPpoSpec, iteration: int) -> float:
    done = iteration / max(spec.iterations - 1, 1)
    return spec.learning_rate * (1.0 - (1.0 - _FINAL_RATE) * done)


def _clock(device: torch.device) -> Callable[[], float]:
    """Seconds, once the device has done what it was told."""

    def now() -> float:
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        return perf_counter()

    return now
