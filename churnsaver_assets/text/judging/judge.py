"""Head-to-head comparison of two policies on the same prompts."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import msgspec
import numpy as np
import numpy.typing as npt

from churnsaver_assets.common.bootstrap import mean_by_prompt
from churnsaver_assets.common.estimates import Interval
from churnsaver_assets.text.records import Completion
from churnsaver_serving.runtime.arrays import Floats
from churnsaver_serving.runtime.verdict import Verdict

TIE = 4e-6
"""Gold scores this near to each other tie: they are computed in fp32."""
_WON, _TIED, _LOST = 1.0, 0.5, 0.0


@dataclass(frozen=True, slots=True)
class Judged:
    """One policy's message for one prompt, with its verdict and scores.

    Attributes:
        completion: The body.
        verdict: The verdict of the strict rules: the shield's, and that the body is finished.
        reward: The raw score of the reward model that PPO optimised.
        gold: The raw score of the gold judge.
    """

    completion: Completion
    verdict: Verdict
    reward: float
    gold: float


class Comparison(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Wins of one policy over another on the same prompts.

    Attributes:
        prompts: Number of prompts compared.
        wins: Prompts that the first policy wins.
        ties: Prompts without a winner; each counts as half a win.
        losses: Prompts that the first policy loses.
        win_rate: Wins and half the ties over prompts, bootstrapped by prompt.
        win_minus_loss: Wins less losses over prompts, from the same resamples.
    """

    prompts: int
    wins: int
    ties: int
    losses: int
    win_rate: Interval
    win_minus_loss: Interval


class GoldComparison(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The gold judge's comparison, with and without length control.

    Attributes:
        length_controlled: The comparison that counts: by scores less what length explains.
        as_scored: The comparison by the scores as they are, for reference.
        length_slope: Score per token that was taken out.
    """

    length_controlled: Comparison
    as_scored: Comparison
    length_slope: float


class HeadToHead(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One policy against another, by each definition of a win.

    Attributes:
        sent: The comparison by what would be sent, see `sent_points`.
        gold: The comparison by the gold judge alone, see `gold_comparison`.
        rules: The comparison by the strict rules alone, see `rule_points`.
        reward_model: The comparison by the reward model alone, see `reward_points`.
        strict_pass_difference: Difference of the pass rates, paired by prompt.
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
    """Put verdicts and scores beside one policy's messages, in the prompts' order."""
    rows = zip(completions, verdicts, rewards.tolist(), golds.tolist(), strict=True)
    return [Judged(*row) for row in rows]


def sent_points(ours: Sequence[Judged], theirs: Sequence[Judged]) -> Floats:
    """Compare what would be sent: 1 won, 0.5 tied, 0 lost; shape (n,).

    A body that passes the strict rules beats one that doesn't. Where both pass or both fail, the
    higher score of the reward model wins; equal scores tie.
    """
    rules = rule_points(ours, theirs)
    return np.where(rules == _TIED, reward_points(ours, theirs), rules)


def rule_points(ours: Sequence[Judged], theirs: Sequence[Judged]) -> Floats:
    """Compare by the strict rules alone: passing beats failing, all else ties; shape (n,)."""
    return _points(_passed(ours) - _passed(theirs))


def reward_points(ours: Sequence[Judged], theirs: Sequence[Judged]) -> Floats:
    """Compare by the reward model's raw score alone; equal scores tie; shape (n,)."""
    scores = [np.asarray([one.reward for one in policy]) for policy in (ours, theirs)]
    return _points(scores[0] - scores[1])


def compare(points: Floats, *, resamples: int, seed: int) -> Comparison:
    """Count wins, ties and losses, with intervals.

    Args:
        points: 1, 0.5 or 0 for each prompt, shape (n,).
        resamples: Number of bootstrap resamples of the prompts.
        seed: Seed for the bootstrap.
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


def score_per_token(scores: Floats, tokens: npt.ArrayLike) -> float:
    """Return the least-squares slope of scores on lengths; 0 where all lengths are equal.

    Fitted over both policies' messages together, so that what a policy wins by writing longer (or
    shorter) is taken out, even where the longer messages are the better ones: a strict control.

    Args:
        scores: Score of each message, shape (n,).
        tokens: Length of each message, shape (n,).
    """
    lengths = np.asarray(tokens, dtype=np.float64)
    centred = lengths - lengths.mean()
    spread = float(centred @ centred)
    return float(centred @ (scores - scores.mean())) / spread if spread > 0 else 0.0


def gold_comparison(
    count: Callable[[str], int],
    ours: Sequence[Judged],
    theirs: Sequence[Judged],
    *,
    resamples: int,
    seed: int,
) -> GoldComparison:
    """Compare by the gold judge's scores alone, with and without length control.

    The judge was trained on other data with another seed than the reward model that PPO optimised.
    It scores each message alone. The higher residual of its score on length wins
    (`score_per_token`); scores within `TIE` of each other tie.

    Args:
        count: Function that counts the tokens of a body.
        ours: Messages of the first policy, one for each prompt.
        theirs: Messages of the second policy, in the same order.
        resamples: Number of bootstrap resamples of the prompts.
        seed: Seed for the bootstrap.
    """
    scores = np.asarray([one.gold for one in (*ours, *theirs)])
    tokens = np.asarray([count(one.completion.text) for one in (*ours, *theirs)])
    slope = score_per_token(scores, tokens)
    residuals = scores - slope * tokens

    def compared(values: Floats) -> Comparison:
        points = _points(values[: len(ours)] - values[len(ours) :], tie=TIE)
        return compare(points, resamples=resamples, seed=seed)

    return GoldComparison(
        length_controlled=compared(residuals), as_scored=compared(scores), length_slope=slope
    )


def head_to_head(
    count: Callable[[str], int],
    ours: Sequence[Judged],
    theirs: Sequence[Judged],
    *,
    resamples: int,
    seed: int,
) -> HeadToHead:
    """Compare two policies by every definition of a win.

    Args:
        count: Function that counts the tokens of a body.
        ours: Messages of the first policy, one for each prompt.
        theirs: Messages of the second policy, in the same order.
        resamples: Number of bootstrap resamples of the prompts.
        seed: Seed for the bootstrap.

    Raises:
        ValueError: The policies have different numbers of messages.
    """
    if len(ours) != len(theirs):
        raise ValueError(
            "expected one message of each policy for each prompt, got "
            f"{len(ours)} and {len(theirs)} messages"
        )
    return HeadToHead(
        sent=compare(sent_points(ours, theirs), resamples=resamples, seed=seed),
        gold=gold_comparison(count, ours, theirs, resamples=resamples, seed=seed),
        rules=compare(rule_points(ours, theirs), resamples=resamples, seed=seed),
        reward_model=compare(reward_points(ours, theirs), resamples=resamples, seed=seed),
        strict_pass_difference=mean_by_prompt(
            _passed(ours) - _passed(theirs), resamples=resamples, seed=seed
        ),
    )


def _passed(policy: Sequence[Judged]) -> Floats:
    return np.asarray([one.verdict.passed for one in policy], dtype=np.float64)


def _points(lead: Floats, *, tie: float = 0.0) -> Floats:
    """Return 1 where the lead is above 0, 0 where below, and 0.5 within `tie` of it."""
    return np.where(np.abs(lead) <= tie, _TIED, np.where(lead > 0, _WON, _LOST))
