"""Perplexity: the sums, what they leave out, and their intervals."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from churnsaver_assets.text.model.loading import load_model, load_tokenizer
from churnsaver_assets.text.model.perplexity import (
    RowLosses,
    TokenRow,
    compare_perplexity,
    perplexity,
    reply_losses,
    token_rows,
)
from churnsaver_assets.text.records import Demonstration
from tests.support.text.models import HARDWARE, demonstrations


def _losses(nll: list[float], tokens: list[int]) -> RowLosses:
    return RowLosses(np.array(nll), np.array(tokens))


def test_losses_are_the_model_s_own_one_row_at_a_time(tiny_model: Path) -> None:
    import torch

    model, tokenizer = load_model(tiny_model, HARDWARE, dtype="float32"), load_tokenizer(tiny_model)
    rows = token_rows(
        tokenizer, [*demonstrations(tokenizer, 5), *demonstrations(tokenizer, 2, reply="Thanks.")]
    )
    found = reply_losses(model, rows, pad_id=int(tokenizer.pad_token_id), batch_rows=3)
    for row, nll, tokens in zip(rows, found.nll, found.tokens, strict=True):
        labels = torch.tensor([[-100] * len(row.prompt) + row.reply])
        ids = torch.tensor([row.prompt + row.reply])
        with torch.no_grad():
            mean = float(model(input_ids=ids, labels=labels).loss)
        assert tokens == len(row.reply)
        assert nll == pytest.approx(mean * len(row.reply), rel=1e-4)


def test_the_end_token_is_scored_and_prompts_are_tokenised_apart(tiny_model: Path) -> None:
    tokenizer = load_tokenizer(tiny_model)
    (row,) = token_rows(tokenizer, [Demonstration("We would", " love")])
    assert row.reply[-1] == tokenizer.eos_token_id
    assert tokenizer.decode(row.prompt) == "We would"
    assert row.tokens == len(row.prompt) + len(row.reply)


def test_a_rounded_model_is_refused(tiny_model: Path) -> None:
    model = load_model(tiny_model, HARDWARE, dtype="bfloat16")
    with pytest.raises(ValueError, match="float32"):
        reply_losses(model, [TokenRow([5], [6])], pad_id=0, batch_rows=1)


def test_the_mean_is_by_token_not_by_row() -> None:
    report = perplexity(_losses([0.0, 30.0], [1, 29]), resamples=100, seed=42)
    assert report.perplexity.mean == pytest.approx(np.e)
    assert (report.rows, report.tokens) == (2, 30)


@given(
    nll=st.lists(st.floats(0.1, 100), min_size=2, max_size=20),
    shift=st.floats(-1, 1),
    seed=st.integers(0, 99),
)
def test_pairing_takes_out_what_makes_rows_hard(nll: list[float], shift: float, seed: int) -> None:
    tokens = [10 + index for index in range(len(nll))]
    before = _losses(nll, tokens)
    after = _losses([a + shift * n for a, n in zip(nll, tokens, strict=True)], tokens)
    found = compare_perplexity(before, after, resamples=100, seed=seed).log_difference
    # The same shift for every token leaves nothing to chance.
    assert found.mean == pytest.approx(shift, abs=1e-9)
    assert found.low == pytest.approx(shift, abs=1e-9)
    assert found.high == pytest.approx(shift, abs=1e-9)


def test_the_interval_covers_the_truth_as_often_as_it_says() -> None:
    rng, tokens = np.random.default_rng(42), np.full(60, 20)
    hits = 0
    for seed in range(200):
        draws = RowLosses(rng.normal(40, 8, 60), tokens)
        interval = perplexity(draws, resamples=300, seed=seed).perplexity
        hits += interval.low <= np.exp(2) <= interval.high
    assert 0.90 <= hits / 200 <= 0.99


def test_a_seed_gives_the_same_interval() -> None:
    losses = _losses([1.0, 5.0, 9.0], [2, 3, 4])
    one = perplexity(losses, resamples=100, seed=1)
    assert one == perplexity(losses, resamples=100, seed=1)
    assert one != perplexity(losses, resamples=100, seed=2)


def test_one_row_has_no_interval_and_other_rows_no_difference() -> None:
    with pytest.raises(ValueError, match="at least 2 rows"):
        perplexity(_losses([1.0], [2]), resamples=100, seed=1)
    with pytest.raises(ValueError, match="same rows"):
        compare_perplexity(
            _losses([1.0, 2.0], [2, 3]), _losses([1.0, 2.0], [3, 2]), resamples=100, seed=1
        )
