"""Prompts with their completions as tensors: right-padded, masked by length, never by token."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, slots=True)
class Sequences:
    """Rows of prompt and completion, one behind the other.

    Padding is at the right, where causal attention never looks from a real token. So no attention
    mask is needed, and what the padding holds changes nothing.

    Attributes:
        tokens: shape (rows, width).
        prompt_lengths: tokens before the completion, shape (rows,).
        lengths: tokens of the completion, end token included, shape (rows,).
    """

    tokens: Tensor
    prompt_lengths: Tensor
    lengths: Tensor

    def __len__(self) -> int:
        return len(self.tokens)

    @property
    def mask(self) -> Tensor:
        """Which completion tokens there are, shape (rows, longest completion)."""
        steps = torch.arange(int(self.lengths.max()), device=self.lengths.device)
        return steps[None, :] < self.lengths[:, None]

    def completions(self) -> list[list[int]]:
        """Tokens of each completion, end token included."""
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
        """Some rows, trimmed to the longest of them."""
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
    """Rows of token ids as tensors.

    Args:
        prompts: at least one token each.
        completions: at least one token each.
        padding: any token id.
        device: of the tensors.

    Raises:
        ValueError: an empty prompt or completion.
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
    """Parts of rows of like length, longest first, so that little is padding.

    Args:
        sequences: all.
        rows: most in a part.

    Yields:
        Which rows, and these rows.
    """
    width = sequences.prompt_lengths + sequences.lengths
    order = torch.argsort(width, descending=True, stable=True)
    for index in torch.split(order, rows):
        yield index, sequences.rows(index)
