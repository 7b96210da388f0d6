"""Bootstrap intervals: what is drawn, what they cover, and what has none."""

import numpy as np
import pytest

from churnsaver_assets.common import bootstrap
from churnsaver_assets.common.bootstrap import (
    mean_by_prompt,
    ratio_by_prompt,
    resampled,
    row_counts,
    upper_bound_of_rate,
)
from churnsaver_serving.runtime.arrays import Floats, Ints

BOOTSTRAP = {"resamples": 200, "seed": 42}


def test_draws_do_not_depend_on_how_many_are_held_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    def first_row(drawn: Ints) -> Floats:
        return drawn[:, 0].astype(np.float64)

    whole = resampled(first_row, 7, **BOOTSTRAP)
    monkeypatch.setattr(bootstrap, "_DRAWN_AT_ONCE", 21)
    np.testing.assert_array_equal(resampled(first_row, 7, **BOOTSTRAP), whole)
    assert set(whole) == set(range(7))


def test_counts_say_how_often_each_row_was_drawn() -> None:
    drawn = np.array([[0, 0, 2], [1, 1, 1]])
    assert row_counts(drawn).tolist() == [[2.0, 0.0, 1.0], [0.0, 3.0, 0.0]]


def test_intervals_cover_the_truth_about_as_often_as_they_say() -> None:
    rng, covered, trials = np.random.default_rng(42), 0, 300
    for trial in range(trials):
        found = mean_by_prompt(rng.random(150) < 0.6, resamples=400, seed=trial)
        covered += found.low <= 0.6 <= found.high

    assert 0.90 <= covered / trials <= 0.985


def test_intervals_narrow_with_prompts_and_repeat_with_the_seed() -> None:
    points = np.random.default_rng(42).choice([0.0, 1.0], 600)
    few, many = mean_by_prompt(points[:100], **BOOTSTRAP), mean_by_prompt(points, **BOOTSTRAP)

    assert many.high - many.low < 0.6 * (few.high - few.low)
    assert mean_by_prompt(points, **BOOTSTRAP) == many
    assert mean_by_prompt(points, resamples=200, seed=7) != many


def test_a_ratio_is_sum_over_sum_and_not_a_mean_of_ratios() -> None:
    found = ratio_by_prompt([1.0, 9.0], [1.0, 3.0], **BOOTSTRAP)

    assert found.mean == 2.5
    assert (found.low, found.high) == (1.0, 3.0)


@pytest.mark.parametrize(
    ("above", "below", "says"),
    [
        ([1.0], [1.0], "at least 2 prompts"),
        ([1.0, 2.0], [1.0], "one value of each"),
        ([1.0, np.nan], [1.0, 1.0], "finite"),
        ([1.0, 2.0], [1.0, 0.0], "above 0"),
    ],
)
def test_what_has_no_interval_is_refused(above: list[float], below: list[float], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        ratio_by_prompt(above, below, **BOOTSTRAP)


@pytest.mark.parametrize(("events", "trials"), [(0, 1), (1, 50), (17, 2000), (49, 50), (500, 1000)])
def test_bound_of_a_rate_is_clopper_and_pearsons(events: int, trials: int) -> None:
    from scipy.stats import beta

    expected = beta.ppf(0.95, events + 1, trials - events)
    assert upper_bound_of_rate(events, trials) == pytest.approx(expected, abs=1e-9)


def test_bound_of_a_rate_at_its_ends() -> None:
    assert upper_bound_of_rate(0, 300) == pytest.approx(1 - 0.05 ** (1 / 300))
    assert upper_bound_of_rate(0, 300) < 0.01 < upper_bound_of_rate(0, 298)
    assert upper_bound_of_rate(3, 3) == upper_bound_of_rate(0, 0) == 1.0
    with pytest.raises(ValueError, match="4 of 3"):
        upper_bound_of_rate(4, 3)
