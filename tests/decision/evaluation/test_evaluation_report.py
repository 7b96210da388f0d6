"""Presentation of an evaluation: pictures, the printed report and the decision map."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import pytest
from rich.console import Console

from churnsaver_assets.decision.evaluation.pictures.decision_map import (
    decision_map,
    decision_map_png,
)
from churnsaver_assets.decision.evaluation.pictures.plots import (
    days_png,
    gains_png,
    headroom_png,
    stress_png,
)
from churnsaver_assets.decision.evaluation.report import print_evaluation
from churnsaver_serving.runtime.policy import GreedyValuePolicy

if TYPE_CHECKING:
    from churnsaver_assets.decision.evaluation.results import PolicyEvaluation
    from churnsaver_assets.decision.simulator.setting import Setting
    from churnsaver_assets.experiments.evaluation_spec import EvaluationSpec


def test_pictures_are_drawn_and_repeat(
    evaluation: PolicyEvaluation, setting: Setting, evaluation_spec: EvaluationSpec
) -> None:
    def draw() -> list[bytes]:
        return [
            headroom_png(evaluation),
            gains_png(evaluation, evaluation_spec.goals, learned="greedy"),
            days_png(evaluation, ["greedy", "propensity"]),
            stress_png(evaluation, 0.5),
            decision_map_png({"greedy": GreedyValuePolicy()}, setting, [0.5]),
        ]

    pictures = draw()
    assert all(picture.startswith(b"\x89PNG") for picture in pictures)
    assert draw() == pictures
    with pytest.raises(ValueError, match="nothing was played"):
        stress_png(evaluation, 0.99)


def test_the_report_prints_every_table(evaluation: PolicyEvaluation) -> None:
    console = Console(record=True, width=190, quiet=False, file=io.StringIO())
    print_evaluation(console, evaluation, learned="greedy")
    text = console.export_text()
    assert "DATA: SAMPLE" in text
    assert "M = 6 months" in text
    for title in ("Budget $", "Stress:", "Misspecified worlds", "Pacing on less off", "Ablations"):
        assert title in text
    assert "No policy is above the bound" in text
    mean = evaluation.budgets[0].policies["greedy"].headroom.mean
    assert f"{100 * mean:.1f} [" in text


def test_the_decision_map_is_the_policys_own(setting: Setting) -> None:
    cheap = decision_map(GreedyValuePolicy(), setting, 0.0, cells=20)
    dear = decision_map(GreedyValuePolicy(), setting, 3.0, cells=20)
    assert cheap.choice.shape == (20, 20)
    assert (cheap.choice > 0).sum() > (dear.choice > 0).sum() > 0
    # More is at stake with more risk and more money: the corner is contacted first.
    assert dear.choice[-1, -5] > 0 == dear.choice[0, 0]
