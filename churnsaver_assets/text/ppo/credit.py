"""Credit assignment: which token of a message gets which part of its reward."""

from collections.abc import Callable, Sequence
from functools import cache
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from churnsaver_assets.text.ppo.rollout import Rollout
from churnsaver_assets.text.records import Prompt
from churnsaver_assets.text.reward.message_reward import RewardParts, safety_losses
from churnsaver_assets.text.strict import WHOLE_TEXT

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

    from churnsaver_serving.runtime.shield.shield import Shield
    from churnsaver_serving.runtime.verdict import Verdict


def placed_rewards(
    rewards: RewardParts, steps: Sequence[Sequence[int]], lengths: Tensor, *, safety: float
) -> Tensor:
    """Place a message's reward on its tokens: a broken rule's cost where it breaks, the rest last.

    Every row sums to its reward, so the objective stays the same. But tokens after a break no
    longer get its cost, which no choice of theirs could avoid: to them it would be noise.

    Args:
        rewards: Rewards of the messages.
        steps: Tokens of each message at which its rules break, from `broken_tokens`.
        lengths: Tokens of each message, end token included, shape (rows,).
        safety: Weight of the shield's part of the reward.

    Returns:
        Rewards, shape (rows, longest).
    """
    result = torch.zeros(len(lengths), int(lengths.max()), dtype=torch.float64)
    for row, (total, broken, length) in enumerate(
        zip(rewards.total.tolist(), steps, lengths.tolist(), strict=True)
    ):
        losses = [safety * loss for loss in safety_losses(len(broken))]
        result[row, length - 1] = total + sum(losses)
        for step, loss in zip(sorted(broken), losses, strict=True):
            result[row, step] -= loss
    return result.float().to(lengths.device)


def broken_tokens(
    rollout: Rollout,
    verdicts: Sequence["Verdict"],
    shield: "Shield",
    tokenizer: "PreTrainedTokenizerBase",
) -> list[list[int]]:
    """Find the tokens of each message at which its broken rules break.

    Args:
        rollout: The messages.
        verdicts: Verdicts by the strict rules, one for each message.
        shield: The shield that gave them.
        tokenizer: The model's tokenizer.
    """

    def steps(prompt: Prompt, tokens: list[int], verdict: "Verdict") -> list[int]:
        def verdict_of(count: int) -> "Verdict":
            text = tokenizer.decode(tokens[:count], skip_special_tokens=True)
            return shield.check_body(str(text).strip(), prompt.context)

        return breaking_steps(verdict, verdict_of, len(tokens))

    rows = zip(rollout.prompts, rollout.sequences.completions(), verdicts, strict=True)
    return [steps(prompt, tokens, verdict) for prompt, tokens, verdict in rows]


def breaking_steps(
    verdict: "Verdict",
    verdict_of: Callable[[int], "Verdict"],
    tokens: int,
) -> list[int]:
    """Find the token at which each broken rule breaks.

    Bisection finds the token without which the text keeps the rule and with which it doesn't. A
    rule that only a whole text can break, or something that is missing, breaks at the last token.

    Args:
        verdict: The verdict on the whole text.
        verdict_of: The verdict on so many of its first tokens.
        tokens: Number of tokens of the text, end token included.
    """

    @cache
    def found(count: int) -> frozenset[str]:
        return frozenset(breach.rule for breach in verdict_of(count).breaches if breach.found)

    def first(rule: str) -> int:
        kept, broken = 0, tokens
        while broken - kept > 1:
            middle = (kept + broken) // 2
            kept, broken = (kept, middle) if rule in found(middle) else (middle, broken)
        return broken - 1

    return [
        first(breach.rule) if breach.found and breach.rule not in WHOLE_TEXT else tokens - 1
        for breach in verdict.breaches
    ]
