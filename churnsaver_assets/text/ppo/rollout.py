"""Rollouts: an iteration's prompts, and the messages that the policy wrote for them."""

from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from churnsaver_assets.experiments.text_spec import SamplingSpec
from churnsaver_assets.text.model.generation import completion
from churnsaver_assets.text.ppo.policy import TextPolicy, TokenFigures
from churnsaver_assets.text.ppo.sampler import Sampler
from churnsaver_assets.text.ppo.sequences import Sequences, by_length, pad_sequences
from churnsaver_assets.text.records import Completion, Prompt

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


@dataclass(frozen=True, slots=True)
class Rollout:
    """The samples of one iteration and process.

    Attributes:
        prompts: The prompt of each row.
        completions: The completion of each row.
        sequences: The tokens of both.
        sampler_logprobs: Log-probabilities under the copy that sampled, shape (rows, longest), 0
            beyond the end.
    """

    prompts: tuple[Prompt, ...]
    completions: tuple[Completion, ...]
    sequences: Sequences
    sampler_logprobs: Tensor


@dataclass(frozen=True, slots=True)
class Writer:
    """A sampler with its tokenizer and settings.

    Attributes:
        sampler: The merged copy of the policy.
        tokenizer: The model's tokenizer.
        sampling: Length, temperature, rows at a time.
        ends: Ids of the tokens that end a completion.
    """

    sampler: Sampler
    tokenizer: "PreTrainedTokenizerBase"
    sampling: SamplingSpec
    ends: AbstractSet[int]

    def write(
        self, prompts: Sequence[Prompt], generator: torch.Generator, device: torch.device
    ) -> Rollout:
        """Sample one completion of each prompt.

        Args:
            prompts: Prompts to answer.
            generator: Random numbers of the draws.
            device: The tensors' device.
        """
        asked = [
            self.tokenizer(prompt.text, add_special_tokens=False)["input_ids"] for prompt in prompts
        ]
        padding = int(self.tokenizer.pad_token_id)
        samples = self.sampler.sample(
            asked, self.sampling, ends=self.ends, padding=padding, generator=generator
        )
        sequences = pad_sequences(
            asked, [sample.tokens for sample in samples], padding=padding, device=device
        )
        longest = int(sequences.lengths.max())
        logprobs = [sample.logprobs + [0.0] * (longest - len(sample.tokens)) for sample in samples]
        completions = tuple(completion(self.tokenizer, one) for one in samples)
        return Rollout(
            tuple(prompts), completions, sequences, torch.tensor(logprobs, device=device)
        )


def prompts_of(
    prompts: Sequence[Prompt], rows: int, iteration: int, seed: int
) -> tuple[Prompt, ...]:
    """Return an iteration's prompts: each comes once, in an order drawn anew, before any again.

    The iteration's number decides, so that a resumed training needs no position.

    Args:
        prompts: All prompts.
        rows: Number of prompts of an iteration.
        iteration: The iteration, counted from 0.
        seed: Seed for the orders.
    """
    places = np.arange(iteration * rows, (iteration + 1) * rows)
    orders = {
        turn: np.random.default_rng([seed, turn]).permutation(len(prompts))
        for turn in np.unique(places // len(prompts)).tolist()
    }
    return tuple(
        prompts[orders[place // len(prompts)][place % len(prompts)]] for place in places.tolist()
    )


@torch.no_grad()
def recompute(policy: TextPolicy, sequences: Sequences, rows: int) -> tuple[TokenFigures, Tensor]:
    """Compute the tokens' figures under policy and reference, by the path that training takes.

    The sampler's own log-probabilities differ a little (merged weights, other kernels). Taken as
    the old ones, they would put that difference into the probability ratio.

    Args:
        policy: The policy, unwrapped.
        sequences: All sequences.
        rows: Number of rows computed together.

    Returns:
        The policy's figures and the reference's log-probabilities, shape (rows, longest).
    """
    shape = sequences.mask.shape
    all_of = [torch.zeros(shape, device=policy.device) for _ in range(4)]
    for index, part in by_length(sequences, rows):
        figures = policy(part.tokens, part.prompt_lengths, part.lengths)
        reference = policy.reference_logprobs(part)
        for whole, some in zip(all_of, (*figures, reference), strict=True):
            whole[index, : some.shape[1]] = some
    return TokenFigures(*all_of[:3]), all_of[3]
