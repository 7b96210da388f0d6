"""Which token of a message earns which part of its reward."""

from collections.abc import Callable, Sequence
from functools import cache
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from churnsaver_assets.text.reward.message_reward import RewardParts, safety_losses
from churnsaver_assets.text.strict import WHOLE_TEXT

if TYPE_CHECKING:
    from churnsaver_serving.runtime.verdict import Verdict


def placed_rewards(
    rewards: RewardParts, steps: Sequence[Sequence[int]], lengths: Tensor, *, safety: float
) -> Tensor:
    """A message's reward over its tokens: what a broken rule costs where it breaks, the rest last.

    Every row sums to its reward, so what is maximised stays the same. But tokens after a break no
    longer carry its blame, which is noise to them: nothing that they could be would mend it.

    Args:
        rewards: of messages.
        steps: of each message, the tokens at which its rules break, from `breaking_steps`.
        lengths: tokens of each message, end token included, shape (rows,).
        safety: weight of that part.

    Returns:
        Shape (rows, longest).
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


def breaking_steps(
    verdict: "Verdict",
    verdict_of: Callable[[int], "Verdict"],
    tokens: int,
) -> list[int]:
    """At which token each broken rule breaks.

    Found by bisection: before it the text keeps the rule, with it it doesn't. A rule that can
    only be broken by a whole text, or by something that is missing, breaks at the last token.

    Args:
        verdict: on the whole text.
        verdict_of: on so many of its first tokens.
        tokens: of the text, end token included.
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
