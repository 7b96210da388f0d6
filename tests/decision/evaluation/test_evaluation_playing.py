"""Cells as they are played: burn-in, common luck, bound, limits, and what serving is made of."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

import numpy as np
import pytest

from churnsaver_assets.decision.evaluation.cells import playing
from churnsaver_assets.decision.evaluation.cells.cell import Outcomes, Play, month_after
from churnsaver_assets.decision.evaluation.cells.playing import play_cell
from churnsaver_assets.decision.evaluation.figures import (
    headroom,
    headroom_difference,
    nothing_retention,
    retention,
)
from churnsaver_assets.decision.evaluation.limits import LimitsWatch
from churnsaver_serving.runtime.limits.standing import NEVER
from tests.support.decision.cohort import packaged_rules
from tests.support.decision.evaluation import GREEDY, small_cell, small_ground

if TYPE_CHECKING:
    from churnsaver_assets.decision.evaluation.cells.played import CellResult

GREEDILY, HASTILY = Play("one_step"), Play("propensity")
# Without exploration: among near-equal offers that, too, would contact somebody.
NOT_AT_ALL = Play("nobody", exploration=0.0)


@pytest.fixture(scope="module")
def result() -> CellResult:
    """Play everybody for a month after the burn-in."""
    return play_cell(small_ground(), small_cell(GREEDILY, HASTILY, NOT_AT_ALL))


def test_who_contacts_nobody_gains_and_spends_nothing(result: CellResult) -> None:
    nobody = result.of(NOT_AT_ALL)
    assert nobody.value == (0.0, 0.0, 0.0)
    assert nobody.spent == (0.0,)
    assert nobody.contacts == 0.0
    assert retention(result, nobody) == nothing_retention(result)
    assert headroom(result, nobody).mean == 0.0


def test_a_rule_that_looks_at_value_gains_more_and_nobody_beats_the_bound(
    result: CellResult,
) -> None:
    greedy, hasty = result.of(GREEDILY), result.of(HASTILY)
    assert headroom_difference(result, greedy, hasty).mean > 5.0
    assert headroom(result, greedy).mean > 0.5
    assert headroom(result, greedy).low < 1.0
    assert retention(result, greedy).mean > nothing_retention(result).mean


def test_the_same_cell_gives_the_same_figures_whoever_else_is_played(result: CellResult) -> None:
    alone = play_cell(small_ground(GREEDY), small_cell(GREEDILY))
    assert alone.of(GREEDILY) == result.of(GREEDILY)
    assert (alone.bound, alone.nothing) == (result.bound, result.nothing)


def test_no_limit_is_broken_and_a_binding_capacity_is_used(result: CellResult) -> None:
    tight = play_cell(small_ground(), small_cell(GREEDILY, daily_contacts=1 / 120))
    assert tight.daily_capacity == 1
    for one in (*result.played, *tight.played):
        broken = one.violations
        assert (broken.overspent_cents, broken.over_capacity) == (0, 0)
        assert (broken.two_discounts, broken.over_cap) == (0, 0)
    free, limited = result.of(GREEDILY), tight.of(GREEDILY)
    assert 0.0 < limited.contacts < free.contacts
    assert tight.known_bound < result.known_bound


def test_late_answers_hold_money_back(result: CellResult) -> None:
    late = small_cell(GREEDILY, outcomes=Outcomes(late_days=13, unreported=0.5))
    slow = play_cell(small_ground(), late).of(GREEDILY)
    assert slow.contacts < result.of(GREEDILY).contacts


def test_a_multiplier_that_is_kept_is_kept() -> None:
    fixed, start = Play("one_step", multiplier=0.7), Play("one_step", fixed_start=True)
    found = play_cell(small_ground(), small_cell(fixed, start, GREEDILY))
    assert found.of(fixed).multiplier_by_day == pytest.approx([0.7] * 31)
    assert np.ptp(found.of(start).multiplier_by_day) < 1e-9
    assert np.ptp(found.of(GREEDILY).multiplier_by_day) > 0.01


def test_parts_of_serving_that_are_taken_away_are_gone() -> None:
    """Exploration off changes what is chosen; requests in order of their value cost less."""
    plays = (GREEDILY, Play("one_step", exploration=0.0), Play("one_step", ranked=True))
    found = play_cell(small_ground(), small_cell(*plays))
    whole, greedy, ranked = (found.of(play) for play in plays)
    assert whole.value != greedy.value
    assert whole.value != ranked.value


def test_another_truth_is_bounded_by_what_is_true_and_played_by_what_is_believed() -> None:
    ground = small_ground(truth=True)
    cell = small_cell(GREEDILY, HASTILY, truth="other_family")
    setting = ground.setting(cell)
    assert setting.believed is not None
    assert ground.truth is not None
    assert (setting.cohort.risk == ground.truth.risk).all()
    assert (setting.believed.risk == ground.cohort.risk).all()
    believed, other = (play_cell(ground, one) for one in (small_cell(GREEDILY), cell))
    assert headroom(other, other.of(GREEDILY)).mean < headroom(believed, believed.of(GREEDILY)).mean
    with pytest.raises(ValueError, match="another family"):
        small_ground().setting(cell)


def test_a_cell_begins_a_month_before_its_first_scored_month() -> None:
    cell = small_cell(start_month=date(2026, 1, 1), scored_months=3)
    assert cell.first_day == date(2025, 12, 1)
    assert cell.burn_in_days == 31
    assert cell.days == 31 + 31 + 28 + 31
    assert month_after(date(2026, 11, 1), 3) == date(2027, 2, 1)


def watched(**changes: object) -> LimitsWatch:
    given: dict[str, object] = {
        "daily_capacity": 2,
        "discount_days": 90,
        "contact_days": np.full((4, 4), NEVER),
        "discount_from": np.full(4, NEVER),
    }
    return LimitsWatch(np.array([0, 0, 0, 1]), packaged_rules(), **(given | changes))  # type: ignore[arg-type]


def contact(watch: LimitsWatch, day: int, *rows: int, accepted: bool, offer: float = 10.0) -> None:
    at = np.array(rows)
    watch.add(day, at, np.full(len(at), accepted), np.full(len(at), offer))


def test_contacts_beyond_a_groups_capacity_are_counted() -> None:
    watch = watched()
    contact(watch, 0, 0, 1, 3, accepted=False)
    assert watch.over_capacity == 0
    contact(watch, 1, 0, 1, 2, 3, accepted=False)
    assert watch.over_capacity == 1


def test_a_second_discount_is_counted_while_the_first_runs_and_not_after() -> None:
    watch = watched(discount_from=np.array([NEVER, -60, NEVER, NEVER]))
    contact(watch, 0, 0, accepted=True)
    contact(watch, 29, 1, accepted=True)
    contact(watch, 30, 0, accepted=False)
    contact(watch, 60, 0, accepted=True, offer=0.0)
    assert watch.two_discounts == 1
    contact(watch, 89, 0, accepted=True)
    assert watch.two_discounts == 2
    contact(watch, 89 + 90, 0, accepted=True)
    assert watch.two_discounts == 2


def test_contacts_beyond_the_cap_are_counted_within_the_window() -> None:
    watch = watched()
    for day in (0, 7, 14, 21):
        contact(watch, day, 0, accepted=False)
    assert watch.over_cap == 0
    contact(watch, 29, 0, accepted=False)
    assert watch.over_cap == 1
    contact(watch, 30 + 29, 0, accepted=False)
    assert watch.over_cap == 1


def test_what_luck_costs_is_taken_out_and_the_mean_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a price on the luck of costing less, values spread more around the same mean."""
    ground, cell = small_ground(GREEDY), small_cell(GREEDILY, groups=40)
    priced = np.array(play_cell(ground, cell).of(GREEDILY).value)
    monkeypatch.setattr(playing, "_prices", lambda *_: np.zeros(31))
    plain = np.array(play_cell(ground, cell).of(GREEDILY).value)
    assert priced.std() < 0.8 * plain.std()
    difference = priced - plain
    assert abs(difference.mean()) < 3.0 * difference.std() / 40**0.5
