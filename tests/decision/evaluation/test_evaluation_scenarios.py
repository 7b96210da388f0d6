"""What is played: specs that are refused, true worlds, the prior's draws and ends, the grid."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import Any

import msgspec
import pytest
from pydantic import ValidationError

from churnsaver_assets.decision.evaluation.cells.cell import PROMPT, Outcomes, Play
from churnsaver_assets.decision.evaluation.cells.scenarios import (
    drawn_worlds,
    prior_ends,
    true_world,
)
from churnsaver_assets.experiments.evaluation_spec import Scenario
from churnsaver_serving.runtime.world.assumptions import CONTRACT_TERMS
from tests.support.decision.cohort import nominal_world, packaged_assumptions, packaged_section
from tests.support.decision.evaluation import (
    BUDGETS,
    SIZE,
    packaged_spec,
    small_cell,
    small_grid,
    small_ground,
)


@pytest.mark.parametrize(
    ("scenario", "says"),
    [
        ({"put": {"hazard": 1.5}}, "hazard can't differ"),
        ({"put": {"contact_cost_usd": 1.0}}, "contact_cost_usd can't differ"),
        ({"put": {"disturbance": 1.0}, "scale": {"disturbance": 2.0}}, "in both put and scale"),
        ({}, "nothing differs"),
        ({"put": {"disturbance": 1.0}, "budget": 3}, "Extra inputs"),
    ],
)
def test_a_scenario_that_makes_no_sense_is_refused(scenario: dict[str, Any], says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        Scenario(name="odd", says="odd", **scenario)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"budget_shares": [0.5, 0.2]}, "distinct ascending"),
        ({"capacity": {"budget_share": 0.5, "daily_contacts": 0.01}}, "capacity.budget_share"),
        ({"start_on": "2026-01-02"}, "first day of a month"),
        ({"default_order": ["one_step", "one_step"]}, "default_order: expected distinct"),
        ({"arrivals": ["daily", "hourly"]}, "Input should be 'daily'"),
        (
            {"scenarios": [packaged_section("evaluation")["scenarios"][0] | {"name": "nominal"}]},
            "not nominal",
        ),
    ],
)
def test_an_evaluation_that_makes_no_sense_is_refused(changes: dict[str, Any], says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        packaged_spec(**changes)


def test_scenarios_change_what_they_name_and_nothing_else() -> None:
    nominal = nominal_world()
    scenario = Scenario(
        name="odd", says="odd", put={"responsiveness": 1.0}, scale={"offer_response": 0.5}
    )
    assert true_world(scenario, nominal) == msgspec.structs.replace(
        nominal, responsiveness=1.0, offer_response=nominal.offer_response / 2
    )
    weaker = Scenario(name="weak", says="weak", scale={"save_effect": 1.1})
    assert true_world(weaker, nominal).save_effect == pytest.approx(
        [1.1 * effect for effect in nominal.save_effect]
    )
    wrong = Scenario(name="odd", says="odd", put={"save_effect": 0.5})
    with pytest.raises(msgspec.ValidationError):
        true_world(wrong, nominal)


def test_more_worlds_are_the_same_ones_and_further_ones() -> None:
    assumptions = packaged_assumptions()
    few, many = drawn_worlds(assumptions, 3, 42), drawn_worlds(assumptions, 5, 42)
    assert many[:3] == few
    assert len(set(many)) == 5
    assert drawn_worlds(assumptions, 3, 43) != few


def test_each_prior_that_has_two_ends_is_moved_to_both_and_nothing_else_is() -> None:
    assumptions, nominal = packaged_assumptions(), nominal_world()
    ends = list(prior_ends(assumptions))
    names = {end.assumption for end in ends}
    assert "refusal_days" not in names
    assert len(ends) == 2 * len(names)
    for end in ends:
        restored = {end.assumption: getattr(nominal, end.assumption)}
        assert msgspec.structs.replace(end.world, **restored) == nominal
        assert end.world != nominal or end.value == (getattr(nominal, end.assumption),)
        assert end.believed is (end.assumption in CONTRACT_TERMS)
    saves = [end.value for end in ends if end.assumption == "save_effect"]
    assert saves[0] == tuple(one.low for one in assumptions.save_effect)


def test_the_grid_has_each_month_and_arrival_and_more_in_the_worst_months_alone() -> None:
    grid = small_grid(SIZE.model_copy(update={"start_months": 12}))
    cells = grid.by_month()
    assert {(cell.start_month.month, cell.arrival) for cell in cells} == {
        (month, arrival) for month in range(1, 13) for arrival in ("daily", "monthly")
    }
    assert {cell.budget_usd for cell in cells} == {BUDGETS[1]}
    worst = grid.worst_months([date(2026, 5, 1)])
    assert not set(worst) & set(cells)
    assert {cell.start_month for cell in worst} == {date(2026, 5, 1)}
    daily = [cell for cell in worst if cell.arrival == "daily"]
    assert [cell.budget_usd for cell in daily] == [BUDGETS[0], BUDGETS[2], BUDGETS[1], BUDGETS[1]]
    assert [cell.daily_contacts is None for cell in daily] == [True, True, False, True]
    assert [cell.outcomes for cell in daily] == [*[PROMPT] * 3, Outcomes(5, 0.3333)]


def test_fewer_months_are_spread_over_the_year() -> None:
    grid = small_grid(SIZE.model_copy(update={"start_months": 3}))
    assert grid.months() == [date(2026, 1, 1), date(2026, 5, 1), date(2026, 9, 1)]


def test_another_truth_is_played_in_the_worst_months_under_all_conditions() -> None:
    grid = small_grid()
    both = replace(grid, truths=("model", "other_family"))
    added = set(both.worst_months([date(2026, 1, 1)])) - set(grid.worst_months([date(2026, 1, 1)]))
    assert {cell.truth for cell in added} == {"other_family"}
    assert len(added) == 2 * 5


def test_worlds_of_the_prior_are_groups_of_cells_whose_months_take_turns() -> None:
    size = SIZE.model_copy(update={"worlds": 9, "start_months": 2})
    cells = small_grid(size, worlds_at_once=4).prior()
    assert [len(cell.worlds) for cell in cells] == [4, 4, 4, 4, 1, 1]
    assert [cell.start_month.month for cell in cells] == [1, 1, 7, 7, 1, 1]
    assert [cell.arrival for cell in cells] == ["daily", "monthly"] * 3
    assert not any(cell.bounded for cell in cells)
    assert cells[0].worlds == cells[1].worlds != cells[2].worlds


def test_terms_of_a_contract_are_believed_and_a_longer_discount_is_rested_from() -> None:
    grid = replace(small_grid(), assumptions=packaged_assumptions())
    cells = grid.tornado("one_step", date(2026, 3, 1))
    by_name = dict(zip(prior_ends(grid.assumptions), cells, strict=True))
    ground = small_ground()
    for end, cell in by_name.items():
        setting = ground.setting(cell)
        assert (setting.nominal != ground.nominal) is end.believed
        assert setting.rules.accepted_rest_days >= 30 * setting.nominal.discount_months
    assert any(ground.rules_for(cell) != ground.rules for cell in cells)


def test_a_missing_part_of_serving_is_all_that_differs_in_the_split() -> None:
    grid = small_grid()
    cell = small_cell(Play("one_step"), Play("propensity"))
    split = grid.causes(cell, "one_step", (0.1, 0.2))
    assert {play.contender for play in split.plays} == {"one_step"}
    assert [play.multiplier for play in split.plays[-2:]] == [0.1, 0.2]
    assert msgspec.structs.replace(split, plays=cell.plays, bounded=cell.bounded) == cell
