import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from churnsaver_assets.text.records import PreferencePair
from churnsaver_assets.text.reward.evaluation import (
    evaluate,
    fit_baselines,
    length_weight,
    paired_length_slope,
)
from churnsaver_assets.text.reward.metrics import by_prompt, correct, pair_auc
from churnsaver_assets.text.reward.pairs import Pairs, check_apart, draw
from churnsaver_assets.text.reward.sequences import Encoded
from tests.support.text.reward import pairs_of_lengths, preferences

Gaps = st.lists(st.integers(-5, 5), min_size=1, max_size=40)


def test_length_only_by_hand() -> None:
    # Longer is better in three of four training pairs: the coefficient is positive.
    train = pairs_of_lengths([9, 8, 7, 2], [5, 4, 3, 6])
    held_out = pairs_of_lengths([9, 3, 4, 8], [2, 5, 4, 7])
    rewards = np.array([1.0, 1.0, -1.0, 0.0])
    baselines = fit_baselines(train, np.array([1.0, -1.0, 1.0, 1.0]))
    assert baselines.length["made"] > 0
    figures = evaluate(held_out, rewards, baselines, seed=42, with_length=True)["made"]
    # Differences 7, -2, 0, 1: two right, one wrong, and the tie is wrong.
    assert figures.length_only_accuracy == 0.5
    # Of 16 comparisons of (7, -2, 0, 1) with (-7, 2, 0, -1): 4 + 1 + 2.5 + 3 won.
    assert figures.length_only_auc == pytest.approx(10.5 / 16)
    assert figures.accuracy.mean == 0.5
    assert figures.ties == 1
    assert figures.over_length.mean == 0.0
    assert figures.pairs == figures.prompts == 4
    assert figures.with_length_accuracy is not None


def test_length_is_of_whole_replies_though_they_are_cut() -> None:
    cut = Pairs(
        (Encoded((1, 5, 5), 1, reply_lost=6),) * 2,
        (Encoded((1, 5, 5), 1, reply_lost=2),) * 2,
        np.zeros(2),
        ("made/0", "made/1"),
        ("made", "made"),
    )
    assert cut.token_differences.tolist() == [4.0, 4.0]
    figures = evaluate(cut, np.ones(2), fit_baselines(cut, np.ones(2)), seed=42)
    assert figures["made"].length_only_accuracy == 1.0


def test_length_counts_against_where_shorter_is_better() -> None:
    assert length_weight(np.array([-4.0, -3.0, 2.0])) < 0
    # exp(-2 x) = 1 / 3 at x = log(3) / 2: three pairs of one kind to one of the other.
    assert length_weight(np.array([2.0, 2.0, 2.0, -2.0])) == pytest.approx(np.log(3) / 2, abs=1e-3)
    assert length_weight(np.zeros(3)) == 0.0


def test_sources_have_their_own_lengths_and_all_has_one() -> None:
    short = pairs_of_lengths([2, 2, 2], [5, 5, 5], "short")
    both = short.take([0, 1, 2])
    long = pairs_of_lengths([9, 9, 9], [1, 1, 1], "long")
    joined = type(both)(
        both.chosen + long.chosen,
        both.rejected + long.rejected,
        np.concatenate([both.margins, long.margins]),
        both.prompts + long.prompts,
        both.sources + long.sources,
    )
    gaps = np.ones(6)
    figures = evaluate(joined, gaps, fit_baselines(joined, gaps), seed=42)
    assert figures["short"].length_only_accuracy == 1.0
    assert figures["long"].length_only_accuracy == 1.0
    assert figures["all"].length_only_accuracy == 0.5
    assert figures["all"].accuracy.mean == 1.0
    assert figures["all"].with_length_accuracy is None


def test_ties_are_wrong_and_a_constant_reward_is_worth_nothing() -> None:
    assert correct(np.zeros(4)).sum() == 0
    assert pair_auc(np.zeros(4)) == 0.5


@given(Gaps)
def test_auc_is_what_random_swaps_come_to(gaps: list[int]) -> None:
    margins = np.array(gaps, dtype=np.float64)
    wins = [(a > -b) + 0.5 * (a == -b) for a in margins for b in margins]
    assert pair_auc(margins) == pytest.approx(np.mean(wins))
    assert pair_auc(margins) == pytest.approx(1 - pair_auc(-margins))


def test_auc_of_normal_margins() -> None:
    """Accuracy 0.65 goes with AUC 0.707: normal margins of mean 0.3853 standard deviations."""
    margins = np.random.default_rng(42).normal(0.3853, 1.0, 40_000)
    assert correct(margins).mean() == pytest.approx(0.65, abs=0.01)
    assert pair_auc(margins) == pytest.approx(0.707, abs=0.01)


def test_interval_is_of_prompts_not_pairs() -> None:
    values = np.repeat([1.0, 0.0, 1.0, 0.0], 25)
    alone = by_prompt(values, [str(at) for at in range(100)], seed=42)
    together = by_prompt(values, np.repeat(list("abcd"), 25).tolist(), seed=42)
    assert alone.mean == together.mean == 0.5
    assert together.high - together.low > 3 * (alone.high - alone.low)
    with pytest.raises(ValueError, match="expected a prompt for each"):
        by_prompt(values, ["a", "b"], seed=42)


@given(st.lists(st.tuples(st.integers(-9, 9), st.integers(-9, 9)), min_size=1, max_size=20))
def test_the_paired_length_slope_leaves_no_length_and_sees_no_label(
    points: list[tuple[int, int]],
) -> None:
    gaps = np.array([gap for gap, _ in points], dtype=np.float64)
    lengths = np.array([length for _, length in points], dtype=np.float64)
    slope = paired_length_slope(gaps, lengths)
    assert (gaps - slope * lengths) @ lengths == pytest.approx(0.0, abs=1e-9)
    signs = np.where(np.arange(len(points)) % 2, 1.0, -1.0)
    assert paired_length_slope(signs * gaps, signs * lengths) == pytest.approx(slope)


def test_pairs_are_drawn_by_seed_and_capped() -> None:
    pairs = preferences(20) + preferences(5, source="other")
    assert draw(pairs, most=10, seed=1) == draw(pairs, most=10, seed=1)
    assert draw(pairs, most=10, seed=1) != draw(pairs, most=10, seed=2)
    each = draw(pairs, most=8, seed=1, of_each_source=True)
    assert sorted(pair.source for pair in each) == ["manners"] * 8 + ["other"] * 8


def test_equal_ids_of_different_sources_are_different_prompts() -> None:
    one = PreferencePair("1", "a", "p", "x", "y")
    check_apart([one], [PreferencePair("1", "b", "p", "x", "y")])
    with pytest.raises(ValueError, match="split the pairs by prompt_id"):
        check_apart([one], [one])
