"""KL divergence of a policy from another, estimated on its own samples."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import torch

from churnsaver_assets.experiments.text_spec import HardwareSpec
from churnsaver_assets.text.model.loading import load_model, load_tokenizer
from churnsaver_assets.text.model.perplexity import RowLosses, TokenRow, reply_losses
from churnsaver_assets.text.records import Completion, Prompt

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


@dataclass(frozen=True, slots=True)
class LogRatios:
    """Log-probability ratio of each sample, policy to reference.

    Attributes:
        nats: Log-probability under the policy less that under the reference, summed over the
            tokens, shape (n,).
        tokens: Number of tokens in the sum, the end token included; at least 1, shape (n,).
    """

    nats: npt.NDArray[np.float64]
    tokens: npt.NDArray[np.float64]


def kl_per_token(
    policy: Path,
    reference: Path,
    prompts: Sequence[Prompt],
    completions: Sequence[Completion],
    *,
    hardware: HardwareSpec,
    batch_rows: int,
) -> LogRatios:
    """Estimate KL(policy, reference) over whole messages by Monte Carlo, at temperature 1.

    The mean of `nats` estimates the KL of a message, and nats over tokens the KL per token. The
    samples are known by their text alone, so it is tokenised anew: where a policy writes a word in
    unusual pieces, the usual ones are scored.

    Args:
        policy: Model directory of the policy that wrote the completions.
        reference: Model directory to compare with, of the same vocabulary.
        prompts: Prompts.
        completions: One completion for each prompt, drawn from the policy at temperature 1.
        hardware: Device, threads, autocast.
        batch_rows: Number of completions scored together.

    Raises:
        ValueError: There is not one completion for each prompt, or the vocabularies differ.
    """
    if len(prompts) != len(completions):
        raise ValueError(f"expected {len(prompts)} completions, got {len(completions)}")
    tokenizer = load_tokenizer(policy)
    if tokenizer.get_vocab() != load_tokenizer(reference).get_vocab():
        raise ValueError(f"{policy} and {reference}: expected the same vocabulary in both")
    rows = [
        _encode(tokenizer, prompt.text, completion)
        for prompt, completion in zip(prompts, completions, strict=True)
    ]
    pad_id = int(tokenizer.pad_token_id or 0)
    ours, theirs = (
        _losses(directory, rows, pad_id, hardware, batch_rows) for directory in (policy, reference)
    )
    return LogRatios(theirs.nll - ours.nll, np.maximum(ours.tokens, 1).astype(np.float64))


def _encode(tokenizer: "PreTrainedTokenizerBase", prompt: str, completion: Completion) -> TokenRow:
    begin = tokenizer(prompt, add_special_tokens=False)["input_ids"]
    reply = tokenizer(completion.text, add_special_tokens=False)["input_ids"]
    end = [int(tokenizer.eos_token_id or 0)] if completion.finished else []
    return TokenRow(list(begin), [*reply, *end])


def _losses(
    directory: Path, rows: Sequence[TokenRow], pad_id: int, hardware: HardwareSpec, batch_rows: int
) -> RowLosses:
    model = load_model(directory, hardware, dtype="float32")
    with torch.autocast(model.device.type, torch.bfloat16, enabled=hardware.bf16):
        return reply_losses(model, rows, pad_id=pad_id, batch_rows=batch_rows)
