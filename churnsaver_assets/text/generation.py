"""Sampling from a language model, many prompts at once."""

from collections.abc import Iterator, Sequence
from time import perf_counter
from typing import TYPE_CHECKING, Any

import torch

from churnsaver_assets.experiments.text_spec import SamplingSpec
from churnsaver_assets.text.records import Completion, Progress

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
    """One completion of each prompt, drawn from the model's own distribution.

    Nothing narrows it but the temperature: no top-k, no top-p, no repetition penalty, whatever the
    model's generation settings say, so that a token's probability is what training takes it for.
    Prompts of about the same length run together. The result depends on seed, prompts, their order
    and `batch_rows`; torch's own random state is left as it was.

    Args:
        model: causal; a bf16 copy is fastest. Runs where it is, without dropout.
        tokenizer: the model's.
        prompts: chat-formatted; no special tokens are added.
        sampling: temperature, longest completion, batch.
        seed: of the draws.
        greedy: take the likeliest token each time; the temperature has no part in it.
        progress: called after each batch.

    Raises:
        ValueError: an empty prompt, or a model without an end token.
    """
    encoded = [tokenizer(text, add_special_tokens=False)["input_ids"] for text in prompts]
    if not all(encoded):
        raise ValueError(f"prompt {[bool(ids) for ids in encoded].index(False)} is empty")
    config = _config(model, tokenizer, sampling, greedy=greedy)
    order = sorted(range(len(encoded)), key=lambda row: len(encoded[row]))
    batches = [
        order[start : start + sampling.batch_rows]
        for start in range(0, len(order), sampling.batch_rows)
    ]
    completions: dict[int, Completion] = {}
    tokens, began, was_training = 0, perf_counter(), model.training
    devices = [model.device] if model.device.type == "cuda" else []
    model.train(mode=False)
    try:
        with torch.random.fork_rng(devices=devices):
            torch.manual_seed(seed)
            for batch in batches:
                rows = [encoded[row] for row in batch]
                for row, ids in zip(batch, _run(model, rows, config), strict=True):
                    completions[row] = _completion(tokenizer, ids, config.eos_token_id)
                    tokens += completions[row].tokens
                if progress is not None:
                    rate = tokens / (perf_counter() - began)
                    progress(len(completions), len(prompts), f"{rate:.0f} tokens/s")
    finally:
        model.train(was_training)
    return [completions[row] for row in range(len(prompts))]


def _config(
    model: "PreTrainedModel",
    tokenizer: "PreTrainedTokenizerBase",
    sampling: SamplingSpec,
    *,
    greedy: bool,
) -> Any:  # noqa: ANN401 - transformers is imported late
    """Complete settings: what is left out would be taken from the model's own."""
    from transformers import GenerationConfig

    named = model.generation_config.eos_token_id if model.generation_config else None
    ends = {named} if isinstance(named, int) else set(named or ())
    ends |= {tokenizer.eos_token_id} - {None}
    if not ends:
        raise ValueError("the model has no end token: set eos_token in its tokenizer")
    drawing = {} if greedy else {"temperature": sampling.temperature, "top_k": 0, "top_p": 1.0}
    pad = tokenizer.pad_token_id
    return GenerationConfig(  # type: ignore[no-untyped-call]
        do_sample=not greedy,
        max_new_tokens=sampling.max_new_tokens,
        num_beams=1,
        repetition_penalty=1.0,
        no_repeat_ngram_size=0,
        eos_token_id=sorted(ends),
        pad_token_id=min(ends) if pad is None else pad,
        bos_token_id=tokenizer.bos_token_id,
        use_cache=True,
        **drawing,
    )


def _run(
    model: "PreTrainedModel",
    rows: Sequence[Sequence[int]],
    config: Any,  # noqa: ANN401
) -> Iterator[list[int]]:
    """New tokens of each row, padding and all."""
    longest = max(map(len, rows))
    ids = torch.full((len(rows), longest), config.pad_token_id, dtype=torch.long)
    mask = torch.zeros_like(ids)
    for row, tokens in enumerate(rows):
        ids[row, longest - len(tokens) :] = torch.tensor(tokens)
        mask[row, longest - len(tokens) :] = 1
    with torch.inference_mode():
        output: torch.Tensor = model.generate(  # type: ignore[operator]
            input_ids=ids.to(model.device),
            attention_mask=mask.to(model.device),
            generation_config=config,
        )
    yield from output[:, longest:].tolist()


def _completion(
    tokenizer: "PreTrainedTokenizerBase", ids: list[int], ends: Sequence[int]
) -> Completion:
    """What stands before the first end token; what comes after it is padding."""
    end = next((place for place, token in enumerate(ids) if token in ends), None)
    written = ids if end is None else ids[:end]
    text = tokenizer.decode(written, skip_special_tokens=True)
    return Completion(
        text=str(text).strip(),
        tokens=len(written) + (end is not None),
        finished=end is not None,
    )
