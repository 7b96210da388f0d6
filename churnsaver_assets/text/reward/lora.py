"""LoRA from the probe on: TRL's RewardTrainer with a pooled score head, resumable."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import torch
from torch import Tensor, nn

from churnsaver_assets.common.fingerprint import fingerprint
from churnsaver_assets.common.progress import Progress
from churnsaver_assets.experiments.text_spec import HardwareSpec, LoraSpec, RewardModelSpec
from churnsaver_assets.text.model.loading import load_for_training, prepare, quiet
from churnsaver_assets.text.reward.network import (
    Backbone,
    PooledReward,
    Pooling,
    padded,
    pool_weights,
)
from churnsaver_assets.text.reward.pairs import Pairs
from churnsaver_assets.text.reward.probe import Probe
from churnsaver_assets.text.reward.sequences import Encoded, Tokenizer
from churnsaver_assets.text.reward.step_curve import (
    HeldOutCurve,
    StepLoss,
    StepPoint,
    held_out_points,
    points_callback,
    step_losses,
)
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
    """How training went.

    Attributes:
        held_out: points of the learning curve.
        watched_pairs: held-out pairs that the points are on.
        train: loss of each step.
        resumed_from: step that this process began at.
        seconds_per_step: of this process's steps; None where it made none.
    """

    held_out: tuple[StepPoint, ...]
    watched_pairs: int
    train: tuple[StepLoss, ...]
    resumed_from: int
    seconds_per_step: float | None


def train_lora(
    base_model: Path,
    pairs: Pairs,
    *,
    watched: Pairs,
    probe: Probe,
    pooling: Pooling,
    tokenizer: Tokenizer,
    spec: RewardModelSpec,
    lora: LoraSpec,
    hardware: HardwareSpec,
    seed: int,
    base_sha256: str,
    batch_rows: int,
    adapter: Path,
    checkpoints: Path,
    progress: Progress,
) -> LoraCurves:
    """Train adapters and score head on all pairs; the loss is Bradley-Terry, centred.

    Rewards are pulled to mean 0 (Eisenstein et al. 2023, equation 2). TRL drops pairs that are too
    long without a word: these have been cut already, and its limit is off.

    Args:
        base_model: a model directory.
        pairs: to train on.
        watched: held-out pairs of the learning curve.
        probe: where the score head starts.
        pooling: the probe's.
        tokenizer: gives the pad token.
        spec: steps and rates.
        lora: adapters on every linear layer of the backbone.
        hardware: what to run on.
        seed: of adapters and batches.
        base_sha256: of `base_model`.
        batch_rows: rows in one forward pass of the watched pairs.
        adapter: folder to write, see `ADAPTER_FILES`; rank 0 does.
        checkpoints: folder of this training alone.
        progress: told after each step.

    Raises:
        TrainingDataError: the batch can't be shared out among the processes.
        CheckpointError: the checkpoints are of another training.
        HardwareError: as of `load_for_training`.
    """
    from datasets import Dataset  # type: ignore[import-untyped]
    from trl.trainer.reward_config import RewardConfig
    from trl.trainer.reward_trainer import RewardTrainer

    run = RunCheckpoints(
        checkpoints,
        fingerprint(
            ["reward", seed, hardware.bf16, hardware.quantisation, base_sha256, pooling],
            [pairs.rows, watched.rows],
            [pairs.margins.tolist(), probe.weight.tolist(), probe.offset],
            spec,
            lora,
        ),
    )
    start, times = run.newest(), StepTimes()
    arguments = trainer_arguments(
        hardware,
        run,
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
        batch_rows=batch_rows,
        device=prepare(hardware),
        bf16=hardware.bf16,
    )
    with quiet():
        torch.manual_seed(seed)
        backbone = load_for_training(base_model, hardware).base_model
        trainer = RewardTrainer(
            model=_with_adapters(backbone, probe, lora, hardware),
            args=RewardConfig(**arguments),
            data_collator=_Collator(tokenizer.pad_token_id, pooling),
            train_dataset=Dataset.from_dict(_columns(pairs)),
            processing_class=tokenizer,
            callbacks=[
                watch(run, times, progress, figure="loss"),
                points_callback(curve, spec.evaluate_every),
            ],
        )
        network, history = train_adapters(trainer, run, spec.steps)
    if first_process():
        _save(network, adapter)
    return LoraCurves(
        held_out=held_out_points(history),
        watched_pairs=len(watched),
        train=step_losses(history),
        resumed_from=step_of(start),
        seconds_per_step=times.median(),
    )


def load_adapters(network: PooledReward, adapter: Path) -> nn.Module:
    """The network with saved adapters and score head, in the backbone's precision, to score with.

    Adapters stay apart: merged into bf16 weights, small changes would be rounded away.

    Args:
        network: changed in place.
        adapter: as `train_lora` wrote it.
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
    backbone: Backbone, probe: Probe, lora: LoraSpec, hardware: HardwareSpec
) -> "PeftModel":
    from peft import LoraConfig, PeftModel

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
    config = LoraConfig(
        r=lora.r,
        lora_alpha=lora.alpha,
        lora_dropout=lora.dropout,
        target_modules=sorted(linear),
        modules_to_save=["score"],
    )
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
