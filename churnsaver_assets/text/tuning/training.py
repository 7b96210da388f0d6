"""Parts of every training by TRL: arguments, checkpoints, progress, processes."""

import os
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

import torch

from churnsaver_assets.common.progress import Progress
from churnsaver_assets.experiments.text_spec import HardwareSpec
from churnsaver_assets.text.model.loading import (
    prepare,
)
from churnsaver_assets.text.tuning.trainer_checkpoints import RunCheckpoints, step_of

if TYPE_CHECKING:
    from peft import PeftModel
    from transformers import (
        Trainer,
        TrainerCallback,
    )


Report = TypeVar("Report")


class TrainingDataError(ValueError):
    """Data that can't be trained on; says why."""


@dataclass(slots=True)
class StepTimes:
    """Wall time of this process's optimiser steps, seconds."""

    seconds: list[float] = field(default_factory=list)

    def median(self) -> float | None:
        """Return the median of the steps made; None where all were made before the resume."""
        return float(torch.tensor(self.seconds).median()) if self.seconds else None


def watch(
    checkpoints: RunCheckpoints, times: StepTimes, progress: Progress | None, *, figure: str
) -> "TrainerCallback":
    """Return a callback that seals checkpoints, times steps and reports progress, on rank 0.

    Args:
        checkpoints: Checkpoints in the trainer's output folder.
        times: Times of the steps, which the callback adds to.
        progress: Function that is told of each step; None for none.
        figure: Name of the figure in the trainer's log that is shown with each step.
    """
    from accelerate import PartialState  # type: ignore[import-untyped]
    from transformers import (
        TrainerCallback,
        TrainerControl,
        TrainerState,
        TrainingArguments,
    )

    class Watch(TrainerCallback):
        started = 0.0

        def on_step_begin(
            self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: object
        ) -> None:
            del args, state, control
            self.started = time.perf_counter()

        def on_step_end(
            self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: object
        ) -> None:
            del args, state, control
            times.seconds.append(time.perf_counter() - self.started)

        def on_log(
            self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: object
        ) -> None:
            del args, control
            last = state.log_history[-1]
            if progress is not None and state.is_world_process_zero and figure in last:
                progress(state.global_step, state.max_steps, f"{figure} {last[figure]:.4f}")

        def on_save(
            self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: object
        ) -> None:
            del args, control
            # Each process writes its own random state into the checkpoint.
            PartialState().wait_for_everyone()
            if state.is_world_process_zero:
                checkpoints.seal(state.global_step)

    return Watch()


def world_size() -> int:
    """Return the number of processes, as `accelerate launch` or `torchrun` say."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def first_process() -> bool:
    """Return whether this process measures and writes."""
    return os.environ.get("RANK", "0") == "0"


def trainer_arguments(
    hardware: HardwareSpec,
    checkpoints: RunCheckpoints,
    *,
    steps: int,
    batch_rows: int,
    learning_rate: float,
    save_every: int,
    seed: int,
) -> dict[str, Any]:
    """Return arguments for any of TRL's trainers: no reports, no bars, a log of every step.

    What isn't set here is TRL's default: AdamW without weight decay, gradients clipped at norm 1.

    Raises:
        TrainingDataError: The batch can't be shared out evenly among the processes.
    """
    if batch_rows % world_size():
        raise TrainingDataError(
            f"batch_rows is {batch_rows}: expected a multiple of the {world_size()} processes"
        )
    return {
        "output_dir": str(checkpoints.folder),
        "max_steps": steps,
        "per_device_train_batch_size": batch_rows // world_size(),
        "learning_rate": learning_rate,
        "save_strategy": "steps",
        "save_steps": save_every,
        "save_total_limit": 2,
        "logging_strategy": "steps",
        "logging_steps": 1,
        "seed": seed,
        "data_seed": seed,
        "bf16": hardware.bf16,
        "use_cpu": prepare(hardware).type == "cpu",
        "gradient_checkpointing": hardware.gradient_checkpointing,
        "report_to": "none",
        "disable_tqdm": True,
        "dataloader_pin_memory": False,
        "ddp_find_unused_parameters": False,
    }


def train_adapters(
    trainer: "Trainer", run: RunCheckpoints, steps: int
) -> tuple["PeftModel", list[dict[str, Any]]]:
    """Train from the run's newest checkpoint, or from the start.

    Args:
        trainer: TRL's trainer, made with adapters.
        run: Checkpoints of the run.
        steps: Number of steps of the whole training.

    Returns:
        The model with its trained adapters, and the trainer's log of all steps.
    """
    from peft import load_peft_weights, set_peft_model_state_dict
    from transformers import PrinterCallback, TrainerState

    start = run.newest()
    trainer.remove_callback(PrinterCallback)
    if start is not None and step_of(start) >= steps:
        # The trainer would make one step more.
        weights = load_peft_weights(str(start), device="cpu")
        set_peft_model_state_dict(trainer.model, weights)
        state = TrainerState.load_from_json(str(start / "trainer_state.json"))
    else:
        trainer.train(resume_from_checkpoint=str(start) if start else None)
        state = trainer.state
    trained: PeftModel = trainer.accelerator.unwrap_model(trainer.model, keep_fp32_wrapper=False)
    return trained, state.log_history


def from_first(report: Report | None) -> Report:
    """Return rank 0's report on every rank; the others give None."""
    from accelerate.utils import broadcast_object_list  # type: ignore[import-untyped]

    shared: list[Report | None] = [report]
    broadcast_object_list(shared)
    if shared[0] is None:
        raise RuntimeError("rank 0 has sent no report")
    return shared[0]
