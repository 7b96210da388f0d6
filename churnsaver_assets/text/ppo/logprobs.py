"""Log-probabilities of chosen tokens, without ever keeping the logits of a whole batch."""

from typing import Any

import torch
from torch import Tensor

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
    """Log-probabilities of tokens under softmax(hidden @ weight.T / temperature).

    The head is frozen, so only the gradient by `hidden` is needed. It is a row of numbers for each
    token, known as soon as its softmax is: w[chosen] - E_softmax[w]. Kept instead of the logits, it
    makes memory hidden-sized rather than vocabulary-sized, and nothing is computed twice.

    Args:
        hidden: inputs of the head, shape (tokens, hidden).
        weight: the head's, in the precision of its products, shape (vocabulary, hidden).
        chosen: shape (tokens,).
        temperature: of the softmax.
        chunk_logits: most logits held at once.

    Returns:
        Log-probabilities and, without a gradient, the distributions' entropies in nats; fp32,
        shape (tokens,).
    """
    rows = max(1, chunk_logits // len(weight))
    logprobs, entropies = _TokenLogprobs.apply(hidden, weight, chosen, temperature, rows)  # type: ignore[no-untyped-call]
    return logprobs, entropies


class _TokenLogprobs(torch.autograd.Function):
    @staticmethod
    def forward(  # noqa: PLR0917 - torch calls it
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
