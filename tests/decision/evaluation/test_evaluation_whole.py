"""The whole evaluation, small: default by rule, the file, the checks, report and pictures."""

from __future__ import annotations

import dataclasses
import json
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
import pytest
from msgspec.structs import replace

from churnsaver_assets.common.estimates import Interval
from churnsaver_assets.decision.evaluation import checks
from churnsaver_assets.decision.evaluation.cells.jobs import Cells, processes
from churnsaver_assets.decision.evaluation.cells.playing import play_cell
from churnsaver_assets.decision.evaluation.contenders import Same
from churnsaver_assets.decision.evaluation.default import choose_default
from churnsaver_assets.decision.evaluation.pictures.served_plots import days_png, months_png
from churnsaver_assets.decision.evaluation.pictures.world_plots import (
    prior_png,
    tornado_png,
    wrong_worlds_png,
)
from churnsaver_assets.decision.evaluation.report import evaluation_markdown, headline
from churnsaver_assets.decision.evaluation.results import PolicyEvaluation, decode, encode
from churnsaver_assets.decision.evaluation.whole import EvaluationInputs, evaluate
from churnsaver_serving.runtime.policies.policy import OneStepPolicy
from tests.support.decision.evaluation import (
    GREEDY,
    HASTY,
    NOBODY,
    small_cell,
    small_grid,
    small_ground,
)

if TYPE_CHECKING:
    from pathlib import Path

# Trained otherwise, as it were: it makes one offer alone.
AGAIN = OneStepPolicy("again", offers_pct=(20,))
SEEDS = {"one_step": ("again",)}


def small_inputs() -> EvaluationInputs:
    grid = dataclasses.replace(small_grid(goals={"prompt": 0.99, "elsewhere": 0.99}), seeds=SEEDS)
    shares = {"0": {"2026-01-02": 0.5}, "1": {"2026-01-02": 0.25}}
    ground = small_ground(GREEDY, HASTY, NOBODY, Same("again", "one_step", AGAIN))
    return EvaluationInputs(ground, grid, "sample", shares)


@pytest.fixture(scope="module")
def evaluation() -> PolicyEvaluation:
    """Run every stage; the goal is out of reach, so that what is missing is split up."""
    return evaluate(small_inputs())


def test_the_policy_of_highest_mean_is_the_default_unless_a_simpler_one_is_as_good() -> None:
    rng = np.random.default_rng(0)
    luck = rng.normal(size=40)
    ahead = rng.normal(0.5, 0.4, 40)
    values = {"plain": luck, "clever": luck + ahead, "odd": luck + 9.0}
    assert choose_default(values, ("plain", "clever")) == "clever"
    assert choose_default(values, ("clever", "plain")) == "clever"
    level = values | {"clever": luck + ahead - 0.5}
    assert choose_default(level, ("plain", "clever")) == "plain"
    assert choose_default(level, ("clever", "plain")) == "clever"
    with pytest.raises(ValueError, match="none of"):
        choose_default(values, ("planner",))


def test_the_file_has_what_is_promised_and_is_read_back(evaluation: PolicyEvaluation) -> None:
    data = encode(evaluation)
    assert decode(data) == evaluation
    read = json.loads(data)
    assert read["simulated"] is True
    assert read["budgets"] == [1.0, 2.5, 6.0]
    assert set(read["prior"]["one_step"]) >= {"mean", "p05"}
    assert read["contact_share"]["0"] == {"2026-01-02": 0.5}
    for cell in read["served"]:
        named = {"start_month", "arrival", "outcomes", "budget_per_customer", "capacity"}
        assert set(cell) >= named | {"spent_share", "default", "policies"}
        for figures in cell["policies"].values():
            assert set(figures["headroom"]) == {"mean", "low", "high"}
    assert read["served"][0]["start_month"] == "2026-01"
    assert set(read["misspecified"]) == {"beta_halved"}


def test_the_default_is_best_over_the_prior_and_compared_with_itself_level(
    evaluation: PolicyEvaluation,
) -> None:
    assert evaluation.default == "one_step"
    assert evaluation.prior["one_step"].mean > evaluation.prior["propensity"].mean
    assert evaluation.prior["one_step"].p05 < evaluation.prior["one_step"].mean
    for cell in evaluation.served:
        assert cell.policies["one_step"].ahead_of_default == Interval(0.0, 0.0, 0.0)
        assert cell.policies["propensity"].ahead_of_default.mean < 0.0
        assert 0.0 < cell.spent_share <= 1.0
        assert cell.bound_gap < 0.01
    assert "again" not in evaluation.roles
    spread = evaluation.training_seeds["one_step"]
    assert spread.seeds == 2
    assert spread.means[0] == evaluation.prior["one_step"].mean
    assert (spread.lowest, spread.highest) == (min(spread.means), max(spread.means))
    assert spread.lowest < spread.highest


def test_months_that_are_worst_are_those_played_further(evaluation: PolicyEvaluation) -> None:
    months = evaluation.by_month()
    assert [cell.start_month for cell in months] == ["2026-01", "2026-01", "2026-07", "2026-07"]
    worst = min(months, key=lambda cell: cell.policies["one_step"].headroom.mean).start_month
    assert {cell.start_month for cell in evaluation.served if cell not in months} == {worst}
    assert len(evaluation.served) == 4 + 2 * 4


def test_what_is_missing_is_split_up(evaluation: PolicyEvaluation) -> None:
    assert 0 < len(evaluation.causes) <= 4
    for one in evaluation.causes:
        parts = sum(gained.mean for gained in one.gained.values())
        assert one.left + parts == pytest.approx(100 * (1 - one.headroom.mean))


def test_cells_come_out_the_same_in_other_processes_and_are_kept(tmp_path: Path) -> None:
    """Played in a process of its own, then cut: what was finished is taken from the folder."""
    ground = small_ground()
    cells = [small_cell(customers=40, arrival=arrival) for arrival in ("daily", "monthly")]
    said: list[str] = []
    with processes(1) as pool:
        there = Cells(ground, pool, folder=tmp_path, mark="one", progress=said.append)
        found = there.play("some cells", cells)
    here = [replace(play_cell(ground, cell), seconds=0.0) for cell in cells]
    assert [replace(one, seconds=0.0) for one in found] == here
    assert [line.partition(",")[0] for line in said] == ["some cells: 1 of 2", "some cells: 2 of 2"]
    (tmp_path / "some_cells" / "chunk-00001.jsonl").unlink()
    said.clear()
    kept = Cells(ground, None, folder=tmp_path, mark="one", progress=said.append)
    again = kept.play("some cells", cells)
    assert again[0] == found[0]
    assert said[0] == "some cells: 1 of 2 from before"
    said.clear()
    other = Cells(ground, None, folder=tmp_path, mark="two", progress=said.append)
    other.play("some cells", cells[:1])
    assert "from before" not in said[0]


def edited(evaluation: PolicyEvaluation, *path: str | int, value: object) -> PolicyEvaluation:
    built = msgspec.to_builtins(evaluation)
    at = built
    for step in path[:-1]:
        at = at[step]
    at[path[-1]] = value
    return msgspec.convert(built, PolicyEvaluation)


@pytest.mark.parametrize(
    ("figure", "value"),
    [
        ("overspent_cents", 1),
        ("two_discounts", 1),
        ("over_capacity", 1),
        ("over_cap", 1),
    ],
)
def test_one_broken_limit_of_one_policy_is_enough(
    evaluation: PolicyEvaluation, figure: str, value: int
) -> None:
    assert checks.broken_limits(evaluation) == []
    path = ("served", 3, "policies", "propensity", "violations", figure)
    (line,) = checks.broken_limits(edited(evaluation, *path, value=value))
    assert line.startswith("propensity, 2026-07, monthly")


def test_a_value_above_the_bound_is_found(evaluation: PolicyEvaluation) -> None:
    assert checks.above_the_bound(evaluation) == []
    above = {"mean": 1.2, "low": 1.1, "high": 1.3}
    path = ("served", 0, "policies", "propensity", "headroom")
    assert len(checks.above_the_bound(edited(evaluation, *path, value=above))) == 1


def test_headroom_is_asked_for_in_each_cell_by_its_conditions(
    evaluation: PolicyEvaluation,
) -> None:
    assert checks.short_of(evaluation, -9.0, -9.0) == []
    cells = len(evaluation.served)
    prompt = [cell for cell in evaluation.served if cell.prompt and cell.capacity is None]
    assert len(checks.short_of(evaluation, 9.0, 0.0)) == len(prompt) < cells
    assert len(checks.short_of(evaluation, 0.0, 9.0)) == cells - len(prompt)


def test_a_default_that_is_behind_or_needlessly_clever_is_found(
    evaluation: PolicyEvaluation,
) -> None:
    order = ("one_step", "propensity")
    assert checks.not_by_the_rule(evaluation, order) == []
    assert checks.behind_today(evaluation) == []
    surely = {"mean": 0.5, "low": 0.2, "high": 0.8}
    clever = edited(evaluation, "default", value="propensity")
    clever = edited(clever, "prior", "propensity", "behind_best", value=surely)
    assert len(checks.not_by_the_rule(clever, order)) == 2
    assert checks.not_by_the_rule(clever, ("one_step",)) == ["propensity is none of ['one_step']"]
    level = {"mean": 0.1, "low": -0.1, "high": 0.3}
    tied = edited(clever, "prior", "one_step", "behind_best", value=level)
    tied = edited(tied, "prior", "propensity", "behind_best", value=level)
    assert checks.not_by_the_rule(tied, order) == ["one_step is simpler and as good"]
    ahead = {"mean": 2.0, "low": 1.0, "high": 3.0}
    path = ("served", 0, "policies", "propensity", "ahead_of_default")
    assert len(checks.behind_today(edited(evaluation, *path, value=ahead))) == 1


def test_the_report_has_every_table_and_says_that_all_is_simulated(
    evaluation: PolicyEvaluation,
) -> None:
    text = evaluation_markdown(evaluation)
    assert "Simulated" in text
    assert "DATA: SAMPLE" in text
    for head in (
        "by starting month",
        "under other conditions",
        "The default policy",
        "Over the prior",
        "don't expect",
        "prior's ends",
        "Where the headroom goes",
        "Share contacted by day",
    ):
        assert f"{head}\n" in text.replace(", points of headroom, paired", "")
    assert "None.\n" not in text
    assert headline(evaluation)[0] == "default, by its mean over the prior: one_step"


@pytest.mark.parametrize("draw", [months_png, days_png, prior_png, tornado_png, wrong_worlds_png])
def test_pictures_are_drawn_and_equal_evaluations_draw_equal_ones(
    evaluation: PolicyEvaluation, draw: Any
) -> None:
    first = draw(evaluation)
    assert first.startswith(b"\x89PNG")
    assert draw(decode(encode(evaluation))) == first
