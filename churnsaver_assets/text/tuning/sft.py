"""Supervised fine-tuning: TRL's trainer with adapters, from one model directory to the next."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from churnsaver_assets.common.fingerprint import fingerprint
from churnsaver_assets.experiments.text_spec import FineTuneSpec, LoraSpec
from churnsaver_assets.text.model.adapters import MergeCheck, lora_config, merge_and_save
from churnsaver_assets.text.model.loading import (
    directory_sha256,
    load_for_training,
    load_model,
    load_tokenizer,
    quiet,
)
from churnsaver_assets.text.model.perplexity import (
    LEAST_ROWS,
    PerplexityComparison,
    RowLosses,
    TokenRow,
    compare_perplexity,
    reply_losses,
    token_rows,
)
from churnsaver_assets.text.records import Demonstration
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
    from peft import PeftModel
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

WARM_UP = 0.1
_COMPARED_ROWS = 4
_RESAMPLES = 1000


class LossPoint(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One optimiser step.

    Attributes:
        step: Number of the step, from 1.
        loss: Nats per reply token of the batch.
        learning_rate: Learning rate of the step.
    """

    step: int
    loss: float
    learning_rate: float


class FineTuneReport(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A report of a fine-tuning.

    Attributes:
        rows: Number of rows trained on.
        dropped: Number of training rows over `max_tokens`.
        held_out_dropped: Number of held-out rows over `max_tokens`.
        steps: Number of optimiser steps.
        resumed_from: Step of the checkpoint that this process went on from; 0 if none.
        loss: Learning curve.
        perplexity: Perplexity of held-out replies, before and after.
        seconds_per_step: Median wall time; None if every step was made before the resume.
        merged: Comparison of the merged model with the one with adapters.
        sha256: Hash of the model directory.
    """

    rows: int
    dropped: int
    held_out_dropped: int
    steps: int
    resumed_from: int
    loss: tuple[LossPoint, ...]
    perplexity: PerplexityComparison
    seconds_per_step: float | None
    merged: MergeCheck
    sha256: str


def fine_tune(
    model_dir: Path,
    rows: Sequence[Demonstration],
    held_out: Sequence[Demonstration],
    spec: FineTuneSpec,
    lora: LoraSpec,
    *,
    run: Run,
    target: Path,
) -> FineTuneReport:
    """Train adapters on replies and merge them (Hu et al. 2022).

    The loss is on the reply and its end token alone. A run that was cut goes on from its newest
    complete checkpoint and ends where it would have ended. Under `accelerate launch` every process
    calls this; the batch is shared out, rank 0 alone measures and writes, all return the report.

    Args:
        model_dir: Directory of the model to begin at.
        rows: Rows to learn from; a random `spec.rows` of those that fit are used.
        held_out: Rows for the perplexity; a random `spec.evaluated_rows` of those that fit are
            used.
        spec: Lengths, steps, batch, rate.
        lora: Size of the adapters.
        run: Hardware, progress, and the seed for the choice of rows, their order, the adapters'
            start, dropout and bootstrap. Its folder is for this run alone; the caller clears it
            once the result is kept.
        target: Model directory to write.

    Raises:
        TrainingDataError: Fewer rows than one batch, or fewer than 2 held-out ones, fit.
        CheckpointError: The checkpoints are of another run.
        ModelDirectoryError: A model can't be read or written, or the merged one differs.
        HardwareError: The machine lacks what the settings ask for.
    """
    tokenizer, hardware, seed = load_tokenizer(model_dir), run.hardware, run.seed
    learnt, dropped = _fitting(token_rows(tokenizer, rows), spec.max_tokens, spec.rows, seed)
    unseen, unseen_dropped = _fitting(
        token_rows(tokenizer, held_out), spec.max_tokens, spec.evaluated_rows, seed
    )
    _check_rows(learnt, dropped, spec.batch_rows, spec.max_tokens, "training")
    _check_rows(unseen, unseen_dropped, LEAST_ROWS, spec.max_tokens, "held-out")
    checkpoints = RunCheckpoints(
        run.folder,
        fingerprint(
            ["sft", seed, hardware.bf16, hardware.quantisation],
            [directory_sha256(model_dir), learnt],
            spec,
            lora,
        ),
    )
    start = checkpoints.newest()

    def losses(directory: Path) -> RowLosses:
        model = load_model(directory, hardware, dtype="float32")
        pad = int(tokenizer.pad_token_id)
        return reply_losses(model, unseen, pad_id=pad, batch_rows=spec.batch_rows)

    before = losses(model_dir) if first_process() else None
    times = StepTimes()
    trained, history = _train(
        load_for_training(model_dir, hardware),
        tokenizer,
        learnt,
        spec,
        lora,
        run=run,
        checkpoints=checkpoints,
        times=times,
    )
    if before is None:
        return from_first(None)
    merged = merge_and_save(trained, model_dir, tokenizer, target, unseen[:_COMPARED_ROWS])
    report = FineTuneReport(
        rows=len(learnt),
        dropped=dropped,
        held_out_dropped=unseen_dropped,
        steps=spec.steps,
        resumed_from=step_of(start),
        loss=tuple(
            LossPoint(int(one["step"]), float(one["loss"]), float(one["learning_rate"]))
            for one in history
            if "loss" in one
        ),
        perplexity=compare_perplexity(before, losses(target), resamples=_RESAMPLES, seed=seed),
        seconds_per_step=times.median(),
        merged=merged,
        sha256=directory_sha256(target),
    )
    return from_first(report)


def _train(
    model: "PreTrainedModel",
    tokenizer: "PreTrainedTokenizerBase",
    rows: Sequence[TokenRow],
    spec: FineTuneSpec,
    lora: LoraSpec,
    *,
    run: Run,
    checkpoints: RunCheckpoints,
    times: StepTimes,
) -> tuple["PeftModel", list[dict[str, Any]]]:
    """Train, and return the model with its adapters and the trainer's log."""
    from datasets import Dataset  # type: ignore[import-untyped]
    from trl import SFTConfig, SFTTrainer  # type: ignore[attr-defined]

    # Labels come with the rows: the trainer neither cuts them nor masks them by the pad token.
    data = Dataset.from_list(
        [
            {
                "input_ids": row.prompt + row.reply,
                "labels": [-100] * len(row.prompt) + row.reply,
            }
            for row in rows
        ]
    )
    with quiet():
        arguments = SFTConfig(
            **trainer_arguments(
                run.hardware,
                checkpoints,
                steps=spec.steps,
                batch_rows=spec.batch_rows,
                learning_rate=spec.learning_rate,
                save_every=spec.save_every,
                seed=run.seed,
            ),
            lr_scheduler_type="cosine",
            warmup_steps=WARM_UP,
            max_length=None,
            dataloader_drop_last=True,
        )
        trainer = SFTTrainer(
            model=model,
            args=arguments,
            train_dataset=data,
            processing_class=tokenizer,
            peft_config=lora_config(lora),
            callbacks=[watch(checkpoints, times, run.progress, figure="loss")],
        )
        return train_adapters(trainer, checkpoints, spec.steps)


def _fitting(
    rows: Sequence[TokenRow], max_tokens: int, most: int, seed: int
) -> tuple[list[TokenRow], int]:
    """Choose rows that fit at random, and count those that don't."""
    fit = [row for row in rows if row.tokens <= max_tokens]
    order = np.random.default_rng(seed).permutation(len(fit))[:most]
    return [fit[index] for index in order], len(rows) - len(fit)


def _check_rows(
    rows: Sequence[TokenRow], dropped: int, least: int, max_tokens: int, what: str
) -> None:
    if len(rows) < least:
        raise TrainingDataError(
            f"{len(rows)} {what} rows of at most {max_tokens} tokens, {dropped} longer ones "
            f"dropped: expected at least {least}; add rows or raise max_tokens"
        )
