"""Perplexity of replies that a model wasn't trained on, with intervals."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec
import numpy as np
import numpy.typing as npt
import torch

from churnsaver_assets.common.bootstrap import percentile_interval
from churnsaver_assets.common.estimates import Interval
from churnsaver_assets.text.records import Demonstration

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

LEAST_ROWS = 2


@dataclass(frozen=True, slots=True)
class TokenRow:
    """One demonstration as token ids.

    Attributes:
        prompt: Token ids of the prompt.
        reply: Token ids of the reply, the end token last.
    """

    prompt: list[int]
    reply: list[int]

    @property
    def tokens(self) -> int:
        """Return the number of tokens of prompt and reply."""
        return len(self.prompt) + len(self.reply)


@dataclass(frozen=True, slots=True)
class RowLosses:
    """Negative log-likelihood of each row's reply.

    Attributes:
        nll: Nats summed over the reply's tokens, shape (rows,).
        tokens: Number of the reply's tokens, end token included, shape (rows,).
    """

    nll: npt.NDArray[np.float64]
    tokens: npt.NDArray[np.int64]


class PerplexityReport(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Perplexity per reply token, end token included.

    Attributes:
        perplexity: exp(mean nats per token over all rows), 95 % interval by row.
        rows: Number of rows.
        tokens: Number of tokens.
    """

    perplexity: Interval
    rows: int
    tokens: int


class PerplexityComparison(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Two models on the same rows.

    Attributes:
        before: Perplexity of the model that training began at.
        after: Perplexity of the trained model.
        log_difference: Log-perplexity after less before; below 0 is better. The rows are resampled
            together, so that a row's difficulty for both models cancels out.
    """

    before: PerplexityReport
    after: PerplexityReport
    log_difference: Interval


def token_rows(
    tokenizer: "PreTrainedTokenizerBase", rows: Sequence[Demonstration]
) -> list[TokenRow]:
    """Tokenise prompts and replies apart, as in generation, and end each reply.

    Args:
        tokenizer: The model's tokenizer.
        rows: Demonstrations, in order.
    """

    def ids(text: str) -> list[int]:
        return [int(token) for token in tokenizer(text, add_special_tokens=False)["input_ids"]]

    end = int(tokenizer.eos_token_id)
    return [TokenRow(ids(row.prompt), [*ids(row.reply), end]) for row in rows]


@torch.no_grad()
def reply_losses(
    model: "PreTrainedModel", rows: Sequence[TokenRow], *, pad_id: int, batch_rows: int
) -> RowLosses:
    """Score replies in fp32, whatever the mixed precision of the training.

    Args:
        model: Model in float32 and evaluation mode.
        rows: Rows to score.
        pad_id: Token id that fills rows up on the right, where the model doesn't see it.
        batch_rows: Number of rows scored together; they are of like length, so little is padded.

    Raises:
        ValueError: The model's weights aren't float32.
    """
    if model.dtype != torch.float32:
        raise ValueError(f"perplexity is measured in float32, got a model in {model.dtype}")
    nll = np.zeros(len(rows))
    order = sorted(range(len(rows)), key=lambda index: rows[index].tokens)
    head = model.get_output_embeddings()  # type: ignore[no-untyped-call]
    for start in range(0, len(order), batch_rows):
        chosen = order[start : start + batch_rows]
        longest = max(rows[index].tokens for index in chosen)
        ids = torch.full((len(chosen), longest), pad_id)
        seen = torch.zeros(len(chosen), longest, dtype=torch.long)
        scored = torch.zeros(len(chosen), longest - 1, dtype=torch.bool)
        for place, index in enumerate(chosen):
            row = rows[index]
            ids[place, : row.tokens] = torch.tensor(row.prompt + row.reply)
            seen[place, : row.tokens] = 1
            scored[place, max(len(row.prompt) - 1, 0) : row.tokens - 1] = True
        ids, seen, scored = (one.to(model.device) for one in (ids, seen, scored))
        hidden = model.base_model(input_ids=ids, attention_mask=seen, use_cache=False)
        # Only the replies' positions meet the vocabulary: the prompts' logits would fill memory.
        logits = head(hidden.last_hidden_state[:, :-1][scored]).float()
        losses = torch.nn.functional.cross_entropy(logits, ids[:, 1:][scored], reduction="none")
        owner = scored.nonzero()[:, 0].cpu().numpy()
        sums = np.bincount(owner, losses.cpu().double().numpy(), minlength=len(chosen))
        nll[chosen] = sums
    return RowLosses(nll, np.array([len(row.reply) for row in rows], dtype=np.int64))


def perplexity(losses: RowLosses, *, resamples: int, seed: int) -> PerplexityReport:
    """Estimate corpus perplexity with a bootstrap interval by row (Efron and Tibshirani 1993).

    Args:
        losses: Losses from `reply_losses`.
        resamples: Resamples of the bootstrap.
        seed: Seed for the bootstrap.

    Raises:
        ValueError: There are fewer than 2 rows.
    """
    drawn = _resampled(losses, resamples, seed)
    return PerplexityReport(
        perplexity=percentile_interval(np.exp(_mean(losses)), np.exp(drawn)),
        rows=len(losses.nll),
        tokens=int(losses.tokens.sum()),
    )


def compare_perplexity(
    before: RowLosses, after: RowLosses, *, resamples: int, seed: int
) -> PerplexityComparison:
    """Estimate both models' perplexity and their paired difference; arguments as of `perplexity`.

    Raises:
        ValueError: There are fewer than 2 rows, or the losses are of other rows.
    """
    if not np.array_equal(before.tokens, after.tokens):
        raise ValueError("expected both models' losses on the same rows, in the same order")
    # The same seed draws the same rows for both.
    drawn = _resampled(after, resamples, seed) - _resampled(before, resamples, seed)
    return PerplexityComparison(
        before=perplexity(before, resamples=resamples, seed=seed),
        after=perplexity(after, resamples=resamples, seed=seed),
        log_difference=percentile_interval(_mean(after) - _mean(before), drawn),
    )


def _mean(losses: RowLosses) -> float:
    return float(losses.nll.sum() / losses.tokens.sum())


def _resampled(losses: RowLosses, resamples: int, seed: int) -> npt.NDArray[np.float64]:
    """Return the nats per token of each resample, shape (resamples,)."""
    rows = len(losses.nll)
    if rows < LEAST_ROWS:
        raise ValueError(f"expected at least {LEAST_ROWS} rows for an interval, got {rows}")
    rng = np.random.default_rng(seed)
    counts = rng.multinomial(rows, np.full(rows, 1 / rows), size=resamples)
    means: npt.NDArray[np.float64] = (counts @ losses.nll) / (counts @ losses.tokens)
    return means
