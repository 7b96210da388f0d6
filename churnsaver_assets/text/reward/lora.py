"""LoRA training from the probe on: TRL's RewardTrainer with a pooled score head, resumable."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import torch
from torch import Tensor, nn

from churnsaver_assets.common.fingerprint import fingerprint
from churnsaver_assets.experiments.text_spec import HardwareSpec, LoraSpec, RewardModelSpec
from churnsaver_assets.text.model.adapters import lora_config
from churnsaver_assets.text.model.loading import load_for_training, prepare, quiet
from churnsaver_assets.text.reward.fitting import FittedProbe
from churnsaver_assets.text.reward.network import (
    BATCH_ROWS,
    Backbone,
    BaseModel,
    PooledReward,
    Pooling,
    padded,
    pool_weights,
)
from churnsaver_assets.text.reward.pairs import Pairs
from churnsaver_assets.text.reward.probe import LinearProbe
from churnsaver_assets.text.reward.sequences import Encoded
from churnsaver_assets.text.reward.step_curve import (
    HeldOutCurve,
    StepLoss,
    StepPoint,
    held_out_points,
    points_callback,
    step_losses,
)
from churnsaver_assets.text.run import Run
from churnsaver_assets.text.tuning.trainer_checkpoints import RunCheckpoints, step_of
from churnsaver_assets.text.tuning.training import (
    StepTimes,
    first_process,
    train_adapters,
    trainer_arguments,
    watch,
)

if TYPE_CHECKING:
    from peft import PeftModel

ADAPTER_FILES = ("adapter_config.json", "adapter_model.safetensors")
HEAD = "base_model.model.score"  # of the weights in the adapter's file

_WARM_UP_SHARE = 0.1


class LoraCurves(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Curves and timing of a training.

    Attributes:
        held_out: Points of the learning curve.
        watched_pairs: Number of held-out pairs that the points are on.
        train: Loss of each step.
        resumed_from: Step that this process began at.
        seconds_per_step: Median over this process's steps; None where it made none.
    """

    held_out: tuple[StepPoint, ...]
    watched_pairs: int
    train: tuple[StepLoss, ...]
    resumed_from: int
    seconds_per_step: float | None


def train_lora(
    base: BaseModel,
    pairs: Pairs,
    watched: Pairs,
    spec: RewardModelSpec,
    lora: LoraSpec,
    *,
    run: Run,
    start: FittedProbe,
    adapter: Path,
) -> LoraCurves:
    """Train adapters and score head on all pairs; the loss is Bradley-Terry, centred.

    Rewards are pulled to mean 0 (Eisenstein et al. 2023, equation 2). TRL drops pairs that are too
    long without a word: these have been cut already, and its limit is off.

    Args:
        base: The base model.
        pairs: Pairs to train on.
        watched: Held-out pairs of the learning curve.
        spec: Steps and rates.
        lora: Size of the adapters on every linear layer of the backbone.
        run: Hardware, the seed for adapters and batches, progress after each step, and the folder
            of this training alone.
        start: The probe that the score head starts at, and its pooling.
        adapter: Folder to write, see `ADAPTER_FILES`; rank 0 does.

    Raises:
        TrainingDataError: The batch can't be shared out among the processes.
        CheckpointError: The checkpoints are of another training.
        HardwareError: The machine lacks what the settings ask for.
    """
    from datasets import Dataset  # type: ignore[import-untyped]
    from trl.trainer.reward_config import RewardConfig
    from trl.trainer.reward_trainer import RewardTrainer

    hardware, seed, tokenizer = run.hardware, run.seed, base.tokenizer
    pooling, probe = start.choice.best.pooling, start.probe
    checkpoints = RunCheckpoints(
        run.folder,
        fingerprint(
            ["reward", seed, hardware.bf16, hardware.quantisation, base.sha256, pooling],
            [pairs.rows, watched.rows],
            [pairs.margins.tolist(), probe.weight.tolist(), probe.offset],
            spec,
            lora,
        ),
    )
    newest, times = checkpoints.newest(), StepTimes()
    arguments = trainer_arguments(
        hardware,
        checkpoints,
        steps=spec.steps,
        batch_rows=spec.batch_pairs,
        learning_rate=spec.learning_rate,
        save_every=spec.save_every,
        seed=seed,
    )
    arguments |= {
        "lr_scheduler_type": "cosine",
        "warmup_steps": math.ceil(_WARM_UP_SHARE * spec.steps),
        "center_rewards_coefficient": spec.centre or None,
        "max_length": None,
        "disable_dropout": False,  # it would turn the adapters' off too
        "gradient_checkpointing": False,  # switched on in the backbone
        "remove_unused_columns": False,
    }
    curve = HeldOutCurve(
        watched,
        pooling,
        pad_id=tokenizer.pad_token_id,
        batch_rows=BATCH_ROWS,
        device=prepare(hardware),
        bf16=hardware.bf16,
    )
    with quiet():
        torch.manual_seed(seed)
        backbone = load_for_training(base.directory, hardware).base_model
        trainer = RewardTrainer(
            model=_with_adapters(backbone, probe, lora, hardware),
            args=RewardConfig(**arguments),
            data_collator=_Collator(tokenizer.pad_token_id, pooling),
            train_dataset=Dataset.from_dict(_columns(pairs)),
            processing_class=tokenizer,
            callbacks=[
                watch(checkpoints, times, run.progress, figure="loss"),
                points_callback(curve, spec.evaluate_every),
            ],
        )
        network, history = train_adapters(trainer, checkpoints, spec.steps)
    if first_process():
        _save(network, adapter)
    return LoraCurves(
        held_out=held_out_points(history),
        watched_pairs=len(watched),
        train=step_losses(history),
        resumed_from=step_of(newest),
        seconds_per_step=times.median(),
    )


def load_adapters(network: PooledReward, adapter: Path) -> nn.Module:
    """Load saved adapters and score head into a network to score with, in the backbone's precision.

    Adapters stay apart: merged into bf16 weights, small changes would be rounded away.

    Args:
        network: The network; changed in place.
        adapter: Folder as `train_lora` wrote it.
    """
    from peft import PeftModel

    with quiet():
        result: nn.Module = PeftModel.from_pretrained(
            network,
            str(adapter),
            autocast_adapter_dtype=False,
            torch_device=str(network.backbone.device),
        )
    return result.eval()


def _with_adapters(
    backbone: Backbone, probe: LinearProbe, lora: LoraSpec, hardware: HardwareSpec
) -> "PeftModel":
    from peft import PeftModel

    if hardware.gradient_checkpointing:
        backbone.gradient_checkpointing_enable({"use_reentrant": False})
    backbone.train()
    network = PooledReward(backbone, torch.tensor(probe.weight, dtype=torch.float32), -probe.offset)
    network.is_loaded_in_8bit = hardware.quantisation == "8bit"
    network.is_loaded_in_4bit = hardware.quantisation == "4bit"
    linear = {
        name.rpartition(".")[2]
        for name, module in backbone.named_modules()
        if isinstance(module, nn.Linear)
    }
    config = lora_config(lora, task=None, layers=sorted(linear), trained_whole=["score"])
    return PeftModel(network, config)


class _Collator:
    """A batch as RewardTrainer reads it: chosen rows above, rejected rows below."""

    def __init__(self, pad_id: int, pooling: Pooling) -> None:
        self._pad_id = pad_id
        self._pooling = pooling

    def __call__(self, examples: Sequence[Mapping[str, Any]]) -> dict[str, Tensor]:
        rows = [
            Encoded(tuple(example[f"{side}_ids"]), example[f"{side}_start"])
            for side in ("chosen", "rejected")
            for example in examples
        ]
        ids, mask = padded(rows, self._pad_id)
        return {
            "input_ids": ids,
            "attention_mask": mask,
            "pool": pool_weights(self._pooling, rows, ids.shape[1]),
            "margin": torch.tensor([example["margin"] for example in examples]).float(),
        }


def _columns(pairs: Pairs) -> dict[str, list[Any]]:
    return {
        "chosen_ids": [list(row.ids) for row in pairs.chosen],
        "rejected_ids": [list(row.ids) for row in pairs.rejected],
        "chosen_start": [row.reply_start for row in pairs.chosen],
        "rejected_start": [row.reply_start for row in pairs.rejected],
        "margin": pairs.margins.tolist(),
    }


def _save(network: "PeftModel", adapter: Path) -> None:
    network.save_pretrained(str(adapter), save_embedding_layers=False)
    for file in adapter.iterdir():
        if file.name not in ADAPTER_FILES:
            file.unlink()  # a model card with nothing in it
