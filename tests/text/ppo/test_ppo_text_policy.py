"""Tests for PPO's policy on text: the model, its reference, its value head, its sampler."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch  # noqa: TID253 - what is tested works on tensors

from churnsaver_assets.text.model.generation import generate
from churnsaver_assets.text.model.loading import load_model, load_tokenizer
from churnsaver_assets.text.ppo.policy import build_policy
from churnsaver_assets.text.ppo.rollout import Rollout, Writer, prompts_of, recompute
from churnsaver_assets.text.ppo.sampler import (
    Sampler,
    merged_weights,
    save_merged,
    take_full_weights,
)
from churnsaver_assets.text.ppo.value_head import ValueHead
from tests.support.text.ppo import BF16, FP32, SAMPLING, SEED, SPEC, some_prompts

if TYPE_CHECKING:
    from pathlib import Path

    from churnsaver_assets.experiments.text_spec import HardwareSpec
    from churnsaver_assets.text.ppo.policy import TextPolicy

pytestmark = pytest.mark.filterwarnings(
    # peft asks for it while it wraps a model.
    "ignore:`is_gradient_checkpointing` is deprecated:FutureWarning"
)


def _policy(model_dir: Path, hardware: HardwareSpec = FP32, *, moved: float = 0.0) -> TextPolicy:
    policy = build_policy(model_dir, SPEC.lora, hardware, temperature=1.0, seed=SEED)
    generator = torch.Generator().manual_seed(SEED)
    for name, parameter in policy.trained().items():
        if "lora_B" in name and moved:
            noise = torch.randn(parameter.shape, generator=generator)
            parameter.data.add_(noise, alpha=moved)
    return policy


def _rollout(model_dir: Path, sampler: Sampler, *, rows: int = 12, at_once: int = 32) -> Rollout:
    tokenizer = load_tokenizer(model_dir)
    sampling = SAMPLING.model_copy(update={"batch_rows": at_once})
    writer = Writer(sampler, tokenizer, sampling, sampler.ends)
    generator = torch.Generator().manual_seed(SEED)
    return writer.write(some_prompts(model_dir, rows), generator, torch.device("cpu"))


@pytest.fixture(scope="module")
def rollout(tiny_model: Path) -> Rollout:
    return _rollout(tiny_model, Sampler(tiny_model, FP32))


@pytest.mark.parametrize("hardware", [FP32, BF16])
def test_the_kl_to_the_reference_is_exactly_0_at_the_start(
    tiny_model: Path, rollout: Rollout, hardware: HardwareSpec
) -> None:
    policy = _policy(tiny_model, hardware)
    take_full_weights(tiny_model, policy, hardware)
    old, reference = recompute(policy, rollout.sequences, 5)
    assert torch.equal(old.logprobs, reference)
    assert (old.logprobs[rollout.sequences.mask] < 0).any()


def test_the_reference_stays_where_training_began(tiny_model: Path, rollout: Rollout) -> None:
    begun, _ = recompute(_policy(tiny_model), rollout.sequences, 5)
    old, reference = recompute(_policy(tiny_model, moved=0.1), rollout.sequences, 5)
    assert torch.equal(reference, begun.logprobs)
    assert (old.logprobs - reference).abs().max() > 0.01


def test_what_the_padding_holds_changes_nothing(tiny_model: Path, rollout: Rollout) -> None:
    policy = _policy(tiny_model, moved=0.1)
    sequences = rollout.sequences
    steps = torch.arange(sequences.tokens.shape[1])
    padding = steps >= (sequences.prompt_lengths + sequences.lengths)[:, None]
    assert padding.any()
    other = sequences.tokens.clone()
    other[padding] = torch.randint(100, 500, (int(padding.sum()),))
    results = []
    for tokens in (sequences.tokens, other):
        figures = policy(tokens, sequences.prompt_lengths, sequences.lengths)
        policy.zero_grad()
        (figures.logprobs.square().sum() + figures.values.sum()).backward()
        slopes = [one.grad.clone() for one in policy.trained().values() if one.grad is not None]
        results.append((figures, slopes))
    (first, first_slopes), (second, second_slopes) = results
    assert all(map(torch.equal, first, second))
    assert all(map(torch.equal, first_slopes, second_slopes))
    assert not any(part[~sequences.mask].any() for part in first)


def test_figures_are_those_of_the_models_own_logits(tiny_model: Path, rollout: Rollout) -> None:
    policy = _policy(tiny_model, moved=0.1)
    sequences = rollout.sequences
    figures, _ = recompute(policy, sequences, 5)
    with torch.no_grad():
        logits = policy.language_model(input_ids=sequences.tokens).logits
    spread = torch.log_softmax(logits, dim=-1)
    for row, (start, length) in enumerate(
        zip(sequences.prompt_lengths.tolist(), sequences.lengths.tolist(), strict=True)
    ):
        chosen = sequences.tokens[row, start : start + length]
        there = spread[row, start - 1 : start + length - 1]
        expected = there.gather(1, chosen[:, None])[:, 0]
        torch.testing.assert_close(figures.logprobs[row, :length], expected, atol=1e-4, rtol=1e-4)
        entropy = -(there.exp() * there).sum(1)
        torch.testing.assert_close(figures.entropies[row, :length], entropy, atol=1e-4, rtol=1e-4)


def test_gradient_checkpointing_changes_no_gradient(tiny_model: Path, rollout: Rollout) -> None:
    slopes = []
    for hardware in (FP32, FP32.model_copy(update={"gradient_checkpointing": True})):
        policy = _policy(tiny_model, hardware, moved=0.1)
        rows = rollout.sequences
        policy(rows.tokens, rows.prompt_lengths, rows.lengths).logprobs.sum().backward()
        slopes.append([one.grad for one in policy.trained().values() if one.grad is not None])
    assert len(slopes[0]) > 10
    for plain, recomputed in zip(*slopes, strict=True):
        torch.testing.assert_close(plain, recomputed)


def test_the_end_token_counts_and_the_text_is_without_it(rollout: Rollout) -> None:
    sequences = rollout.sequences
    ends = [one.finished for one in rollout.completions]
    assert any(ends)
    for row, completion in enumerate(rollout.completions):
        start, length = int(sequences.prompt_lengths[row]), int(sequences.lengths[row])
        assert completion.tokens == length <= SAMPLING.max_new_tokens
        last = int(sequences.tokens[row, start + length - 1])
        assert (last == 2) == completion.finished
        assert completion.finished or length == SAMPLING.max_new_tokens
        assert "<|" not in completion.text


def test_draws_depend_on_the_seed_and_not_on_the_batches(
    tiny_model: Path, rollout: Rollout
) -> None:
    alone = _rollout(tiny_model, Sampler(tiny_model, FP32), at_once=1)
    assert alone.completions == rollout.completions
    assert len({one.text for one in alone.completions}) > 6


def test_the_sampler_follows_the_policy(tiny_model: Path, rollout: Rollout) -> None:
    policy = _policy(tiny_model, moved=0.1)
    full = take_full_weights(tiny_model, policy, FP32)
    sampler = Sampler(tiny_model, FP32)
    for _ in range(2):  # a second sync starts from the same weights, not from the merged ones
        sampler.sync(merged_weights(policy, full))
    moved = _rollout(tiny_model, sampler)
    assert moved.completions != rollout.completions
    old, _ = recompute(policy, moved.sequences, 5)
    torch.testing.assert_close(moved.sampler_logprobs, old.logprobs, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("hardware", [FP32, BF16])
def test_the_saved_model_writes_what_the_merged_one_writes(
    tiny_model: Path, tmp_path: Path, hardware: HardwareSpec
) -> None:
    policy = _policy(tiny_model, hardware, moved=0.1)
    full = take_full_weights(tiny_model, policy, hardware)
    save_merged(tiny_model, policy, full, hardware, tmp_path / "saved")
    sampler = Sampler(tiny_model, FP32)
    sampler.sync(merged_weights(policy, full))
    tokenizer = load_tokenizer(tiny_model)
    prompts = [prompt.text for prompt in some_prompts(tiny_model, 8)]
    texts = [
        generate(model, tokenizer, prompts, sampling=SAMPLING, seed=SEED, greedy=True)
        for model in (
            sampler._model,
            load_model(tmp_path / "saved", FP32, dtype="float32"),
            load_model(tiny_model, FP32, dtype="float32"),
        )
    ]
    assert texts[0] == texts[1] != texts[2]


def test_dropout_is_refused(tiny_model: Path) -> None:
    lora = SPEC.lora.model_copy(update={"dropout": 0.1})
    with pytest.raises(ValueError, match=r"ppo\.lora\.dropout is 0\.1; it must be 0"):
        build_policy(tiny_model, lora, FP32, temperature=1.0, seed=SEED)


def test_every_prompt_comes_once_before_any_comes_again(tiny_model: Path) -> None:
    prompts = some_prompts(tiny_model, 10)
    passed = [one.id for turn in range(5) for one in prompts_of(prompts, 4, turn, SEED)]
    everyone = sorted(one.id for one in prompts)
    assert sorted(passed[:10]) == sorted(passed[10:]) == everyone
    assert passed[:10] != passed[10:]


def test_values_start_along_the_reward_models_direction() -> None:
    generator = torch.Generator().manual_seed(SEED)
    scale = torch.logspace(-2, 2, 16)
    hidden = torch.randn(400, 16, generator=generator) * scale + 3.0
    direction = np.random.default_rng(SEED).normal(size=16)
    noise = 0.1 * torch.randn(400, generator=generator)
    projected = hidden @ torch.tensor(direction, dtype=torch.float32)
    returns = 2.0 + 0.01 * projected + noise
    head = ValueHead(16)
    assert head.start(hidden, returns, direction)
    left = returns - head(hidden).detach()
    assert left.std() < 0.12 < returns.std()
    # Without its slope the direction only adds noise.
    assert not head.start(hidden, -projected, direction)
    torch.testing.assert_close(head(hidden).detach(), (-projected).mean().expand(400))


def test_a_reward_model_of_another_size_leaves_values_at_the_mean() -> None:
    hidden = torch.randn(50, 16, generator=torch.Generator().manual_seed(SEED))
    returns = hidden[:, 0] + 5.0
    head = ValueHead(16)
    assert not head.start(hidden, returns, np.ones(8))
    torch.testing.assert_close(head(hidden).detach(), returns.mean().expand(50))


def test_rows_keep_their_tokens(rollout: Rollout) -> None:
    index = torch.tensor([3, 1])
    some = rollout.sequences.rows(index)
    whole = rollout.sequences
    for place, row in enumerate(index.tolist()):
        end = int(whole.prompt_lengths[row] + whole.lengths[row])
        assert torch.equal(some.tokens[place, :end], whole.tokens[row, :end])
