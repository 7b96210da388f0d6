"""RLOO with TRL's trainer and the same rewards: the baseline that text PPO is held against."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from churnsaver_assets.common.fingerprint import fingerprint
from churnsaver_assets.experiments.text_spec import LoraSpec, SamplingSpec
from churnsaver_assets.text.model.adapters import MergeCheck, lora_config, merge_and_save
from churnsaver_assets.text.model.loading import (
    directory_sha256,
    load_for_training,
    load_tokenizer,
    quiet,
)
from churnsaver_assets.text.model.perplexity import token_rows
from churnsaver_assets.text.records import Demonstration, Prompt
from churnsaver_assets.text.reward.message_reward import MessageReward
from churnsaver_assets.text.rloo.rewards import RewardFunction, SamplingClock, reward_function
from churnsaver_assets.text.rloo.settings import RlooSpec
from churnsaver_assets.text.run import Run
from churnsaver_assets.text.tuning.trainer_checkpoints import RunCheckpoints, step_of
from churnsaver_assets.text.tuning.training import (
    StepTimes,
    TrainingDataError,
    first_process,
    from_first,
    train_adapters,
    trainer_arguments,
    watch,
)

if TYPE_CHECKING:
    from peft import LoraConfig
    from transformers import PreTrainedModel, PreTrainedTokenizerBase, TrainerCallback
    from trl import RLOOConfig, RLOOTrainer  # type: ignore[attr-defined]

_COMPARED_ROWS = 4
_CURVES = {
    "reward": "reward",
    "reward_model": "reward_model",
    "safety": "safety",
    "brevity": "brevity",
    "strict_pass_rate": "strict_pass_rate",
    "kl_per_token": "kl",
    "tokens": "completions/mean_length",
}
"""Fields of a point, and the trainer's names for them."""


class RlooPoint(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Figures of one step's samples, before the step.

    Attributes:
        step: Number of the step, from 1.
        reward: Mean of the rewards.
        reward_model: Mean of the reward model's part, unweighted.
        safety: Mean of the shield's part, unweighted.
        brevity: Mean of the brevity part, unweighted.
        strict_pass_rate: Share of samples that break no rule.
        kl_per_token: KL from the model that training began at, nats; None where beta is 0.
        tokens: Mean number of tokens, end token included.
    """

    step: int
    reward: float
    reward_model: float
    safety: float
    brevity: float
    strict_pass_rate: float
    kl_per_token: float | None
    tokens: float


class RlooReport(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A report of a training by RLOO.

    Attributes:
        prompts: Number of prompts sampled from.
        steps: Number of optimiser steps.
        resumed_from: Step of the checkpoint that this process went on from; 0 if none.
        curve: One point a step.
        seconds_per_step: Median wall time, sampling and rewards included; None if every step was
            made before the resume.
        generated_tokens: Number of tokens sampled by this process.
        generation_seconds: Wall time of sampling alone, in this process.
        tokens_per_second: Tokens sampled per second of sampling; None if nothing was sampled.
        merged: Comparison of the merged model with the one with adapters.
        sha256: Hash of the model directory.
    """

    prompts: int
    steps: int
    resumed_from: int
    curve: tuple[RlooPoint, ...]
    seconds_per_step: float | None
    generated_tokens: int
    generation_seconds: float
    tokens_per_second: float | None
    merged: MergeCheck
    sha256: str


def train_rloo(
    policy_dir: Path,
    reward: MessageReward,
    prompts: Sequence[Prompt],
    spec: RlooSpec,
    sampling: SamplingSpec,
    *,
    lora: LoraSpec,
    run: Run,
    target: Path,
) -> RlooReport:
    """Train by REINFORCE with a leave-one-out baseline and a fixed KL weight.

    RLOO as in Ahmadian et al. 2024. The KL is measured from `policy_dir`: fresh adapters are put on
    it, and without them the model is the reference. The learning rate falls linearly to 0; dropout
    is off. A run that was cut goes on from its newest complete checkpoint.

    Args:
        policy_dir: Directory of the model to begin at, adapters merged.
        reward: Reward of messages, as PPO gets it.
        prompts: Prompts with unique ids.
        spec: Steps, batch, samples per prompt, rate, KL weight.
        sampling: Length and temperature; its `batch_rows` isn't used: a step's batch is sampled
            at once.
        lora: Size of the adapters; its dropout isn't used.
        run: Hardware, progress, and the seed for the prompts' order, the adapters' start and the
            samples. Its folder is for this run alone; the caller clears it once the result is kept.
        target: Model directory to write.

    Raises:
        TrainingDataError: Ids repeat, there are too few prompts for a batch, or the batch isn't a
            multiple of `generations`.
        CheckpointError: The checkpoints are of another run.
        ModelDirectoryError: A model can't be read or written, or the merged one differs.
        HardwareError: The machine lacks what the settings ask for.
    """
    tokenizer = load_tokenizer(policy_dir)
    _check(tokenizer, prompts, spec)
    hardware = run.hardware
    checkpoints = RunCheckpoints(
        run.folder,
        fingerprint(
            ["rloo", run.seed, hardware.bf16, hardware.quantisation],
            [directory_sha256(policy_dir), list(prompts), reward.fingerprint()],
            spec,
            sampling,
            lora,
        ),
    )
    start, times, clock = checkpoints.newest(), StepTimes(), SamplingClock()
    trainer = _trainer(
        load_for_training(policy_dir, hardware),
        tokenizer,
        prompts,
        reward_function(reward, prompts, tokenizer, clock),
        _arguments(spec, sampling, run, checkpoints),
        adapters=lora_config(lora),
        clock=clock,
        watcher=watch(checkpoints, times, run.progress, figure="reward"),
    )
    with quiet():
        trained, history = train_adapters(trainer, checkpoints, spec.steps)
    if not first_process():
        return from_first(None)
    merged = merge_and_save(
        trained,
        policy_dir,
        tokenizer,
        target,
        token_rows(tokenizer, [Demonstration(one.text, "") for one in prompts[:_COMPARED_ROWS]]),
    )
    return from_first(
        RlooReport(
            prompts=len(prompts),
            steps=spec.steps,
            resumed_from=step_of(start),
            curve=tuple(_point(one) for one in history if "reward" in one),
            seconds_per_step=times.median(),
            generated_tokens=clock.tokens,
            generation_seconds=clock.seconds,
            tokens_per_second=clock.tokens / clock.seconds if clock.tokens else None,
            merged=merged,
            sha256=directory_sha256(target),
        )
    )


def _arguments(
    spec: RlooSpec, sampling: SamplingSpec, run: Run, checkpoints: RunCheckpoints
) -> "RLOOConfig":
    from trl import RLOOConfig  # type: ignore[attr-defined]

    with quiet():
        return RLOOConfig(
            **trainer_arguments(
                run.hardware,
                checkpoints,
                steps=spec.steps,
                batch_rows=spec.batch_rows,
                learning_rate=spec.learning_rate,
                save_every=spec.save_every,
                seed=run.seed,
            ),
            num_generations=spec.generations,
            max_completion_length=sampling.max_new_tokens,
            temperature=sampling.temperature,
            beta=spec.beta,
            # Sampling happens in training mode: with dropout, other weights would be sampled from
            # than are scored.
            disable_dropout=True,
        )


def _trainer(
    model: "PreTrainedModel",
    tokenizer: "PreTrainedTokenizerBase",
    prompts: Sequence[Prompt],
    reward: RewardFunction,
    arguments: "RLOOConfig",
    *,
    adapters: "LoraConfig",
    clock: SamplingClock,
    watcher: "TrainerCallback",
) -> "RLOOTrainer":
    """Return TRL's trainer, its sampling under the clock."""
    from datasets import Dataset  # type: ignore[import-untyped]
    from trl import RLOOTrainer  # type: ignore[attr-defined]

    with quiet():
        trainer = RLOOTrainer(
            model=model,
            reward_funcs=[reward],
            args=arguments,
            train_dataset=Dataset.from_list(
                [{"prompt": one.text, "prompt_id": one.id} for one in prompts]
            ),
            processing_class=tokenizer,
            peft_config=adapters,
            callbacks=[watcher],
        )
        policy = trainer.accelerator.unwrap_model(trainer.model)
        policy.generate = clock.timed(policy.generate)
        return trainer


def _point(logged: dict[str, Any]) -> RlooPoint:
    values = {name: logged.get(of) for name, of in _CURVES.items()}
    return msgspec.convert({"step": int(logged["step"])} | values, RlooPoint)


def _check(tokenizer: "PreTrainedTokenizerBase", prompts: Sequence[Prompt], spec: RlooSpec) -> None:
    if spec.batch_rows % spec.generations:
        raise TrainingDataError(
            f"rloo.batch_rows is {spec.batch_rows}: expected a multiple of "
            f"rloo.generations, {spec.generations}"
        )
    if len({prompt.id for prompt in prompts}) < len(prompts):
        raise TrainingDataError("the prompts' ids repeat: give each prompt its own")
    least = spec.batch_rows // spec.generations
    if len(prompts) < least:
        raise TrainingDataError(
            f"got {len(prompts)} prompts: a batch of {spec.batch_rows} with {spec.generations} "
            f"samples of each needs at least {least}"
        )
    # TRL lets the tokenizer add its special tokens, though the chat format has them already.
    text = prompts[0].text
    if tokenizer(text)["input_ids"] != tokenizer(text, add_special_tokens=False)["input_ids"]:
        raise TrainingDataError(
            "the tokenizer adds special tokens of its own: make the model directory with "
            "make_base_model"
        )
