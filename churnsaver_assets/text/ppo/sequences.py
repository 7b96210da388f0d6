"""Prompts with their completions as tensors, and log-probabilities of their tokens.

Rows are right-padded and masked by length, never by token.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor


@dataclass(frozen=True, slots=True)
class Sequences:
    """Rows of prompt and completion, one behind the other.

    Padding is at the right, where causal attention never looks from a real token. So no attention
    mask is needed, and what the padding holds changes nothing.

    Attributes:
        tokens: Token ids, shape (rows, width).
        prompt_lengths: Tokens before the completion, shape (rows,).
        lengths: Tokens of the completion, end token included, shape (rows,).
    """

    tokens: Tensor
    prompt_lengths: Tensor
    lengths: Tensor

    def __len__(self) -> int:
        return len(self.tokens)

    @property
    def mask(self) -> Tensor:
        """Return which completion tokens there are, shape (rows, longest completion)."""
        steps = torch.arange(int(self.lengths.max()), device=self.lengths.device)
        return steps[None, :] < self.lengths[:, None]

    def completions(self) -> list[list[int]]:
        """Return the tokens of each completion, end token included."""
        return [
            row[begin : begin + length]
            for row, begin, length in zip(
                self.tokens.tolist(),
                self.prompt_lengths.tolist(),
                self.lengths.tolist(),
                strict=True,
            )
        ]

    def rows(self, index: Tensor) -> "Sequences":
        """Return some rows, trimmed to the longest of them."""
        prompt_lengths, lengths = self.prompt_lengths[index], self.lengths[index]
        width = int((prompt_lengths + lengths).max())
        return Sequences(self.tokens[index, :width], prompt_lengths, lengths)


def pad_sequences(
    prompts: Sequence[Sequence[int]],
    completions: Sequence[Sequence[int]],
    *,
    padding: int,
    device: torch.device,
) -> Sequences:
    """Put rows of token ids into tensors.

    Args:
        prompts: Token ids of each prompt, at least one.
        completions: Token ids of each completion, at least one.
        padding: Any token id.
        device: Device of the tensors.

    Raises:
        ValueError: A prompt or a completion is empty.
    """
    if not all(prompts) or not all(completions):
        raise ValueError("every prompt and every completion needs at least one token")
    whole = [[*prompt, *reply] for prompt, reply in zip(prompts, completions, strict=True)]
    width = max(map(len, whole))
    return Sequences(
        torch.tensor([row + [padding] * (width - len(row)) for row in whole], device=device),
        torch.tensor([len(prompt) for prompt in prompts], device=device),
        torch.tensor([len(reply) for reply in completions], device=device),
    )


def by_length(sequences: Sequences, rows: int) -> Iterator[tuple[Tensor, Sequences]]:
    """Yield parts of rows of like length, longest first, so that little is padding.

    Args:
        sequences: All rows.
        rows: Most rows in a part.

    Yields:
        Which rows, and these rows.
    """
    width = sequences.prompt_lengths + sequences.lengths
    order = torch.argsort(width, descending=True, stable=True)
    for index in torch.split(order, rows):
        yield index, sequences.rows(index)


# Logits held at once: 2^22 floats are 16 MB, which stays near a CPU's caches.
_CHUNK_LOGITS = 1 << 22


def token_logprobs(
    hidden: Tensor,
    weight: Tensor,
    chosen: Tensor,
    temperature: float,
    *,
    chunk_logits: int = _CHUNK_LOGITS,
) -> tuple[Tensor, Tensor]:
    """Compute log-probabilities of tokens under softmax(hidden @ weight.T / temperature).

    The head is frozen, so only the gradient by `hidden` is needed. It is a row of numbers for each
    token, known as soon as its softmax is: w[chosen] - E_softmax[w]. Kept instead of the logits, it
    makes memory hidden-sized rather than vocabulary-sized, and nothing is computed twice.

    Args:
        hidden: Inputs of the head, shape (tokens, hidden).
        weight: Weights of the head, in the precision of its products, shape (vocabulary, hidden).
        chosen: Token ids, shape (tokens,).
        temperature: Temperature of the softmax.
        chunk_logits: Most logits held at once.

    Returns:
        Log-probabilities and, without a gradient, the distributions' entropies in nats; fp32,
        shape (tokens,).
    """
    rows = max(1, chunk_logits // len(weight))
    logprobs, entropies = _TokenLogprobs.apply(hidden, weight, chosen, temperature, rows)  # type: ignore[no-untyped-call]
    return logprobs, entropies


class _TokenLogprobs(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,  # noqa: ANN401 - likewise
        hidden: Tensor,
        weight: Tensor,
        chosen: Tensor,
        temperature: float,
        rows: int,
    ) -> tuple[Tensor, Tensor]:
        logprobs = torch.empty(len(hidden), dtype=torch.float32, device=hidden.device)
        entropies = torch.empty_like(logprobs)
        slope = torch.empty_like(hidden) if ctx.needs_input_grad[0] else None
        for start in range(0, len(hidden), rows):
            part = slice(start, start + rows)
            logits = hidden[part].to(weight.dtype) @ weight.T
            if temperature != 1.0:
                logits = logits.float() / temperature
            spread = torch.log_softmax(logits, dim=1, dtype=torch.float32)
            logprobs[part] = spread.gather(1, chosen[part, None])[:, 0]
            probabilities = spread.exp()
            entropies[part] = -torch.linalg.vecdot(probabilities, spread)
            if slope is not None:
                expected = probabilities.to(weight.dtype) @ weight
                slope[part] = (weight[chosen[part]].float() - expected.float()) / temperature
        if slope is not None:
            ctx.save_for_backward(slope)
        ctx.mark_non_differentiable(entropies)
        return logprobs, entropies

    @staticmethod
    def backward(
        ctx: Any,  # noqa: ANN401 - torch's
        by_logprobs: Tensor,
        by_entropies: Tensor,  # noqa: ARG004 - not differentiable
    ) -> tuple[Tensor, None, None, None, None]:
        (slope,) = ctx.saved_tensors
        return by_logprobs[:, None].to(slope.dtype) * slope, None, None, None, None
