"""Checkpoints: all that a run needs to go on as if it had never stopped, in one file."""

import hashlib
import json
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import safetensors
import torch
from safetensors import safe_open
from safetensors.torch import save

from churnsaver_assets.decision.cohort import Cohort
from churnsaver_assets.decision.ppo.curves import Curves
from churnsaver_assets.decision.ppo.network import ActorCritic
from churnsaver_assets.decision.ppo.pid import PIDMultiplier
from churnsaver_assets.decision.setting import Setting
from churnsaver_assets.experiments.policy_spec import PolicySpec
from churnsaver_serving.runtime.assumptions import Assumptions

CHECKPOINT_FILE = "checkpoint.safetensors"


class CheckpointError(ValueError):
    """A checkpoint that can't be resumed from; says why."""


@dataclass(slots=True)
class RunState:
    """A training run between two updates.

    Attributes:
        model: actor and critics.
        optimiser: of the current phase.
        rng: where every random number comes from.
        pid: the multiplier's controller, where there is one.
        curves: so far.
        update: how many were made.
    """

    model: ActorCritic
    optimiser: torch.optim.Adam
    rng: np.random.Generator
    pid: PIDMultiplier | None
    curves: Curves
    update: int = 0


def fingerprint(setting: Setting, assumptions: Assumptions, spec: PolicySpec, seed: int) -> str:
    """sha256 of all that a run depends on."""
    digest = hashlib.sha256()
    for part in (setting.space, setting.rules, setting.nominal, assumptions, seed):
        digest.update(msgspec.json.encode(part))
    digest.update(spec.model_dump_json().encode())
    calendar = setting.calendar
    for array in (calendar.month, calendar.weekday, calendar.working):
        digest.update(array.tobytes())
    for cohort in (setting.cohort, setting.believed or setting.cohort):
        for one in fields(Cohort):
            digest.update(np.ascontiguousarray(getattr(cohort, one.name)).tobytes())
    return digest.hexdigest()


def save_checkpoint(folder: Path, run: RunState, mark: str) -> None:
    """Write the run's state, in place of an earlier one.

    Args:
        folder: made where missing.
        run: the state.
        mark: the run's `fingerprint`.
    """
    tensors = {f"model.{name}": tensor for name, tensor in run.model.state_dict().items()}
    for position, state in run.optimiser.state_dict()["state"].items():
        tensors |= {f"optimiser.{position}.{name}": tensor for name, tensor in state.items()}
    head = {
        "mark": mark,
        "update": run.update,
        "rng": run.rng.bit_generator.state,
        "pid": None if run.pid is None else [run.pid.value, run.pid.integral, run.pid.overspend],
        "curves": msgspec.to_builtins(run.curves),
    }
    data = save(
        {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()},
        metadata={"state": json.dumps(head)},
    )
    folder.mkdir(parents=True, exist_ok=True)
    # Renaming is atomic: whoever cuts the run finds the old checkpoint or the new one.
    partial = folder / f"{CHECKPOINT_FILE}.partial"
    partial.write_bytes(data)
    partial.replace(folder / CHECKPOINT_FILE)


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
        raise CheckpointError(f"{path} can't be read: {error}") from error
    if head["mark"] != mark:
        raise CheckpointError(
            f"{path} is of a run with other data, settings or seed; remove it to start anew"
        )
    prefix = "model."
    run.model.load_state_dict(
        {
            name.removeprefix(prefix): tensor
            for name, tensor in tensors.items()
            if name.startswith(prefix)
        }
    )
    moments: dict[int, dict[str, torch.Tensor]] = {}
    for name, tensor in tensors.items():
        if name.startswith("optimiser."):
            _, position, key = name.split(".")
            moments.setdefault(int(position), {})[key] = tensor
    groups = run.optimiser.state_dict()["param_groups"]
    run.optimiser.load_state_dict({"state": moments, "param_groups": groups})
    run.rng.bit_generator.state = head["rng"]
    run.pid = None if head["pid"] is None else PIDMultiplier(*head["pid"])
    run.curves = msgspec.convert(head["curves"], Curves)
    run.update = head["update"]
    return True
