"""One iteration's experience: prompts, what the policy wrote, and what it earned."""

from collections.abc import Callable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from churnsaver_assets.experiments.text_spec import SamplingSpec
from churnsaver_assets.text.model.generation import completion
from churnsaver_assets.text.ppo.credit import breaking_steps
from churnsaver_assets.text.ppo.policy import Policy, TokenFigures
from churnsaver_assets.text.ppo.sampler import Sampler
from churnsaver_assets.text.ppo.sequences import Sequences, by_length, pad_sequences
from churnsaver_assets.text.records import Completion, Prompt

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

    from churnsaver_serving.runtime.shield.shield import Shield
    from churnsaver_serving.runtime.verdict import Verdict


@dataclass(frozen=True, slots=True)
class Rollout:
    """Samples of one iteration and process.

    Attributes:
        prompts: one for each row.
        completions: likewise.
        sequences: their tokens.
        sampler_logprobs: under the copy that sampled, shape (rows, longest), 0 beyond the end.
    """

    prompts: tuple[Prompt, ...]
    completions: tuple[Completion, ...]
    sequences: Sequences
    sampler_logprobs: Tensor


@dataclass(frozen=True, slots=True)
class Writer:
    """Samples completions of prompts.

    Attributes:
        sampler: in step with the policy.
        tokenizer: the model's.
        sampling: length, temperature, rows at a time.
        ends: tokens that end a completion.
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
            prompts: to be answered.
            generator: of the draws.
            device: of the tensors.
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

    def breaks(
        self, rollout: Rollout, verdicts: Sequence["Verdict"], shield: "Shield"
    ) -> list[list[int]]:
        """At which token of each message its broken rules break.

        Args:
            rollout: the messages.
            verdicts: of the strict rules, one for each.
            shield: that judged them.
        """
        return [
            breaking_steps(verdict, self._reader(tokens, prompt, shield), len(tokens))
            for prompt, tokens, verdict in zip(
                rollout.prompts, rollout.sequences.completions(), verdicts, strict=True
            )
        ]

    def _reader(
        self, tokens: list[int], prompt: Prompt, shield: "Shield"
    ) -> Callable[[int], "Verdict"]:
        def verdict_of(count: int) -> "Verdict":
            text = self.tokenizer.decode(tokens[:count], skip_special_tokens=True)
            return shield.check_body(str(text).strip(), prompt.context)

        return verdict_of


def prompts_of(
    prompts: Sequence[Prompt], rows: int, iteration: int, seed: int
) -> tuple[Prompt, ...]:
    """An iteration's prompts: every prompt once, in an order of its own, before any comes again.

    A function of the iteration, so a resumed run needs no position.

    Args:
        prompts: all.
        rows: how many are asked for.
        iteration: counted from 0.
        seed: of the orders.
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
def recompute(policy: Policy, sequences: Sequences, rows: int) -> tuple[TokenFigures, Tensor]:
    """What the policy and the reference say of sequences, by the path that training takes.

    The sampler's own log-probabilities differ a little (merged weights, other kernels). Taken as
    the old ones, they would put that difference into the ratio.

    Args:
        policy: unwrapped.
        sequences: all.
        rows: at a time.

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
