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

from churnsaver_assets.common.fingerprint import fingerprint
from churnsaver_assets.experiments.text_spec import SamplingSpec, TextPpoSpec
from churnsaver_assets.text.model.loading import directory_sha256, load_tokenizer, prepare
from churnsaver_assets.text.ppo.checkpoint import (
    PpoState,
    load_checkpoint,
    save_checkpoint,
)
from churnsaver_assets.text.ppo.curves import PpoTextCurves, PpoTextReport, write_ppo_json
from churnsaver_assets.text.ppo.iteration import PpoSetup, iterate
from churnsaver_assets.text.ppo.losses import AdaptiveKl
from churnsaver_assets.text.ppo.policy import build_policy
from churnsaver_assets.text.ppo.rollout import Writer
from churnsaver_assets.text.ppo.sampler import Sampler, save_merged, take_full_weights
from churnsaver_assets.text.records import Prompt
from churnsaver_assets.text.reward.message_reward import MessageReward
from churnsaver_assets.text.run import Run

if TYPE_CHECKING:
    from accelerate import Accelerator  # type: ignore[import-untyped]


def train_ppo(
    policy_dir: Path,
    reward: MessageReward,
    prompts: Sequence[Prompt],
    spec: TextPpoSpec,
    sampling: SamplingSpec,
    *,
    run: Run,
    target: Path,
    stop_after: int | None = None,
) -> PpoTextReport:
    """Train a policy and write it. Equal arguments give equal bytes, cut and resumed or not.

    Args:
        policy_dir: Model directory to start from, everything merged; also the reference.
        reward: Reward of messages.
        prompts: Prompts to write for; each comes once before any comes again.
        spec: All hyperparameters.
        sampling: Sampling settings of the policy in use.
        run: Hardware, seed for all random numbers, folder of the training's state, progress.
        target: Model directory to write, with `ppo.json` in it; an earlier one is replaced.
        stop_after: Most iterations of this call; a cut training writes no `target`.

    Raises:
        CheckpointError: The state in the run's folder is of another training.
        PpoDivergedError: A loss is no number.
        ValueError: Settings don't fit together.
    """
    from accelerate import Accelerator

    device = prepare(run.hardware)
    accelerator = Accelerator(cpu=device.type == "cpu")
    main, processes = accelerator.is_main_process, accelerator.num_processes
    _check(spec, prompts, processes)
    state, setup = _begin(
        policy_dir, reward, prompts, spec, sampling, run=run, accelerator=accelerator
    )
    settings = _settings(policy_dir, reward, prompts, spec, sampling, run=run)
    mark = fingerprint(settings, processes, list(prompts))
    load_checkpoint(run.folder, state, mark)
    last = spec.iterations
    if stop_after is not None:
        last = min(last, state.iteration + stop_after)
    while state.iteration < last:
        iterate(state, setup)
        if state.iteration % spec.save_every == 0 or state.iteration == last:
            if main:
                save_checkpoint(run.folder, state, mark)
            accelerator.wait_for_everyone()
        if run.progress is not None and main:
            run.progress(state.iteration, spec.iterations, _line(state.curves))
    report = PpoTextReport(
        finished=state.iteration == spec.iterations,
        curves=state.curves,
        beta=state.kl.beta,
        trainable_parameters=sum(one.numel() for one in state.policy.trained().values()),
        value_direction_used=state.value_direction_used,
        processes=processes,
    )
    if report.finished and main:
        save_merged(policy_dir, state.policy, setup.full, run.hardware, target)
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
    sampling: SamplingSpec,
    *,
    run: Run,
    accelerator: "Accelerator",
) -> tuple[PpoState, PpoSetup]:
    policy = build_policy(
        policy_dir, spec.lora, run.hardware, temperature=sampling.temperature, seed=run.seed
    )
    full = take_full_weights(policy_dir, policy, run.hardware)
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
    sampler = Sampler(policy_dir, run.hardware)
    writer = Writer(sampler, tokenizer, sampling, sampler.ends | {int(tokenizer.eos_token_id or 0)})
    state = PpoState(policy, optimiser, AdaptiveKl.start(spec.kl), PpoTextCurves([], []))
    return state, PpoSetup(accelerator, wrapped, full, writer, reward, prompts, spec, run.seed)


def _line(curves: PpoTextCurves) -> str:
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
    sampling: SamplingSpec,
    *,
    run: Run,
) -> dict[str, object]:
    """Return all that the training depends on, for its mark and for `ppo.json`."""
    hardware = run.hardware
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
        "seed": run.seed,
    }
