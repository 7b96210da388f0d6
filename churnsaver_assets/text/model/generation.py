"""Texts from a language model, many prompts at once."""

from collections.abc import Sequence
from time import perf_counter
from typing import TYPE_CHECKING

import torch

from churnsaver_assets.common.progress import Progress
from churnsaver_assets.experiments.text_spec import SamplingSpec
from churnsaver_assets.text.model.sampler import Sample, end_tokens, sample
from churnsaver_assets.text.records import Completion

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase


def generate(
    model: "PreTrainedModel",
    tokenizer: "PreTrainedTokenizerBase",
    prompts: Sequence[str],
    *,
    sampling: SamplingSpec,
    seed: int,
    greedy: bool = False,
    progress: Progress | None = None,
) -> list[Completion]:
    """Draw one completion of each prompt from the model's own distribution.

    The sampler is PPO's own, so what is judged and served is drawn as it was trained. The result
    depends on seed, prompts and their order; torch's own random state is left as it was.

    Args:
        model: Causal model; a bf16 copy is fastest. It stays on its device and runs without
            dropout.
        tokenizer: The model's tokenizer.
        prompts: Chat-formatted prompts; no special tokens are added.
        sampling: Temperature, longest completion, batch.
        seed: Seed for the draws.
        greedy: Take the likeliest token each time; the temperature has no part in it.
        progress: Function that is told of each batch.

    Raises:
        ValueError: A prompt is empty, or the model has no end token.
    """
    encoded = [tokenizer(text, add_special_tokens=False)["input_ids"] for text in prompts]
    if not all(encoded):
        raise ValueError(f"prompt {[bool(ids) for ids in encoded].index(False)} is empty")
    ends = end_tokens(model) | ({int(tokenizer.eos_token_id)} if tokenizer.eos_token_id else set())
    if not ends:
        raise ValueError("the model has no end token: set eos_token in its tokenizer")
    tokens, done, began, was_training = 0, 0, perf_counter(), model.training

    def told(batch: Sequence[Sample]) -> None:
        nonlocal tokens, done
        tokens += sum(len(one.tokens) for one in batch)
        done += len(batch)
        if progress is not None:
            progress(done, len(prompts), f"{tokens / (perf_counter() - began):.0f} tokens/s")

    model.train(mode=False)
    try:
        samples = sample(
            model,
            encoded,
            sampling,
            ends=ends,
            padding=min(ends) if tokenizer.pad_token_id is None else int(tokenizer.pad_token_id),
            generator=torch.Generator().manual_seed(seed),
            greedy=greedy,
            told=told,
        )
    finally:
        model.train(was_training)
    return [completion(tokenizer, one) for one in samples]


def completion(tokenizer: "PreTrainedTokenizerBase", one: Sample) -> Completion:
    """Decode a sample, without its end token.

    Args:
        tokenizer: The model's tokenizer.
        one: The sample.
    """
    written = one.tokens[:-1] if one.finished else one.tokens
    text = tokenizer.decode(written, skip_special_tokens=True)
    return Completion(text=str(text).strip(), tokens=len(one.tokens), finished=one.finished)
