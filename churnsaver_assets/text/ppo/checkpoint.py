"""All that a run needs to go on as if it had never stopped."""

from dataclasses import dataclass
from pathlib import Path

import msgspec
import torch

from churnsaver_assets.common.checkpoint_file import (
    optimiser_tensors,
    read_checkpoint,
    restore_optimiser,
    write_checkpoint,
)
from churnsaver_assets.text.ppo.curves import PpoTextCurves
from churnsaver_assets.text.ppo.losses import AdaptiveKl
from churnsaver_assets.text.ppo.policy import TextPolicy

CHECKPOINT_FILE = "ppo.safetensors"


@dataclass(slots=True)
class PpoState:
    """A training run between two iterations.

    There is no random state in it: every random number is drawn from the seed, the iteration and
    the process, and an iteration's prompts follow from its number.

    Attributes:
        policy: Adapters and value head.
        optimiser: Optimiser of both.
        kl: Controller of the KL penalty.
        curves: Curves of the iterations made.
        value_direction_used: Whether values started along the reward model's direction.
        iteration: Number of iterations made.
    """

    policy: TextPolicy
    optimiser: torch.optim.Optimizer
    kl: AdaptiveKl
    curves: PpoTextCurves
    value_direction_used: bool = False
    iteration: int = 0


def save_checkpoint(folder: Path, run: PpoState, mark: str) -> None:
    """Write the run's state, in place of an earlier one.

    Args:
        folder: Folder of the checkpoint; made where it is missing.
        run: State of the training.
        mark: Fingerprint of the training.
    """
    tensors: dict[str, torch.Tensor] = {
        f"trained.{name}": parameter for name, parameter in run.policy.trained().items()
    }
    tensors |= {f"value.{name}": buffer for name, buffer in run.policy.value_head.named_buffers()}
    head = {
        "mark": mark,
        "iteration": run.iteration,
        "beta": run.kl.beta,
        "value_direction_used": run.value_direction_used,
        "curves": msgspec.to_builtins(run.curves),
    }
    write_checkpoint(folder / CHECKPOINT_FILE, tensors | optimiser_tensors(run.optimiser), head)


@torch.no_grad()
def load_checkpoint(folder: Path, run: PpoState, mark: str) -> bool:
    """Put the run into the state of the folder's checkpoint.

    Args:
        folder: Folder of the checkpoint, if there is one.
        run: State of a training that has just begun; changed in place.
        mark: Fingerprint of the training.

    Returns:
        Whether there was one.

    Raises:
        CheckpointError: The checkpoint can't be read, or is of a training with other data or
            settings.
    """
    found = read_checkpoint(folder / CHECKPOINT_FILE, mark)
    if found is None:
        return False
    head, tensors = found
    for name, parameter in run.policy.trained().items():
        parameter.copy_(tensors[f"trained.{name}"])
    for name, buffer in run.policy.value_head.named_buffers():
        buffer.copy_(tensors[f"value.{name}"])
    restore_optimiser(run.optimiser, tensors)
    run.kl = AdaptiveKl(head["beta"])
    run.curves = msgspec.convert(head["curves"], PpoTextCurves)
    run.value_direction_used = head["value_direction_used"]
    run.iteration = head["iteration"]
    return True
