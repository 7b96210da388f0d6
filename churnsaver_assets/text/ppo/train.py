"""PPO on text, top to bottom (Ziegler et al. 2019; Ouyang et al. 2022).

Each iteration writes messages with a merged copy of the policy, scores them, and makes a few
clipped steps (Schulman et al. 2017) on adapters and value head. A penalty on the KL to the model
that it began at, of adaptive weight, keeps the policy near. Under `accelerate launch` every process
takes its share of each batch; alone, the same code is one process of one.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from churnsaver_assets.common.progress import Progress
from churnsaver_assets.experiments.text_spec import HardwareSpec, SamplingSpec, TextPpoSpec
from churnsaver_assets.text.model.loading import directory_sha256, load_tokenizer, prepare
from churnsaver_assets.text.ppo.checkpoint import (
    RunState,
    fingerprint,
    load_checkpoint,
    save_checkpoint,
)
from churnsaver_assets.text.ppo.curves import Curves, PpoTextReport, write_ppo_json
from churnsaver_assets.text.ppo.iteration import Machinery, iterate
from churnsaver_assets.text.ppo.kl import AdaptiveKl
from churnsaver_assets.text.ppo.merging import save_merged, take_full_weights
from churnsaver_assets.text.ppo.policy import build_policy
from churnsaver_assets.text.ppo.rollout import Writer
from churnsaver_assets.text.ppo.sampler import Sampler
from churnsaver_assets.text.records import Prompt
from churnsaver_assets.text.reward.message_reward import MessageReward

if TYPE_CHECKING:
    from accelerate import Accelerator  # type: ignore[import-untyped]


def train_ppo(  # noqa: PLR0917 - in the order of all the trainings
    policy_dir: Path,
    reward: MessageReward,
    prompts: Sequence[Prompt],
    spec: TextPpoSpec,
    sampling: SamplingSpec,
    hardware: HardwareSpec,
    seed: int,
    *,
    target: Path,
    checkpoints: Path,
    progress: Progress | None = None,
    stop_after: int | None = None,
) -> PpoTextReport:
    """Train a policy and write it. Equal arguments give equal bytes, cut and resumed or not.

    Args:
        policy_dir: model directory to start from, everything merged; also the reference.
        reward: of messages.
        prompts: to write for; each comes once before any comes again.
        spec: every hyperparameter.
        sampling: as the policy is to be used.
        hardware: to run on.
        seed: of all random numbers.
        target: the trained model directory, with `ppo.json` in it; an earlier one is replaced.
        checkpoints: keeps the run's state there and goes on from what is found there.
        progress: told of every iteration.
        stop_after: iterations to make in this call at most; a cut run writes no `target`.

    Raises:
        CheckpointError: what is in `checkpoints` is of another run.
        PpoDivergedError: a loss is no number.
        ValueError: settings that don't fit together.
    """
    from accelerate import Accelerator

    device = prepare(hardware)
    accelerator = Accelerator(cpu=device.type == "cpu")
    _check(spec, prompts, accelerator.num_processes)
    run, machinery = _begin(
        policy_dir,
        reward,
        prompts,
        spec,
        sampling=sampling,
        hardware=hardware,
        seed=seed,
        accelerator=accelerator,
    )
    settings = _settings(
        policy_dir, reward, prompts, spec, sampling=sampling, hardware=hardware, seed=seed
    )
    mark = fingerprint([repr(settings), str(accelerator.num_processes)], prompts)
    load_checkpoint(checkpoints, run, mark)
    last = spec.iterations
    if stop_after is not None:
        last = min(last, run.iteration + stop_after)
    while run.iteration < last:
        iterate(run, machinery)
        if run.iteration % spec.save_every == 0 or run.iteration == last:
            if accelerator.is_main_process:
                save_checkpoint(checkpoints, run, mark)
            accelerator.wait_for_everyone()
        if progress is not None and accelerator.is_main_process:
            progress(run.iteration, spec.iterations, _line(run.curves))
    report = PpoTextReport(
        finished=run.iteration == spec.iterations,
        curves=run.curves,
        beta=run.kl.beta,
        trainable_parameters=sum(one.numel() for one in run.policy.trained().values()),
        value_direction_used=run.value_direction_used,
        processes=accelerator.num_processes,
    )
    if report.finished and accelerator.is_main_process:
        save_merged(policy_dir, run.policy, machinery.full, hardware, target)
        write_ppo_json(target, report, settings)
    accelerator.wait_for_everyone()
    return report


def _check(spec: TextPpoSpec, prompts: Sequence[Prompt], processes: int) -> None:
    if not prompts:
        raise ValueError("PPO needs prompts to write for, got none")
    for name in ("batch_rows", "minibatch_rows"):
        rows = getattr(spec, name)
        if rows % processes:
            raise ValueError(
                f"ppo.{name} is {rows}; it must be a multiple of the {processes} processes"
            )


def _begin(
    policy_dir: Path,
    reward: MessageReward,
    prompts: Sequence[Prompt],
    spec: TextPpoSpec,
    *,
    sampling: SamplingSpec,
    hardware: HardwareSpec,
    seed: int,
    accelerator: "Accelerator",
) -> tuple[RunState, Machinery]:
    policy = build_policy(
        policy_dir, spec.lora, hardware, temperature=sampling.temperature, seed=seed
    )
    full = take_full_weights(policy_dir, policy, hardware)
    head = [parameter for name, parameter in policy.trained().items() if "value_head." in name]
    adapters = [one for name, one in policy.trained().items() if "value_head." not in name]
    optimiser = torch.optim.Adam(
        [
            {"params": adapters, "lr": spec.learning_rate},
            {"params": head, "lr": spec.value_learning_rate},
        ]
    )
    prepared: Any = accelerator.prepare(policy, optimiser)
    wrapped, optimiser = prepared
    tokenizer = load_tokenizer(policy_dir)
    sampler = Sampler(policy_dir, hardware)
    writer = Writer(sampler, tokenizer, sampling, sampler.ends | {int(tokenizer.eos_token_id or 0)})
    run = RunState(policy, optimiser, AdaptiveKl.start(spec.kl), Curves([], []))
    return run, Machinery(accelerator, wrapped, full, writer, reward, prompts, spec, seed)


def _line(curves: Curves) -> str:
    figures, timings = curves.figures[-1], curves.timings[-1]
    return (
        f"reward {figures.reward:.2f}, strict pass {figures.strict_pass_rate:.0%}, "
        f"KL {figures.kl:.3f} at beta {figures.beta:.3f}, {timings.seconds:.1f} s "
        f"({timings.tokens_per_second:.0f} tokens/s)"
    )


def _settings(
    policy_dir: Path,
    reward: MessageReward,
    prompts: Sequence[Prompt],
    spec: TextPpoSpec,
    *,
    sampling: SamplingSpec,
    hardware: HardwareSpec,
    seed: int,
) -> dict[str, object]:
    """All that the run depends on, for its mark and for `ppo.json`."""
    return {
        "policy_sha256": directory_sha256(policy_dir),
        "reward_sha256": reward.fingerprint(),
        "reward_model_sha256": reward.reward_model.sha256,
        "shield_sha256": reward.shield.sha256,
        "reward": reward.spec.model_dump(mode="json"),
        "ppo": spec.model_dump(mode="json"),
        "sampling": sampling.model_dump(mode="json"),
        "bf16": hardware.bf16,
        "gradient_checkpointing": hardware.gradient_checkpointing,
        "quantisation": hardware.quantisation,
        "prompts": len(prompts),
        "seed": seed,
    }
