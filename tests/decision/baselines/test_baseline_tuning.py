"""Tuning: the numbers it finds, the grids it refuses, and what tuned baselines do elsewhere."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from churnsaver_assets.decision.baselines.files import load_baselines, read_table
from churnsaver_assets.decision.baselines.parameters import (
    GreedyValue,
    Propensity,
    Thompson,
    TreeUplift,
)
from churnsaver_assets.decision.baselines.rules import OneStepAgent
from churnsaver_assets.decision.baselines.tuning import ParameterFamily, tune
from churnsaver_assets.decision.play.execution import play
from churnsaver_assets.experiments.baselines_spec import BaselinesSpec
from tests.support.decision.baselines import BUDGETS, CUSTOMERS, NAMES, SPEC, played
from tests.support.decision.cohort import small_setting

if TYPE_CHECKING:
    from churnsaver_assets.decision.simulator.setting import Setting


@pytest.mark.parametrize("budget", BUDGETS)
def test_no_baseline_breaks_a_rule(baseline_files: dict[str, bytes], budget: float) -> None:
    holdout = small_setting(300, seed=2)
    for agent in load_baselines(baseline_files, budget):
        result = played(agent, holdout, budget, groups=3)
        assert result.overspent.sum() == 0
        assert result.cooldown_breaches.sum() == 0
        assert (result.spent_usd <= budget).all()
        limited = play(
            agent,
            holdout,
            [holdout.nominal] * 3,
            budget_per_customer=budget,
            seed=1,
            daily_capacity=7,
        )
        assert limited.over_capacity.sum() == 0
        assert limited.contacts_by_day.max() * 300 == (0 if agent.name == "nothing" else 7)


def test_tuned_baselines_gain_on_customers_they_were_not_tuned_on(
    baseline_files: dict[str, bytes],
) -> None:
    holdout = small_setting(CUSTOMERS, seed=2)
    gains = {
        agent.name: played(agent, holdout, BUDGETS[1], groups=8).gain_usd.mean()
        for agent in load_baselines(baseline_files, BUDGETS[1])
    }
    assert gains["nothing"] == 0.0
    for name in set(NAMES) - {"nothing", "random"}:
        assert gains[name] > 1.4 * gains["random"] > 0.0


def test_tuning_is_no_worse_than_any_number_of_the_grid(
    train: Setting, baseline_files: dict[str, bytes]
) -> None:
    for tuning in read_table(baseline_files).budgets:
        greedy = next(one for one in tuning.baselines if isinstance(one.parameters, GreedyValue))
        for multiplier in SPEC.tuning.multipliers:
            rival = OneStepAgent("greedy_value", multiplier)
            gain = played(rival, train, tuning.budget_per_customer, groups=1).gain_usd[0]
            assert greedy.gain_usd >= gain


def test_a_tighter_budget_asks_more_of_a_dollar(baseline_files: dict[str, bytes]) -> None:
    tight, loose = (
        {type(one.parameters): one.parameters for one in tuning.baselines}
        for tuning in read_table(baseline_files).budgets
    )
    assert tight[GreedyValue].multiplier > loose[GreedyValue].multiplier  # type: ignore[union-attr]
    assert tight[Propensity].threshold > loose[Propensity].threshold  # type: ignore[union-attr]
    for kind in (Thompson, TreeUplift):
        rules = [one[kind].rule for one in (tight, loose)]  # type: ignore[union-attr]
        assert rules[0].multiplier >= rules[1].multiplier


@given(peak=st.floats(0.0, 4.0), refinements=st.integers(0, 6))
def test_refining_closes_in_on_the_best_number(peak: float, refinements: int) -> None:
    def score(parameters: object) -> tuple[float, float]:
        assert isinstance(parameters, GreedyValue)
        return -abs(parameters.multiplier - peak), 0.0

    grid = (0.0, 1.0, 2.0, 4.0)
    tuned = tune([ParameterFamily(GreedyValue, grid)], score, refinements=refinements)
    assert isinstance(tuned.parameters, GreedyValue)
    assert abs(tuned.parameters.multiplier - peak) <= 2.0 ** (1 - refinements)
    assert tuned.candidates <= len(grid) + 2 * refinements


def test_of_equal_gains_the_dearer_number_wins() -> None:
    tuned = tune(
        [ParameterFamily(GreedyValue, (0.0, 1.0, 2.0))], lambda _: (1.0, 1.0), refinements=0
    )
    assert tuned.parameters == GreedyValue(2.0)


@pytest.mark.parametrize(
    ("field", "value"),
    [("multipliers", [1.0, 0.0]), ("risk_quantiles", [0.5, 0.5]), ("contact_rates", [0.5, 2.0])],
)
def test_grids_out_of_order_or_range_are_refused(field: str, value: list[float]) -> None:
    raw = SPEC.model_dump()
    raw["tuning"][field] = value
    with pytest.raises(ValidationError):
        BaselinesSpec.model_validate(raw)
