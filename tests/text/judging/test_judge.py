import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from churnsaver_assets.common.bootstrap import mean_by_prompt
from churnsaver_assets.text.judging.judge import (
    Judged,
    compare,
    gold_comparison,
    head_to_head,
    reward_points,
    rule_points,
    score_per_token,
    sent_points,
)
from churnsaver_assets.text.records import Completion
from churnsaver_serving.runtime.verdict import Breach, Verdict

BOOTSTRAP = {"resamples": 200, "seed": 42}
FEW = {"resamples": 20, "seed": 42}


def message(
    *, passes: bool = True, reward: float = 0.0, gold: float = 0.0, text: str = "Please stay."
) -> Judged:
    broken = () if passes else (Breach("digits", "10"),)
    return Judged(Completion(text, len(text.split()), finished=True), Verdict(broken), reward, gold)


def count_words(text: str) -> int:
    return len(text.split())


# Passes, reward of ours; the same of theirs; points by what is sent, rules, reward model.
CASES = [
    (True, 0.0, False, 9.0, 1.0, 1.0, 0.0),  # passing beats a higher score
    (False, 9.0, True, 0.0, 0.0, 0.0, 1.0),
    (True, 2.0, True, 1.0, 1.0, 0.5, 1.0),  # both pass: the score decides
    (False, 1.0, False, 2.0, 0.0, 0.5, 0.0),  # both fail: likewise
    (True, 1.0, True, 1.0, 0.5, 0.5, 0.5),
]


def test_points_of_each_definition_by_hand() -> None:
    ours = [message(passes=case[0], reward=case[1]) for case in CASES]
    theirs = [message(passes=case[2], reward=case[3]) for case in CASES]

    assert sent_points(ours, theirs).tolist() == [case[4] for case in CASES]
    assert rule_points(ours, theirs).tolist() == [case[5] for case in CASES]
    assert reward_points(ours, theirs).tolist() == [case[6] for case in CASES]


def test_a_comparison_counts_ties_as_half() -> None:
    found = compare(np.array([1.0, 1.0, 0.5, 0.0]), **BOOTSTRAP)

    assert (found.prompts, found.wins, found.ties, found.losses) == (4, 2, 1, 1)
    assert found.win_rate.mean == 0.625
    assert found.win_minus_loss.mean == 0.25
    assert found.win_rate.low <= found.win_rate.mean <= found.win_rate.high


def test_win_minus_loss_is_bootstrapped_with_the_same_prompts() -> None:
    points = np.random.default_rng(42).choice([0.0, 0.5, 1.0], 60)

    found = compare(points, **BOOTSTRAP)
    directly = mean_by_prompt((points == 1.0).astype(float) - (points == 0.0), **BOOTSTRAP)

    assert found.win_minus_loss.low == pytest.approx(directly.low)
    assert found.win_minus_loss.high == pytest.approx(directly.high)


MESSAGES = st.builds(
    message,
    passes=st.booleans(),
    reward=st.sampled_from([-1.0, 0.0, 0.5]),
    gold=st.floats(-3, 3),
    text=st.sampled_from(["Stay.", "Please stay with us.", "We would love you to stay here."]),
)


@given(st.lists(st.tuples(MESSAGES, MESSAGES), min_size=2, max_size=12))
def test_swapping_the_policies_turns_every_win_rate_round(
    pairs: list[tuple[Judged, Judged]],
) -> None:
    ours, theirs = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
    there = head_to_head(count_words, ours, theirs, **FEW)
    back = head_to_head(count_words, theirs, ours, **FEW)

    for one, other in (
        (there.sent, back.sent),
        (there.rules, back.rules),
        (there.reward_model, back.reward_model),
        (there.gold.length_controlled, back.gold.length_controlled),
        (there.gold.as_scored, back.gold.as_scored),
    ):
        assert one.win_rate.mean == pytest.approx(1 - other.win_rate.mean)
        assert (one.wins, one.ties, one.losses) == (other.losses, other.ties, other.wins)
        assert one.win_minus_loss.mean == pytest.approx(2 * one.win_rate.mean - 1)
    assert there.strict_pass_difference.mean == pytest.approx(-back.strict_pass_difference.mean)


@given(st.lists(MESSAGES, min_size=2, max_size=12))
def test_a_policy_ties_with_itself(messages: list[Judged]) -> None:
    found = head_to_head(count_words, messages, messages, **FEW)

    for one in (found.sent, found.rules, found.reward_model, found.gold.length_controlled):
        assert one.ties == len(messages)
        assert (one.win_rate.low, one.win_rate.mean, one.win_rate.high) == (0.5, 0.5, 0.5)
    assert found.strict_pass_difference.mean == 0


def test_policies_with_different_prompts_are_refused() -> None:
    with pytest.raises(ValueError, match="2 and 1 messages"):
        head_to_head(count_words, [message()] * 2, [message()], **BOOTSTRAP)


def of_length(words: int) -> str:
    return " ".join(["stay"] * words)


def test_a_judge_that_only_prefers_length_is_neutralised() -> None:
    rng = np.random.default_rng(42)

    def policy(mean: int) -> list[Judged]:
        words = rng.integers(mean - 5, mean + 6, 200).tolist()
        return [message(text=of_length(one), gold=float(np.float32(0.3 * one))) for one in words]

    found = gold_comparison(count_words, policy(40), policy(25), **BOOTSTRAP)

    assert found.as_scored.win_rate.mean > 0.95
    assert found.length_controlled.win_rate.mean == 0.5
    assert found.length_controlled.ties == 200
    assert found.length_slope == pytest.approx(0.3, rel=1e-5)


def test_quality_survives_the_length_control() -> None:
    rng = np.random.default_rng(42)

    def policy(quality: float) -> list[Judged]:
        words = rng.integers(20, 41, 200).tolist()
        return [message(text=of_length(one), gold=quality + 0.1 * one) for one in words]

    found = gold_comparison(count_words, policy(1.0), policy(0.0), **BOOTSTRAP)

    assert found.length_controlled.win_rate.low > 0.9
    assert found.length_controlled.win_rate.mean > found.as_scored.win_rate.mean


def test_the_slope_of_equal_lengths_is_zero() -> None:
    assert score_per_token(np.array([1.0, 2.0, 3.0]), [7, 7, 7]) == 0.0
    assert score_per_token(np.array([1.0, 3.0, 5.0]), [1, 2, 3]) == pytest.approx(2.0)
