"""Sampling, token by token: the one way in which anything here is written."""

from collections.abc import Callable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from churnsaver_assets.experiments.text_spec import SamplingSpec

if TYPE_CHECKING:
    from transformers import PreTrainedModel

# Rows that have ended are dropped from the batch once they are this share of it: dropping copies
# the cache, keeping computes tokens that nobody reads.
_DROP_SHARE = 0.25


@dataclass(frozen=True, slots=True)
class Sample:
    """One sampled completion.

    Attributes:
        tokens: Token ids, end token included where it came.
        logprobs: Log-probability of each token under the sampler at its temperature.
        finished: Whether the end token came.
    """

    tokens: list[int]
    logprobs: list[float]
    finished: bool


def end_tokens(model: "PreTrainedModel") -> set[int]:
    """Return the tokens that the model's own settings end a completion with."""
    config = model.generation_config
    named = config.eos_token_id if config else None
    return {named} if isinstance(named, int) else set(named or ())


@torch.no_grad()
def sample(
    model: "PreTrainedModel",
    prompts: Sequence[Sequence[int]],
    sampling: SamplingSpec,
    *,
    ends: AbstractSet[int],
    padding: int,
    generator: torch.Generator,
    greedy: bool = False,
    told: Callable[[Sequence[Sample]], None] | None = None,
) -> list[Sample]:
    """Sample completions of prompts, in their order.

    Drawn from the model's own distribution: nothing narrows it but the temperature, whatever the
    model's generation settings say, so that a token's probability is what training takes it for.

    Args:
        model: Causal model in evaluation mode; a bf16 copy is fastest.
        prompts: Token ids of each prompt, at least one.
        sampling: Length, temperature, rows at a time; prompts of about the same length go together.
        ends: Ids of the tokens that end a completion.
        padding: Any token id.
        generator: Generator on the CPU. One uniform number is drawn for each row and step
            beforehand, so which rows are computed together and when they end changes no draw.
        greedy: Take the likeliest token each time.
        told: Function that is given each batch's completions.
    """
    uniform = torch.rand(len(prompts), sampling.max_new_tokens, generator=generator)
    order = sorted(range(len(prompts)), key=lambda row: len(prompts[row]))
    samples: dict[int, Sample] = {}
    for start in range(0, len(order), sampling.batch_rows):
        rows = order[start : start + sampling.batch_rows]
        some = [prompts[row] for row in rows]
        temperature = None if greedy else sampling.temperature
        made = _batch(model, some, uniform[rows], temperature, ends, padding)
        samples |= dict(zip(rows, made, strict=True))
        if told is not None:
            told(made)
    return [samples[row] for row in range(len(prompts))]


def _batch(
    model: "PreTrainedModel",
    prompts: Sequence[Sequence[int]],
    uniform: Tensor,
    temperature: float | None,
    ends: AbstractSet[int],
    padding: int,
) -> list[Sample]:
    device = model.device
    uniform = uniform.to(device)
    width, steps = max(map(len, prompts)), uniform.shape[1]
    left = [width - len(prompt) for prompt in prompts]
    tokens = torch.tensor(
        [[padding] * gap + list(prompt) for gap, prompt in zip(left, prompts, strict=True)],
        device=device,
    )
    gaps = torch.tensor(left, device=device)
    last = torch.tensor(sorted(ends), device=device)
    # Left padding is masked out and takes no positions.
    mask = torch.arange(width + steps, device=device) >= gaps[:, None]
    positions = (torch.arange(width, device=device) - gaps[:, None]).clamp_min(0)
    drawn = torch.zeros(len(prompts), steps, dtype=torch.long, device=device)
    logprobs = torch.zeros(len(prompts), steps, device=device)
    lengths = torch.full((len(prompts),), steps, device=device)
    alive = torch.arange(len(prompts), device=device)
    going = torch.ones_like(alive, dtype=torch.bool)
    cache: Any = None
    for step in range(steps):
        out = model(
            input_ids=tokens,
            attention_mask=mask[alive, : width + step].long(),
            position_ids=positions,
            past_key_values=cache,
            use_cache=True,
            logits_to_keep=1,
        )
        cache = out.past_key_values
        logits = out.logits[:, -1]
        choice, logprob = (
            likeliest(logits)
            if temperature is None
            else draw(logits, uniform[alive, step], temperature)
        )
        drawn[alive, step], logprobs[alive, step] = choice, logprob
        ended = going & torch.isin(choice, last)
        lengths[alive[ended]] = step + 1
        going &= ~ended
        left_over = int(going.sum())
        if not left_over:
            break
        if left_over <= (1.0 - _DROP_SHARE) * len(alive):
            cache.batch_select_indices(going.nonzero()[:, 0])
            alive, choice = alive[going], choice[going]
            going = going[going]
        tokens = choice[:, None]
        positions = (width + step - gaps[alive])[:, None]
    finished = torch.isin(drawn.gather(1, lengths[:, None] - 1)[:, 0], last)
    return [
        Sample(ids[:length], chances[:length], ends)
        for ids, chances, length, ends in zip(
            drawn.tolist(), logprobs.tolist(), lengths.tolist(), finished.tolist(), strict=True
        )
    ]


def draw(logits: Tensor, uniform: Tensor, temperature: float) -> tuple[Tensor, Tensor]:
    """Draw one token of each row by the inverse of its cumulative distribution.

    Args:
        logits: Logits, shape (rows, vocabulary).
        uniform: Numbers in [0, 1), shape (rows,).
        temperature: Temperature of the softmax.

    Returns:
        Token ids and their log-probabilities, both shape (rows,).
    """
    scores = logits.float() / temperature
    scores -= scores.max(dim=1, keepdim=True).values
    cumulative = scores.exp().cumsum(dim=1)
    total = cumulative[:, -1:]
    # Rounding can bring the product to the total itself, past every token.
    below = torch.nextafter(total, torch.zeros_like(total))
    point = torch.minimum(uniform[:, None] * total, below)
    # A model that has diverged has no numbers to search; training finds out right after.
    choice = torch.searchsorted(cumulative, point, right=True).clamp_max(logits.shape[1] - 1)
    return choice[:, 0], (scores.gather(1, choice) - total.log())[:, 0]


def likeliest(logits: Tensor) -> tuple[Tensor, Tensor]:
    """Take the likeliest token of each row and its log-probability, as `draw` gives them.

    Args:
        logits: Logits, shape (rows, vocabulary).
    """
    chances = logits.float().log_softmax(dim=1).max(dim=1)
    return chances.indices, chances.values
