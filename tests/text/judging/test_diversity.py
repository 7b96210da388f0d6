import pytest
from hypothesis import given
from hypothesis import strategies as st

from churnsaver_assets.text.judging.diversity import common_clauses, diversity


def test_figures_by_hand() -> None:
    found = diversity(["We like you. We like you.", "We like tea!"], [8, 4])

    # Words: we like you we like you / we like tea
    assert found.distinct_1 == pytest.approx(4 / 9)
    assert found.distinct_2 == pytest.approx(4 / 7)  # we-like, like-you, you-we, like-tea
    assert found.distinct_3 == pytest.approx(4 / 5)
    # Triples of the first: welikeyou likeyouwe youwelike welikeyou: one of four again
    assert found.self_repetition == pytest.approx((1 / 4 + 0) / 2)
    assert found.repeated_share == 0
    assert found.mean_tokens == 6
    assert (found.common_opening, found.common_opening_share) == ("we like tea", 0.5)


def test_repeats_and_openings_are_counted_without_case_and_punctuation() -> None:
    found = diversity(["Please stay with us!", "please stay, with us", "Stay."], [5, 5, 2])

    assert found.repeated_share == pytest.approx(1 / 3)
    assert found.common_opening == "please stay with"
    assert found.common_opening_share == pytest.approx(2 / 3)


def test_empty_bodies_have_figures_too() -> None:
    found = diversity(["", ""], [1, 1])

    assert (found.distinct_1, found.distinct_3, found.self_repetition) == (0, 0, 0)
    assert found.repeated_share == 0.5


@pytest.mark.parametrize(("texts", "tokens"), [([], []), (["a"], [1, 2])])
def test_nothing_to_count_is_refused(texts: list[str], tokens: list[int]) -> None:
    with pytest.raises(ValueError, match="expected texts"):
        diversity(texts, tokens)


TEXTS = st.lists(st.text("ab '.A", max_size=30), min_size=1, max_size=8)


@given(TEXTS, st.randoms(use_true_random=False))
def test_order_doesnt_matter_and_shares_are_shares(texts: list[str], random: object) -> None:
    shuffled = sorted(texts, key=lambda _: random.random())  # type: ignore[attr-defined]
    found = diversity(texts, [1] * len(texts))
    again = diversity(shuffled, [1] * len(texts))

    assert found.self_repetition == pytest.approx(again.self_repetition)
    assert (found.distinct_2, found.repeated_share, found.common_opening) == (
        again.distinct_2,
        again.repeated_share,
        again.common_opening,
    )
    for share in (found.distinct_1, found.repeated_share, found.self_repetition):
        assert 0 <= share <= 1


@given(TEXTS)
def test_saying_all_twice_halves_distinct_words(texts: list[str]) -> None:
    once, twice = (diversity(texts * times, [1] * len(texts) * times) for times in (1, 2))

    assert twice.distinct_1 == pytest.approx(once.distinct_1 / 2)
    assert twice.repeated_share >= 0.5


def test_clauses_are_counted_once_a_text_without_case_and_with_numbers_alike() -> None:
    texts = [
        "You have 5% off. You have 5% off, and we care!",
        "you have 12.5% off; stay.",
        "We care, and we care",
    ]

    assert common_clauses(texts, 2) == [("and we care", 2 / 3), ("you have #% off", 2 / 3)]
    assert common_clauses(texts, 9)[2:] == [("stay", 1 / 3), ("we care", 1 / 3)]
    assert common_clauses(["", ""], 3) == []
