"""Checkpoints: all that a run needs to go on as if it had never stopped, in one file."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import safetensors
import torch
from safetensors import safe_open
from safetensors.torch import save

from churnsaver_assets.text.ppo.curves import Curves
from churnsaver_assets.text.ppo.kl import AdaptiveKl
from churnsaver_assets.text.ppo.policy import Policy
from churnsaver_assets.text.records import Prompt

CHECKPOINT_FILE = "ppo.safetensors"


class CheckpointError(ValueError):
    """A checkpoint that can't be resumed from; says why."""


@dataclass(slots=True)
class RunState:
    """A training run between two iterations.

    There is no random state in it: every random number is drawn from the seed, the iteration and
    the process, and an iteration's prompts follow from its number.

    Attributes:
        policy: adapters and value head.
        optimiser: of both.
        kl: the controller.
        curves: so far.
        value_direction_used: as in the report.
        iteration: how many were made.
    """

    policy: Policy
    optimiser: torch.optim.Optimizer
    kl: AdaptiveKl
    curves: Curves
    value_direction_used: bool = False
    iteration: int = 0


def fingerprint(parts: Sequence[str], prompts: Sequence[Prompt]) -> str:
    """sha256 of all that a run depends on.

    Args:
        parts: settings and hashes.
        prompts: to train on, in order.
    """
    content = [list(parts), [[prompt.id, prompt.context.key, prompt.text] for prompt in prompts]]
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()


def save_checkpoint(folder: Path, run: RunState, mark: str) -> None:
    """Write the run's state, in place of an earlier one.

    Args:
        folder: made where missing.
        run: the state.
        mark: the run's `fingerprint`.
    """
    tensors: dict[str, torch.Tensor] = {
        f"trained.{name}": parameter.detach() for name, parameter in run.policy.trained().items()
    }
    tensors |= {f"value.{name}": buffer for name, buffer in run.policy.value_head.named_buffers()}
    for position, state in run.optimiser.state_dict()["state"].items():
        tensors |= {f"optimiser.{position}.{name}": tensor for name, tensor in state.items()}
    head = {
        "mark": mark,
        "iteration": run.iteration,
        "beta": run.kl.beta,
        "value_direction_used": run.value_direction_used,
        "curves": msgspec.to_builtins(run.curves),
    }
    data = save(
        {name: tensor.cpu().contiguous() for name, tensor in tensors.items()},
        metadata={"state": json.dumps(head)},
    )
    folder.mkdir(parents=True, exist_ok=True)
    # Renaming is atomic: whoever cuts the run finds the old checkpoint or the new one.
    partial = folder / f"{CHECKPOINT_FILE}.partial"
    partial.write_bytes(data)
    partial.replace(folder / CHECKPOINT_FILE)


@torch.no_grad()
def load_checkpoint(folder: Path, run: RunState, mark: str) -> bool:
    """Put the run into the state of the folder's checkpoint.

    Args:
        folder: where it would lie.
        run: just begun; changed in place.
        mark: the run's `fingerprint`.

    Returns:
        Whether there was one.

    Raises:
        CheckpointError: it can't be read, or is of a run with other data or settings.
    """
    path = folder / CHECKPOINT_FILE
    if not path.exists():
        return False
    try:
        with safe_open(path, framework="pt") as opened:
            head: dict[str, Any] = json.loads(opened.metadata()["state"])
            tensors = {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118
    except (safetensors.SafetensorError, KeyError, TypeError, json.JSONDecodeError) as error:
        raise CheckpointError(f"{path} can't be read ({error}); remove it to start anew") from error
    if head["mark"] != mark:
        raise CheckpointError(
            f"{path} is of a run with other models, prompts, settings or seed; remove it to start "
            "anew"
        )
    for name, parameter in run.policy.trained().items():
        parameter.copy_(tensors[f"trained.{name}"])
    for name, buffer in run.policy.value_head.named_buffers():
        buffer.copy_(tensors[f"value.{name}"])
    moments: dict[int, dict[str, torch.Tensor]] = {}
    for name, tensor in tensors.items():
        if name.startswith("optimiser."):
            _, position, key = name.split(".")
            moments.setdefault(int(position), {})[key] = tensor
    groups = run.optimiser.state_dict()["param_groups"]
    run.optimiser.load_state_dict({"state": moments, "param_groups": groups})
    run.kl = AdaptiveKl(head["beta"])
    run.curves = msgspec.convert(head["curves"], Curves)
    run.value_direction_used = head["value_direction_used"]
    run.iteration = head["iteration"]
    return True
