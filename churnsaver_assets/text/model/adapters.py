"""Low-rank adapters: put on a model, and merged into its weights."""

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import msgspec
import torch

from churnsaver_assets.experiments.text_spec import LoraSpec
from churnsaver_assets.text.model.loading import (
    ModelDirectoryError,
    quiet,
    read_model,
    save_model,
)
from churnsaver_assets.text.model.perplexity import TokenRow

if TYPE_CHECKING:
    from peft import LoraConfig, PeftModel
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

MERGE_TOLERANCE = 0.01
"""Largest KL between adapters and merged model, nats per token."""


class MergeCheck(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The merged model as it comes back from disk, against the one with adapters, in float32.

    Attributes:
        logit_difference: The largest difference of a logit, in absolute value: the worst of fp16
            rounding.
        kl: KL from the model with adapters, nats per token.
    """

    logit_difference: float
    kl: float


def lora_config(
    lora: LoraSpec,
    *,
    task: Literal["CAUSAL_LM"] | None = "CAUSAL_LM",
    layers: Sequence[str] | Literal["all-linear"] = "all-linear",
    trained_whole: Sequence[str] = (),
) -> "LoraConfig":
    """Return the settings of adapters (Dettmers et al. 2023, section 4).

    Args:
        lora: Size and dropout of the adapters.
        task: Kind of the model, by peft's name; None where peft knows none.
        layers: Names of the layers that get adapters; by default every linear one but the head.
        trained_whole: Names of modules that are trained and stored themselves, such as a new head.
    """
    from peft import LoraConfig

    return LoraConfig(
        r=lora.r,
        lora_alpha=lora.alpha,
        lora_dropout=lora.dropout,
        target_modules=layers if isinstance(layers, str) else list(layers),
        task_type=task,
        modules_to_save=list(trained_whole) or None,
    )


def merge_and_save(
    trained: "PeftModel",
    model_dir: Path,
    tokenizer: "PreTrainedTokenizerBase",
    target: Path,
    rows: Sequence[TokenRow],
) -> MergeCheck:
    """Merge the adapters into the weights, write the model directory, and check it.

    Args:
        trained: The model with its adapters; it can't be used afterwards.
        model_dir: Model directory that training began at; adapters of a quantised model are merged
            into this.
        tokenizer: The model's tokenizer, written beside the model.
        target: Model directory to write.
        rows: Rows on which both are compared.

    Raises:
        ModelDirectoryError: The merged model differs by more than `MERGE_TOLERANCE`.
    """
    model = _in_float32(trained, model_dir)
    device = torch.device(model.device)
    base: Any = model.get_base_model()
    before = _logits(base.eval(), rows)
    merged: Any = model.merge_and_unload()
    save_model(merged, tokenizer, target)
    after = _logits(read_model(target, device, dtype=torch.float32), rows)
    check = MergeCheck(
        logit_difference=float((after - before).abs().max()),
        kl=float(
            torch.nn.functional.kl_div(
                after.log_softmax(-1),
                before.log_softmax(-1),
                reduction="batchmean",
                log_target=True,
            )
        ),
    )
    if not check.kl <= MERGE_TOLERANCE:
        shutil.rmtree(target)
        raise ModelDirectoryError(
            f"merged and reloaded, the model is {check.kl:.4g} nats per token from the one with "
            f"adapters, more than {MERGE_TOLERANCE}: they diverged; lower the learning rate"
        )
    return check


def _in_float32(trained: "PeftModel", model_dir: Path) -> "PeftModel":
    from peft import get_peft_model, get_peft_model_state_dict, set_peft_model_state_dict

    if getattr(trained.get_base_model(), "quantization_method", None) is None:
        return trained
    weights = {name: tensor.float() for name, tensor in get_peft_model_state_dict(trained).items()}
    plain = read_model(model_dir, torch.device(trained.device), dtype=torch.float32)
    with quiet():
        model = get_peft_model(plain, trained.peft_config["default"])
        set_peft_model_state_dict(model, weights)
    return model


@torch.no_grad()
def _logits(model: "PreTrainedModel", rows: Sequence[TokenRow]) -> torch.Tensor:
    """Return the logits at every position of every row, shape (tokens, vocabulary)."""
    found = [
        model(input_ids=torch.tensor([row.prompt + row.reply], device=model.device)).logits[0].cpu()
        for row in rows
    ]
    return torch.cat(found)
