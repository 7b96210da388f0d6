"""Tests for churnsaver_assets.text.model.generation."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from churnsaver_assets.experiments.text_spec import HardwareSpec, SamplingSpec
from churnsaver_assets.text.model.generation import generate
from churnsaver_assets.text.model.loading import load_model, load_tokenizer
from churnsaver_assets.text.prompts.requests import retention_prompts
from churnsaver_serving.runtime.context import all_contexts

if TYPE_CHECKING:
    from pathlib import Path

    from transformers import PreTrainedModel, PreTrainedTokenizerBase

    Loaded = tuple[PreTrainedModel, PreTrainedTokenizerBase]

SAMPLING = SamplingSpec(max_new_tokens=48, temperature=1.0, batch_rows=8)


@pytest.fixture
def loaded(tiny_model: Path, hardware: HardwareSpec) -> Loaded:
    return load_model(tiny_model, hardware, dtype="float32"), load_tokenizer(tiny_model)


@pytest.fixture
def prompts(loaded: Loaded) -> list[str]:
    contexts = all_contexts((0, 10), ("warm", "plain"), ("email", "sms"))[:20]
    named = {context.key: context for context in contexts}
    return [prompt.text for prompt in retention_prompts(loaded[1], named)]


def test_a_seed_gives_one_result_and_leaves_torchs_state_alone(
    loaded: Loaded, prompts: list[str]
) -> None:
    import torch

    before = torch.random.get_rng_state()
    first = generate(*loaded, prompts, sampling=SAMPLING, seed=42)
    assert torch.equal(torch.random.get_rng_state(), before)
    torch.manual_seed(7)
    assert generate(*loaded, prompts, sampling=SAMPLING, seed=42) == first
    assert generate(*loaded, prompts, sampling=SAMPLING, seed=43) != first


def test_batching_changes_nothing_but_the_draws(loaded: Loaded, prompts: list[str]) -> None:
    """Greedy text alone equals greedy text among longer prompts: the padding isn't read."""
    prompts = [prompts[0], *(prompt.split("user\n")[1] for prompt in prompts[:6])]
    prompts.append("<|im_start|>assistant\n")
    together = generate(*loaded, prompts, sampling=SAMPLING, seed=42, greedy=True)
    alone = SAMPLING.model_copy(update={"batch_rows": 1})
    assert generate(*loaded, prompts, sampling=alone, seed=1, greedy=True) == together


def test_completions_are_finished_or_as_long_as_they_may_be(
    loaded: Loaded, prompts: list[str]
) -> None:
    sampling = SAMPLING.model_copy(update={"max_new_tokens": 24})
    completions = generate(*loaded, prompts * 3, sampling=sampling, seed=42)
    assert {completion.finished for completion in completions} == {True, False}
    for completion in completions:
        assert completion.finished or completion.tokens == 24
        assert 1 <= completion.tokens <= 24
        assert "<|" not in completion.text
        assert completion.text == completion.text.strip()


def test_draws_follow_the_models_own_distribution(loaded: Loaded, prompts: list[str]) -> None:
    """Also where the model's own settings would narrow it."""
    import torch

    model, tokenizer = loaded
    model.generation_config.top_k = 1
    model.generation_config.top_p = 0.1
    model.generation_config.repetition_penalty = 5.0
    sampling = SamplingSpec(max_new_tokens=8, temperature=1.7, batch_rows=400)
    completions = generate(model, tokenizer, prompts[:1] * 400, sampling=sampling, seed=42)
    ids = tokenizer(prompts[0], add_special_tokens=False, return_tensors="pt")["input_ids"]
    with torch.no_grad():
        expected = torch.softmax(model(ids).logits[0, -1] / 1.7, dim=-1)
    for token in expected.topk(3).indices.tolist():
        share = float(expected[token])
        word = tokenizer.decode([token])
        drawn = sum(completion.text.startswith(word) for completion in completions) / 400
        assert drawn == pytest.approx(share, abs=4 * (share * (1 - share) / 400) ** 0.5)


def test_every_end_token_of_a_list_ends_a_completion(loaded: Loaded, prompts: list[str]) -> None:
    model, tokenizer = loaded
    stop = tokenizer.convert_tokens_to_ids(".")
    model.generation_config.eos_token_id = [tokenizer.eos_token_id, stop]
    completions = generate(model, tokenizer, prompts, sampling=SAMPLING, seed=42)
    assert all("." not in completion.text for completion in completions)
    assert sum(completion.finished for completion in completions) > len(completions) / 2


def test_dropout_is_off_and_the_mode_restored(loaded: Loaded, prompts: list[str]) -> None:
    model, _ = loaded
    expected = generate(*loaded, prompts[:4], sampling=SAMPLING, seed=42, greedy=True)
    for layer in model.model.layers:
        layer.self_attn.attention_dropout = 0.9
    model.train()
    assert generate(*loaded, prompts[:4], sampling=SAMPLING, seed=42, greedy=True) == expected
    assert model.training


def test_what_cannot_be_generated_says_why(loaded: Loaded, prompts: list[str]) -> None:
    assert generate(*loaded, [], sampling=SAMPLING, seed=42) == []
    with pytest.raises(ValueError, match="prompt 1 is empty"):
        generate(*loaded, [prompts[0], ""], sampling=SAMPLING, seed=42)
    model, tokenizer = loaded
    model.generation_config.eos_token_id = None
    tokenizer.eos_token = None
    with pytest.raises(ValueError, match="no end token"):
        generate(model, tokenizer, prompts, sampling=SAMPLING, seed=42)


def test_progress_is_told_after_each_batch(loaded: Loaded, prompts: list[str]) -> None:
    told: list[int] = []
    generate(
        *loaded,
        prompts,
        sampling=SAMPLING,
        seed=42,
        progress=lambda done, total, _: told.append(done * 100 // total),
    )
    assert told == [40, 80, 100]
