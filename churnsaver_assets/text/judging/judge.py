"""Two policies compared head to head, prompt by prompt."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import msgspec
import numpy as np
import numpy.typing as npt

from churnsaver_assets.common.bootstrap import mean_by_prompt
from churnsaver_assets.common.estimates import Interval
from churnsaver_assets.text.judging.gold import PointwiseJudge, Score, both_orders, length_slope
from churnsaver_assets.text.records import Completion, Prompt
from churnsaver_serving.runtime.arrays import Floats
from churnsaver_serving.runtime.shield.verdict import Verdict

TIE = 1e-6
_WON, _TIED, _LOST = 1.0, 0.5, 0.0


@dataclass(frozen=True, slots=True)
class Judged:
    """What is known of one policy's message for one prompt.

    Attributes:
        completion: the body.
        verdict: of the strict rules: the shield's, and that the body is finished.
        reward: raw score of the reward model that PPO optimised.
        gold: raw score of the judge.
    """

    completion: Completion
    verdict: Verdict
    reward: float
    gold: float


class Comparison(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How often one policy beats another on the same prompts.

    Attributes:
        prompts: compared.
        wins: of the first policy.
        ties: half a win each.
        losses: of the first policy.
        win_rate: wins and half the ties over prompts, bootstrapped by prompt.
        win_minus_loss: wins less losses over prompts, from the same resamples.
    """

    prompts: int
    wins: int
    ties: int
    losses: int
    win_rate: Interval
    win_minus_loss: Interval


class GoldComparison(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The judge's comparison, and what was done to keep it fair.

    Attributes:
        length_controlled: decides.
        as_scored: without length control, for reference.
        length_slope: score per token that was taken out.
        order_gap: mean |P(a over b) - (1 - P(b over a))|: 0 for a judge that doesn't mind which
            message it reads first.
    """

    length_controlled: Comparison
    as_scored: Comparison
    length_slope: float
    order_gap: float


class HeadToHead(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One policy against another.

    Attributes:
        sent: what would be sent wins, see `sent_points`.
        gold: the judge alone decides, see `gold_comparison`.
        rules: the strict rules alone decide, see `rule_points`.
        reward_model: the reward model alone decides, see `reward_points`.
        strict_pass_difference: of the pass rates on the same prompts, paired.
    """

    sent: Comparison
    gold: GoldComparison
    rules: Comparison
    reward_model: Comparison
    strict_pass_difference: Interval


def judged(
    completions: Sequence[Completion],
    verdicts: Sequence[Verdict],
    rewards: npt.NDArray[np.float64],
    golds: npt.NDArray[np.float64],
) -> list[Judged]:
    """All that is known of one policy's messages, in the prompts' order."""
    rows = zip(completions, verdicts, rewards.tolist(), golds.tolist(), strict=True)
    return [Judged(*row) for row in rows]


def stored(prompts: Sequence[Prompt], *policies: Sequence[Judged]) -> Score:
    """The judge's scores of messages that it has read already; others are a `KeyError`."""
    known = {
        (prompt.text, one.completion.text): one.gold
        for policy in policies
        for prompt, one in zip(prompts, policy, strict=True)
    }
    return lambda texts, replies: [known[pair] for pair in zip(texts, replies, strict=True)]


def sent_points(ours: Sequence[Judged], theirs: Sequence[Judged]) -> Floats:
    """What would be sent wins: 1 won, 0.5 tied, 0 lost; shape (n,).

    A body that passes the strict rules beats one that doesn't. Where both pass or both fail, the
    higher score of the reward model wins; equal scores tie.
    """
    rules = rule_points(ours, theirs)
    return np.where(rules == _TIED, reward_points(ours, theirs), rules)


def rule_points(ours: Sequence[Judged], theirs: Sequence[Judged]) -> Floats:
    """The strict rules alone: passing beats failing, all else ties; shape (n,)."""
    return np.asarray(
        [_order(*_passed(one, other)) for one, other in zip(ours, theirs, strict=True)]
    )


def reward_points(ours: Sequence[Judged], theirs: Sequence[Judged]) -> Floats:
    """The reward model's raw score alone; equal scores tie; shape (n,)."""
    return np.asarray(
        [_order(one.reward, other.reward) for one, other in zip(ours, theirs, strict=True)]
    )


def compare(points: Floats, *, resamples: int, seed: int) -> Comparison:
    """Counts and intervals.

    Args:
        points: 1, 0.5 or 0 of each prompt, shape (n,).
        resamples: of the bootstrap by prompt.
        seed: of the bootstrap.
    """
    rate = mean_by_prompt(points, resamples=resamples, seed=seed)
    return Comparison(
        prompts=len(points),
        wins=int((points == _WON).sum()),
        ties=int((points == _TIED).sum()),
        losses=int((points == _LOST).sum()),
        win_rate=rate,
        # A tie is half a win and half a loss: wins less losses is 2 x win rate - 1 in each resample
        win_minus_loss=Interval(2 * rate.mean - 1, 2 * rate.low - 1, 2 * rate.high - 1),
    )


def gold_comparison(
    score: Score,
    count: Callable[[str], int],
    prompts: Sequence[Prompt],
    ours: Sequence[Judged],
    theirs: Sequence[Judged],
    *,
    resamples: int,
    seed: int,
    tie: float = TIE,
) -> GoldComparison:
    """The gold judge's comparison: its score alone decides.

    The judge was trained on other data with another seed than the reward model that PPO optimised.
    Its score's residual on length decides (`length_slope`), asked in both orders (`both_orders`):
    above a half wins, below loses.

    Args:
        score: of the judge; called anew in both orders.
        count: tokens of a body.
        prompts: n prompts.
        ours: of the first policy, in the prompts' order.
        theirs: of the second.
        resamples: of the bootstrap by prompt.
        seed: of the bootstrap.
        tie: probabilities this near to a half tie; scores are in fp32.
    """
    texts = [prompt.text for prompt in prompts]
    first = [one.completion.text for one in ours]
    second = [one.completion.text for one in theirs]
    slope = length_slope(
        np.asarray([one.gold for one in (*ours, *theirs)]),
        [count(text) for text in (*first, *second)],
    )
    controlled, gap = both_orders(PointwiseJudge(score, count, slope), texts, first, second)
    plain = np.tanh([(one.gold - other.gold) / 2 for one, other in zip(ours, theirs, strict=True)])
    return GoldComparison(
        length_controlled=compare(_decide(controlled, tie), resamples=resamples, seed=seed),
        as_scored=compare(_decide((1 + plain) / 2, tie), resamples=resamples, seed=seed),
        length_slope=slope,
        order_gap=gap,
    )


def head_to_head(
    score: Score,
    count: Callable[[str], int],
    prompts: Sequence[Prompt],
    ours: Sequence[Judged],
    theirs: Sequence[Judged],
    *,
    resamples: int,
    seed: int,
) -> HeadToHead:
    """Every comparison of two policies.

    Args:
        score: of the gold judge.
        count: tokens of a body.
        prompts: n prompts.
        ours: of the first policy, in the prompts' order.
        theirs: of the second.
        resamples: of the bootstrap by prompt.
        seed: of the bootstrap.

    Raises:
        ValueError: not one message of each policy for each prompt.
    """
    if not len(prompts) == len(ours) == len(theirs):
        raise ValueError(
            "expected one message of each policy for each prompt, got "
            f"{len(ours)} and {len(theirs)} for {len(prompts)} prompts"
        )
    differences = np.asarray(
        [a - b for a, b in (_passed(*pair) for pair in zip(ours, theirs, strict=True))]
    )
    return HeadToHead(
        sent=compare(sent_points(ours, theirs), resamples=resamples, seed=seed),
        gold=gold_comparison(score, count, prompts, ours, theirs, resamples=resamples, seed=seed),
        rules=compare(rule_points(ours, theirs), resamples=resamples, seed=seed),
        reward_model=compare(reward_points(ours, theirs), resamples=resamples, seed=seed),
        strict_pass_difference=mean_by_prompt(differences, resamples=resamples, seed=seed),
    )


def _passed(one: Judged, other: Judged) -> tuple[float, float]:
    return float(one.verdict.passed), float(other.verdict.passed)


def _order(one: float, other: float) -> float:
    if one == other:
        return _TIED
    return _WON if one > other else _LOST


def _decide(probability: Floats, tie: float) -> Floats:
    lead = probability - _TIED
    return np.where(np.abs(lead) <= tie, _TIED, np.where(lead > 0, _WON, _LOST))
