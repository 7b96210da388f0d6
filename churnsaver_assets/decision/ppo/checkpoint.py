"""Checkpoints of training: a run that is resumed goes on as if it had never stopped."""

from dataclasses import dataclass, fields
from pathlib import Path

import msgspec
import numpy as np
import torch

from churnsaver_assets.common.checkpoint_file import (
    optimiser_tensors,
    read_checkpoint,
    restore_optimiser,
    write_checkpoint,
)
from churnsaver_assets.common.fingerprint import fingerprint
from churnsaver_assets.decision.ppo.curves import LearningCurves
from churnsaver_assets.decision.ppo.network import ActorCritic
from churnsaver_assets.decision.simulator.cohort import Cohort
from churnsaver_assets.decision.simulator.setting import Setting
from churnsaver_assets.experiments.policy_spec import PolicySpec
from churnsaver_serving.runtime.world.assumptions import Assumptions

CHECKPOINT_FILE = "checkpoint.safetensors"


@dataclass(slots=True)
class TrainingState:
    """A training run between two episodes.

    Attributes:
        model: Actor and critics.
        optimiser: Optimiser of the current phase.
        rng: Generator of every random number.
        curves: Learning curves so far.
        update: Number of updates made.
    """

    model: ActorCritic
    optimiser: torch.optim.Adam
    rng: np.random.Generator
    curves: LearningCurves
    update: int = 0


def run_mark(setting: Setting, assumptions: Assumptions, spec: PolicySpec, seed: int) -> str:
    """Return the fingerprint of all that a run depends on."""
    calendar = setting.calendar
    return fingerprint(
        setting.space,
        setting.rules,
        setting.nominal,
        assumptions,
        seed,
        spec,
        *(calendar.first, calendar.working),
        *(
            getattr(cohort, one.name)
            for cohort in (setting.cohort, setting.believed or setting.cohort)
            for one in fields(Cohort)
        ),
    )


def save_checkpoint(folder: Path, run: TrainingState, mark: str) -> None:
    """Write the run's state, in place of an earlier one.

    Args:
        folder: Folder of the checkpoint; made where it is missing.
        run: The state to write.
        mark: The run's `run_mark`.
    """
    tensors = {f"model.{name}": tensor for name, tensor in run.model.state_dict().items()}
    head = {
        "mark": mark,
        "update": run.update,
        "rng": run.rng.bit_generator.state,
        "curves": msgspec.to_builtins(run.curves),
    }
    write_checkpoint(folder / CHECKPOINT_FILE, tensors | optimiser_tensors(run.optimiser), head)


def load_checkpoint(folder: Path, run: TrainingState, mark: str) -> bool:
    """Put the run into the state of the folder's checkpoint.

    Args:
        folder: Folder of the checkpoint.
        run: A run that has just begun; changed in place.
        mark: The run's `run_mark`.

    Returns:
        Whether there was one.

    Raises:
        CheckpointError: It can't be read, or is of a run with other data or settings.
    """
    found = read_checkpoint(folder / CHECKPOINT_FILE, mark)
    if found is None:
        return False
    head, tensors = found
    prefix = "model."
    run.model.load_state_dict(
        {
            name.removeprefix(prefix): tensor
            for name, tensor in tensors.items()
            if name.startswith(prefix)
        }
    )
    restore_optimiser(run.optimiser, tensors)
    run.rng.bit_generator.state = head["rng"]
    run.curves = msgspec.convert(head["curves"], LearningCurves)
    run.update = head["update"]
    return True
