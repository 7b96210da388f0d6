"""A cut training's state in one file: tensors, and a JSON head that says whose they are."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import safetensors
import torch
from safetensors import safe_open
from safetensors.torch import save

from churnsaver_assets.common.atomic import write_bytes

_OPTIMISER = "optimiser."


class CheckpointError(ValueError):
    """A checkpoint that can't be resumed from; says why."""


def write_checkpoint(
    path: Path, tensors: Mapping[str, torch.Tensor], head: Mapping[str, object]
) -> None:
    """Write a checkpoint in place of an earlier one.

    Args:
        path: The file; its folder is made where it is missing.
        tensors: Tensors by name.
        head: State that JSON can hold; its `mark` is the run's fingerprint.
    """
    data = save(
        {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()},
        metadata={"state": json.dumps(head)},
    )
    write_bytes(path, data)


def read_checkpoint(path: Path, mark: str) -> tuple[dict[str, Any], dict[str, torch.Tensor]] | None:
    """Return head and tensors of a checkpoint; None where there is none.

    Args:
        path: The file.
        mark: Fingerprint of the run that would go on.

    Raises:
        CheckpointError: The file can't be read, or is of a run with other data or settings.
    """
    if not path.exists():
        return None
    try:
        with safe_open(path, framework="pt") as opened:
            head: dict[str, Any] = json.loads(opened.metadata()["state"])
            tensors = {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118
    except (safetensors.SafetensorError, KeyError, TypeError, json.JSONDecodeError) as error:
        raise CheckpointError(f"{path} can't be read ({error}); remove it to start anew") from error
    if head["mark"] != mark:
        raise CheckpointError(
            f"{path} is of a run with other inputs, settings or seed; remove it to start anew"
        )
    return head, tensors


def optimiser_tensors(optimiser: torch.optim.Optimizer) -> dict[str, torch.Tensor]:
    """Return an optimiser's moments under names of their own."""
    return {
        f"{_OPTIMISER}{position}.{name}": tensor
        for position, state in optimiser.state_dict()["state"].items()
        for name, tensor in state.items()
    }


def restore_optimiser(
    optimiser: torch.optim.Optimizer, tensors: Mapping[str, torch.Tensor]
) -> None:
    """Put an optimiser's moments back; its settings stay.

    Args:
        optimiser: An optimiser of the same parameters.
        tensors: Tensors of a checkpoint; others than the optimiser's are left out.
    """
    moments: dict[int, dict[str, torch.Tensor]] = {}
    for name, tensor in tensors.items():
        if name.startswith(_OPTIMISER):
            _, position, key = name.split(".")
            moments.setdefault(int(position), {})[key] = tensor
    groups = optimiser.state_dict()["param_groups"]
    optimiser.load_state_dict({"state": moments, "param_groups": groups})
