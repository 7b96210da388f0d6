"""The message reward as TRL calls it, and a clock around its sampling."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from churnsaver_assets.text.records import Completion, Prompt
from churnsaver_assets.text.reward.message_reward import MessageReward

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

RewardFunction = Callable[..., list[float | None]]


@dataclass(slots=True)
class SamplingClock:
    """Tokens sampled, and the wall time that it took.

    Attributes:
        tokens: Number of tokens, end tokens included.
        seconds: Seconds in `generate` alone.
    """

    tokens: int = 0
    seconds: float = 0.0

    def timed(self, generate: Callable[..., Any]) -> Callable[..., Any]:
        """Return the same function, timed."""

        def wrapped(*args: Any, **options: Any) -> Any:  # noqa: ANN401 - as of `generate`
            begun = time.perf_counter()
            try:
                return generate(*args, **options)
            finally:
                self.seconds += time.perf_counter() - begun

        return wrapped


def reward_function(
    reward: MessageReward,
    prompts: Sequence[Prompt],
    tokenizer: "PreTrainedTokenizerBase",
    clock: SamplingClock,
) -> RewardFunction:
    """Return the reward as TRL calls it: lists in, each completion's total reward out.

    Args:
        reward: Reward of messages.
        prompts: All prompts; the data's column `prompt_id` says which one a row is of.
        tokenizer: The model's tokenizer, which knows the end token.
        clock: Clock that the tokens are counted on.
    """
    by_id = {prompt.id: prompt for prompt in prompts}

    def message_reward(
        *,
        completions: Sequence[str],
        completion_ids: Sequence[Sequence[int]],
        prompt_id: Sequence[str],
        log_metric: Callable[[str, float], None],
        **_: object,
    ) -> list[float | None]:
        clock.tokens += sum(len(ids) for ids in completion_ids)
        parts = reward(
            [by_id[one] for one in prompt_id],
            [
                Completion(
                    text=text.strip(), tokens=len(ids), finished=ids[-1] == tokenizer.eos_token_id
                )
                for text, ids in zip(completions, completion_ids, strict=True)
            ],
        )
        log_metric("reward_model", float(parts.reward_model.mean()))
        log_metric("safety", float(parts.safety.mean()))
        log_metric("brevity", float(parts.brevity.mean()))
        passed = [verdict.passed for verdict in parts.verdicts]
        log_metric("strict_pass_rate", sum(passed) / len(passed))
        return [float(one) for one in parts.total]

    return message_reward
