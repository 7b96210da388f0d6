"""Tests for PPO's pure parts on text: log-probabilities, draws, advantages, losses, controller."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch  # noqa: TID253 - what is tested works on tensors
from hypothesis import given
from hypothesis import strategies as st

from churnsaver_assets.experiments.text_spec import KlSpec
from churnsaver_assets.text.model.sampler import draw
from churnsaver_assets.text.ppo.losses import (
    AdaptiveKl,
    explained_variance,
    gae,
    k1,
    k3,
    policy_loss,
    value_loss,
    whiten,
)
from churnsaver_assets.text.ppo.sequences import by_length, pad_sequences, token_logprobs

KL = KlSpec(target=0.1, beta=0.2, horizon=10, stop_at=1.0)
ROWS = st.lists(st.integers(1, 7), min_size=1, max_size=5)
FRACTION = st.floats(0.0, 1.0)


def _tokens(lengths: list[int], seed: int, figures: int) -> tuple[torch.Tensor, ...]:
    """Return a mask of these lengths, and random figures that aren't 0 beyond it."""
    generator = torch.Generator().manual_seed(seed)
    mask = torch.arange(max(lengths))[None, :] < torch.tensor(lengths)[:, None]
    return mask, *(torch.randn(mask.shape, generator=generator) for _ in range(figures))


def _logits(rows: int = 11, hidden: int = 6, words: int = 17) -> tuple[torch.Tensor, ...]:
    generator = torch.Generator().manual_seed(42)
    return (
        torch.randn(rows, hidden, generator=generator).requires_grad_(),
        torch.randn(words, hidden, generator=generator),
        torch.randint(words, (rows,), generator=generator),
        torch.randn(rows, generator=generator),
    )


@pytest.mark.parametrize("temperature", [1.0, 0.7])
@pytest.mark.parametrize("chunk_logits", [17, 68, 1 << 20])
def test_log_probabilities_and_gradient_are_those_of_log_softmax(
    temperature: float, chunk_logits: int
) -> None:
    hidden, weight, chosen, upstream = _logits()
    got, entropies = token_logprobs(hidden, weight, chosen, temperature, chunk_logits=chunk_logits)
    spread = torch.log_softmax(hidden @ weight.T / temperature, dim=1)
    expected = spread.gather(1, chosen[:, None])[:, 0]
    torch.testing.assert_close(got, expected)
    torch.testing.assert_close(entropies, -(spread.exp() * spread).sum(1).detach())
    assert not entropies.requires_grad
    (slope,) = torch.autograd.grad(got, hidden, upstream)
    (naive,) = torch.autograd.grad(expected, hidden, upstream)
    torch.testing.assert_close(slope, naive)


def test_the_score_has_expectation_zero() -> None:
    """Over the policy's own draws, the gradient of log-probabilities is 0 on average."""
    hidden, weight, _, _ = _logits(rows=1)
    words = len(weight)
    each, _ = token_logprobs(hidden.expand(words, -1), weight, torch.arange(words), 1.0)
    (slope,) = torch.autograd.grad((each.exp().detach() * each).sum(), hidden)
    torch.testing.assert_close(slope, torch.zeros_like(slope), atol=1e-6, rtol=0)


@pytest.mark.parametrize("temperature", [1.0, 0.7])
def test_draws_have_the_softmaxs_frequencies(temperature: float) -> None:
    logits = torch.tensor([2.0, -1.0, 0.5, -torch.inf, 0.0])
    chances = torch.softmax(logits / temperature, dim=0)
    uniform = (torch.arange(10_000) + 0.5) / 10_000
    choice, logprobs = draw(logits.expand(10_000, -1), uniform, temperature)
    share = torch.bincount(choice, minlength=5) / 10_000
    torch.testing.assert_close(share, chances, atol=2e-4, rtol=0)
    torch.testing.assert_close(logprobs, chances.log()[choice])


def test_no_draw_falls_beyond_the_vocabulary() -> None:
    uniform = torch.tensor([0.0, 1.0 - 2**-24])
    choice, logprobs = draw(torch.tensor([[-torch.inf, 1.0, 0.0, -torch.inf]] * 2), uniform, 1.0)
    assert choice.tolist() == [1, 2]
    assert torch.isfinite(logprobs).all()


@given(ROWS, st.integers(0, 1000), FRACTION, FRACTION)
def test_gae_is_the_discounted_sum_of_errors(
    lengths: list[int], seed: int, discount: float, gae_lambda: float
) -> None:
    mask, rewards, values = _tokens(lengths, seed, 2)
    got = gae(rewards, values, mask, discount=discount, gae_lambda=gae_lambda)
    for row, length in enumerate(lengths):
        expected = [*values[row, :length].tolist(), 0.0]
        errors = [
            rewards[row, step].item() + discount * expected[step + 1] - expected[step]
            for step in range(length)
        ]
        for step in range(length):
            naive = sum(
                (discount * gae_lambda) ** (later - step) * errors[later]
                for later in range(step, length)
            )
            assert got[row, step].item() == pytest.approx(naive, abs=1e-4)
    assert not got[~mask].any()


@given(ROWS, st.integers(0, 1000))
def test_whitened_advantages_have_mean_0_and_deviation_1(lengths: list[int], seed: int) -> None:
    mask, advantages = _tokens(lengths, seed, 1)
    got = whiten(advantages, mask)
    assert not got[~mask].any()
    there = advantages[mask].numpy()
    naive = (there - there.mean()) / np.sqrt(there.var() + 1e-8)
    np.testing.assert_allclose(got[mask].numpy(), naive, atol=1e-4)


@given(ROWS, st.integers(0, 1000), st.floats(0.05, 0.5))
def test_losses_are_means_over_the_tokens_there_are(
    lengths: list[int], seed: int, clip: float
) -> None:
    mask, new, old, advantages, values, targets = _tokens(lengths, seed, 5)
    tokens = mask.sum()
    policy = policy_loss(new, old, advantages, mask, clip=clip, tokens=tokens)
    value = value_loss(values, old, targets, mask, clip=clip, tokens=tokens)
    surrogate, squares, clipped = [], [], 0
    for row, step in mask.nonzero().tolist():
        ratio = math.exp(new[row, step] - old[row, step])
        gain = advantages[row, step].item()
        kept = min(max(ratio, 1 - clip), 1 + clip)
        surrogate.append(min(ratio * gain, kept * gain))
        clipped += kept * gain < ratio * gain
        moved = min(max((values - old)[row, step].item(), -clip), clip)
        target = targets[row, step].item()
        squares.append(
            max((values[row, step].item() - target) ** 2, (old[row, step] + moved - target) ** 2)
        )
    assert policy.loss.item() == pytest.approx(-np.mean(surrogate), rel=1e-4, abs=1e-5)
    assert policy.clip_share.item() == pytest.approx(clipped / len(surrogate))
    assert value.item() == pytest.approx(0.5 * np.mean(squares), rel=1e-4)


def test_before_the_first_step_the_ratio_is_1() -> None:
    mask, logprobs, advantages = _tokens([3, 5], 42, 2)
    whitened = whiten(advantages, mask)
    loss = policy_loss(
        logprobs.requires_grad_(), logprobs.detach(), whitened, mask, clip=0.2, tokens=mask.sum()
    )
    assert loss.loss.item() == pytest.approx(0.0, abs=1e-6)
    assert loss.kl.item() == loss.clip_share.item() == 0.0
    (slope,) = torch.autograd.grad(loss.loss, logprobs)
    torch.testing.assert_close(slope, -whitened / mask.sum())


@given(st.floats(-2.0, 2.0), st.floats(-2.0, 2.0))
def test_k3_is_never_negative_and_both_estimate_the_kl(first: float, second: float) -> None:
    p, q = (torch.log_softmax(torch.tensor([one, 0.0]), 0) for one in (first, second))
    exact = (p.exp() * (p - q)).sum()
    assert (k3(p, q) >= -1e-6).all()
    torch.testing.assert_close((p.exp() * k1(p, q)).sum(), exact, atol=1e-5, rtol=0)
    torch.testing.assert_close((p.exp() * k3(p, q)).sum(), exact, atol=1e-5, rtol=0)


@pytest.mark.parametrize(
    ("kl", "factor"),
    [
        (1.0, math.exp(0.02)),  # far above: the error is kept at 20 %, over ten iterations
        (0.11, math.exp(0.01)),
        (0.1, 1.0),
        (0.095, math.exp(-0.005)),
        (-0.3, math.exp(-0.02)),
    ],
)
def test_beta_moves_by_the_documented_factor(kl: float, factor: float) -> None:
    assert AdaptiveKl(0.2).after(kl, KL).beta == pytest.approx(0.2 * factor)


def test_a_horizon_of_a_constant_error_moves_beta_by_e_to_the_error() -> None:
    controller = AdaptiveKl.start(KL)
    for _ in range(10):
        controller = controller.after(0.12, KL)
    assert controller.beta == pytest.approx(0.2 * math.exp(0.2))


def test_explained_variance_by_hand() -> None:
    targets = torch.tensor([[1.0, 3.0, 9.0]])
    mask = torch.tensor([[True, True, False]])
    assert explained_variance(targets, targets, mask) == 1.0
    assert explained_variance(torch.zeros(1, 3), targets, mask) == 0.0
    assert explained_variance(-targets, targets, mask) == -3.0
    assert explained_variance(targets, torch.ones(1, 3), mask) == 0.0


def test_rows_are_trimmed_and_taken_by_length() -> None:
    rows = pad_sequences(
        [[1, 2], [3], [4, 5, 6]], [[7], [8, 9], [1, 2, 3]], padding=0, device=torch.device("cpu")
    )
    assert rows.tokens.tolist()[0] == [1, 2, 7, 0, 0, 0]
    assert rows.mask.sum(1).tolist() == [1, 2, 3]
    parts = list(by_length(rows, 2))
    assert [index.tolist() for index, _ in parts] == [[2, 0], [1]]
    assert parts[1][1].tokens.tolist() == [[3, 8, 9]]


def test_empty_completions_are_refused() -> None:
    with pytest.raises(ValueError, match="at least one token"):
        pad_sequences([[1]], [[]], padding=0, device=torch.device("cpu"))
