"""One iteration of PPO: sample messages, score them, estimate advantages, make gradient steps."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from churnsaver_assets.experiments.text_spec import TextPpoSpec
from churnsaver_assets.text.ppo.checkpoint import PpoState
from churnsaver_assets.text.ppo.credit import broken_tokens, placed_rewards
from churnsaver_assets.text.ppo.curves import Experience, IterationTimings, iteration_figures
from churnsaver_assets.text.ppo.learn import LearnFigures, PpoDivergedError, TokenBatch, learn
from churnsaver_assets.text.ppo.losses import gae, k1, whiten
from churnsaver_assets.text.ppo.rollout import Rollout, Writer, prompts_of, recompute
from churnsaver_assets.text.ppo.sampler import merged_weights
from churnsaver_assets.text.records import Prompt
from churnsaver_assets.text.reward.message_reward import MessageReward, RewardParts

if TYPE_CHECKING:
    from accelerate import Accelerator  # type: ignore[import-untyped]

# Streams of random numbers: one seed, iteration and process give both.
_DRAWS, _ORDER = 0, 1
_FINAL_RATE = 0.1


@dataclass(frozen=True, slots=True)
class PpoSetup:
    """All that stays the same over a training.

    Attributes:
        accelerator: The processes that train together.
        policy: The policy as the accelerator prepared it, to be called where gradients are wanted.
        full: Weights of the adapted layers in full precision, by name.
        writer: The writer that samples messages.
        reward: Reward of messages.
        prompts: All prompts.
        spec: All hyperparameters.
        seed: Seed for all random numbers.
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
        """Return the sum over processes of each process's part."""
        reduced: Any = self.accelerator.reduce(part, "sum")
        return torch.as_tensor(reduced)

    @property
    def rows(self) -> int:
        """Return how many rows one process computes together."""
        processes: int = self.accelerator.num_processes
        return max(1, self.spec.minibatch_rows // processes)


def iterate(state: PpoState, setup: PpoSetup) -> None:
    """Make one iteration; it changes the state in place.

    Raises:
        PpoDivergedError: A loss, a log-probability or a gradient is no number. A training that
            goes on from the last checkpoint diverges at the same place.
    """
    try:
        _iterate(state, setup)
    except PpoDivergedError as error:
        every = setup.spec.save_every
        raise PpoDivergedError(
            f"PPO diverged in iteration {state.iteration + 1}: {error}. Going on from the "
            f"checkpoint of iteration {state.iteration // every * every} would diverge again: "
            "lower ppo.learning_rate or ppo.max_grad_norm, or set hardware.bf16 to false, and "
            "start anew"
        ) from error


def _iterate(state: PpoState, setup: PpoSetup) -> None:
    spec = setup.spec
    rate = _learning_rate(spec, state.iteration)
    state.optimiser.param_groups[0]["lr"] = rate
    clock = _clock(state.policy.device)
    times = [clock()]
    rollout = _write(state, setup)
    times.append(clock())
    rewards = setup.reward(rollout.prompts, rollout.completions)
    earned = _earned(setup, rollout, rewards)
    times.append(clock())
    if state.iteration == 0:
        _start_values(state, setup, rollout, earned)
    old, reference = recompute(state.policy, rollout.sequences, setup.rows)
    broken = ~torch.isfinite(torch.stack([*old, reference]))
    if setup.total(broken.sum()) > 0:  # summed over processes, so that all stop
        raise PpoDivergedError("the policy's log-probabilities or values are no numbers")
    experience = Experience(rollout, rewards, old, reference)
    batch = _batch(state, setup, experience, earned)
    times.append(clock())
    learnt = _learn(state, setup, batch)
    times.append(clock())
    figures = iteration_figures(
        experience,
        batch,
        learnt,
        iteration=state.iteration + 1,
        beta=state.kl.beta,
        learning_rate=rate,
        total=setup.total,
    )
    generate, score, forward, learning = np.diff(times).tolist()
    state.curves.figures.append(figures)
    state.curves.timings.append(
        IterationTimings(
            generate=generate,
            score=score,
            forward=forward,
            learn=learning,
            tokens_per_second=figures.tokens * spec.batch_rows / generate,
        )
    )
    state.kl = state.kl.after(figures.kl, spec.kl)
    state.iteration += 1


def _write(state: PpoState, setup: PpoSetup) -> Rollout:
    """Sample this process's share of the iteration's messages."""
    accelerator, spec = setup.accelerator, setup.spec
    setup.writer.sampler.sync(merged_weights(state.policy, setup.full))
    asked = prompts_of(setup.prompts, spec.batch_rows, state.iteration, setup.seed)
    process = accelerator.process_index
    key = np.random.SeedSequence([setup.seed, state.iteration, process, _DRAWS])
    generator = torch.Generator().manual_seed(int(key.generate_state(1)[0]))
    share = asked[process :: accelerator.num_processes]
    return setup.writer.write(share, generator, state.policy.device)


def _earned(setup: PpoSetup, rollout: Rollout, rewards: RewardParts) -> Tensor:
    """Place rewards on tokens, without the KL penalty, shape (rows, longest)."""
    reward, lengths = setup.reward, rollout.sequences.lengths
    steps: list[list[int]] = (
        broken_tokens(rollout, rewards.verdicts, reward.shield, setup.writer.tokenizer)
        if setup.spec.place_breaches
        else [[] for _ in rollout.prompts]
    )
    return placed_rewards(rewards, steps, lengths, safety=reward.spec.safety)


def _start_values(state: PpoState, setup: PpoSetup, rollout: Rollout, earned: Tensor) -> None:
    """Start the value head on the first rollout, when the KL penalty is still 0."""
    from accelerate.utils import broadcast  # type: ignore[import-untyped]

    sequences = rollout.sequences
    nothing = torch.zeros_like(earned)
    discount = setup.spec.discount
    returns = gae(earned, nothing, sequences.mask, discount=discount, gae_lambda=1.0)
    head = state.policy.value_head
    direction, _ = setup.reward.reward_model.value_direction()
    order = torch.split(torch.arange(len(sequences), device=earned.device), setup.rows)
    features = torch.cat([state.policy.features(sequences.rows(index)) for index in order])
    used = head.start(features, returns[sequences.mask], np.asarray(direction))
    # One head for all processes: the main one's.
    with torch.no_grad():
        for tensor in (*head.parameters(), *head.buffers()):
            main: Any = broadcast(tensor.detach())
            tensor.copy_(main)
    state.value_direction_used = used


def _batch(state: PpoState, setup: PpoSetup, experience: Experience, earned: Tensor) -> TokenBatch:
    """Estimate advantages and the value head's targets."""
    spec, sequences, old = setup.spec, experience.rollout.sequences, experience.old
    mask = sequences.mask
    penalty = state.kl.beta * k1(old.logprobs, experience.reference)
    advantages = gae(
        earned - penalty,
        old.values,
        mask,
        discount=spec.discount,
        gae_lambda=spec.gae_lambda,
    )
    targets = advantages + old.values
    if spec.whiten:
        advantages = whiten(advantages, mask, setup.total)
    return TokenBatch(sequences, old.logprobs, old.values, advantages, targets)


def _learn(state: PpoState, setup: PpoSetup, batch: TokenBatch) -> LearnFigures:
    accelerator, spec = setup.accelerator, setup.spec
    key = [setup.seed, state.iteration, accelerator.process_index, _ORDER]
    return learn(
        setup.policy,
        state.optimiser,
        batch,
        spec,
        rng=np.random.default_rng(key),
        accelerator=accelerator,
    )


def _learning_rate(spec: TextPpoSpec, iteration: int) -> float:
    done = iteration / max(spec.iterations - 1, 1)
    return spec.learning_rate * (1.0 - (1.0 - _FINAL_RATE) * done)


def _clock(device: torch.device) -> Callable[[], float]:
    """Return a clock that waits for the device before it tells the seconds."""

    def now() -> float:
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        return perf_counter()

    return now
