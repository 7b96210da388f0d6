"""The learning curve of a LoRA training: held-out points between its steps, and step losses."""

from typing import TYPE_CHECKING, Any, cast

import msgspec
import numpy as np
import torch
from torch import nn

from churnsaver_assets.text.reward.metrics import correct
from churnsaver_assets.text.reward.network import Pooling, rewards
from churnsaver_assets.text.reward.pairs import Pairs

if TYPE_CHECKING:
    from transformers import TrainerCallback

_ACCURACY, _LOSS = "held_out_accuracy", "held_out_loss"


class StepPoint(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The model after so many steps, on some held-out pairs.

    Attributes:
        step: Number of steps made; 0 is the warm start.
        accuracy: Accuracy; ties are wrong.
        loss: Bradley-Terry loss, nats per pair.
    """

    step: int
    accuracy: float
    loss: float


class StepLoss(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A training step's loss, with margins and the centring penalty."""

    step: int
    loss: float


class HeldOutCurve:
    """The scoring of held-out pairs between steps.

    Args:
        pairs: Held-out pairs.
        pooling: The network's pooling.
        pad_id: Id of the padding token.
        batch_rows: Number of rows in one forward pass.
        device: The network's device.
        bf16: Whether to autocast, as in training.
    """

    def __init__(
        self,
        pairs: Pairs,
        pooling: Pooling,
        *,
        pad_id: int,
        batch_rows: int,
        device: torch.device,
        bf16: bool,
    ) -> None:
        self._pairs = pairs
        self._pooling = pooling
        self._pad_id = pad_id
        self._batch_rows = batch_rows
        self._device = device
        self._bf16 = bf16

    def point(self, network: nn.Module, step: int) -> dict[str, float]:
        """Measure a point of the learning curve, as an entry of the trainer's history."""
        network.eval()
        with torch.autocast(self._device.type, torch.bfloat16, enabled=self._bf16):
            scores = rewards(
                network,
                self._pairs.rows,
                self._pooling,
                pad_id=self._pad_id,
                batch_rows=self._batch_rows,
                device=self._device,
            )
        network.train()
        gaps = scores[: len(self._pairs)] - scores[len(self._pairs) :]
        return {
            "step": step,
            _ACCURACY: float(correct(gaps).mean()),
            _LOSS: float(np.logaddexp(0.0, -gaps).mean()),
        }


def points_callback(curve: HeldOutCurve, evaluate_every: int) -> "TrainerCallback":
    """Make a callback that puts points into the trainer's history, one before the first step.

    The history is in each checkpoint, so a resumed training has the points from before.
    """
    from transformers import (
        TrainerCallback,
        TrainerControl,
        TrainerState,
        TrainingArguments,
    )

    class Points(TrainerCallback):
        def on_train_begin(
            self,
            args: TrainingArguments,
            state: TrainerState,
            control: TrainerControl,
            **given: object,
        ) -> None:
            del args, control
            if state.global_step == 0:
                state.log_history.append(curve.point(cast("nn.Module", given["model"]), 0))

        def on_step_end(
            self,
            args: TrainingArguments,
            state: TrainerState,
            control: TrainerControl,
            **given: object,
        ) -> None:
            del args, control
            step = state.global_step
            if step % evaluate_every == 0 or step == state.max_steps:
                state.log_history.append(curve.point(cast("nn.Module", given["model"]), step))

    return Points()


def held_out_points(history: list[dict[str, Any]]) -> tuple[StepPoint, ...]:
    """Return the learning curve in a trainer's history."""
    return tuple(
        StepPoint(row["step"], row[_ACCURACY], row[_LOSS]) for row in history if _ACCURACY in row
    )


def step_losses(history: list[dict[str, Any]]) -> tuple[StepLoss, ...]:
    """Return the training losses in a trainer's history."""
    return tuple(StepLoss(row["step"], row["loss"]) for row in history if "loss" in row)
