"""Prompt and reply as one row of token ids, cut to length."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

Tokenizer = Any  # transformers' tokenizers have no complete types


@dataclass(frozen=True, slots=True)
class Encoded:
    """A prompt and its reply.

    Attributes:
        ids: The prompt's tokens, the reply's, the end token (unless it was cut off).
        reply_start: The reply's first place in `ids`; there is always a token from here on.
        prompt_cut: True where the prompt lost its beginning.
        reply_lost: Number of tokens that the reply lost at its end, the end token among them.
    """

    ids: tuple[int, ...]
    reply_start: int
    prompt_cut: bool = False
    reply_lost: int = 0

    @property
    def reply_tokens(self) -> int:
        """Return the tokens of the whole reply, end token and lost ones included."""
        return len(self.ids) - self.reply_start + self.reply_lost


class Truncation(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Counts of rows that were cut to length.

    Attributes:
        rows: Number of prompts with a reply.
        prompts_cut: Number of rows whose prompt lost its beginning.
        replies_cut: Number of rows whose reply lost its end.
        mean_tokens: Mean tokens of a row after the cut.
    """

    rows: int
    prompts_cut: int
    replies_cut: int
    mean_tokens: float


def encode(
    tokenizer: Tokenizer, prompts: Sequence[str], replies: Sequence[str], max_tokens: int
) -> list[Encoded]:
    """Encode prompts with replies as rows of at most `max_tokens` tokens, in the order given.

    A reply may take what the prompt leaves, and half of `max_tokens` in any case: it loses its end
    beyond that, and the prompt its beginning.

    Args:
        tokenizer: Tokenizer with an end token.
        prompts: Chat-formatted prompts, shape (n,).
        replies: Replies without end token, shape (n,).
        max_tokens: Most tokens of prompt, reply and end token.

    Raises:
        ValueError: There is not one reply for each prompt, or no end token.
    """
    if len(prompts) != len(replies):
        raise ValueError(
            f"expected one reply for each prompt, got {len(prompts)} and {len(replies)}"
        )
    if tokenizer.eos_token_id is None:
        raise ValueError("the tokenizer has no end token: set eos_token in tokenizer_config.json")
    if not prompts:
        return []
    heads = _token_ids(tokenizer, prompts)
    tails = _token_ids(tokenizer, replies)
    return [
        _join(heads[prompt], [*tails[reply], tokenizer.eos_token_id], max_tokens)
        for prompt, reply in zip(prompts, replies, strict=True)
    ]


def truncation(rows: Sequence[Encoded]) -> Truncation:
    """Count the rows that were cut.

    Raises:
        ValueError: There are no rows.
    """
    if not rows:
        raise ValueError("expected at least one row to count")
    return Truncation(
        rows=len(rows),
        prompts_cut=sum(row.prompt_cut for row in rows),
        replies_cut=sum(row.reply_lost > 0 for row in rows),
        mean_tokens=sum(len(row.ids) for row in rows) / len(rows),
    )


def _token_ids(tokenizer: Tokenizer, texts: Sequence[str]) -> dict[str, list[int]]:
    distinct = list(dict.fromkeys(texts))
    return dict(
        zip(distinct, tokenizer(distinct, add_special_tokens=False)["input_ids"], strict=True)
    )


def _join(head: list[int], tail: list[int], max_tokens: int) -> Encoded:
    kept_tail = tail[: max(max_tokens // 2, max_tokens - len(head))]
    room = max_tokens - len(kept_tail)
    kept_head = head[max(len(head) - room, 0) :]
    return Encoded(
        ids=(*kept_head, *kept_tail),
        reply_start=len(kept_head),
        prompt_cut=len(kept_head) < len(head),
        reply_lost=len(tail) - len(kept_tail),
    )
