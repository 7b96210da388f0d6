"""Specifications: specs that are refused, and what a scenario changes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
import pytest
from pydantic import ValidationError

from churnsaver_assets.decision.evaluation.scenarios import true_world, without
from churnsaver_assets.experiments.evaluation_spec import EvaluationSpec, Scenario
from tests.support.decision.evaluation import SPEC

if TYPE_CHECKING:
    from churnsaver_assets.decision.simulator.setting import Setting


@pytest.mark.parametrize(
    ("scenario", "says"),
    [
        ({"put": {"hazard": 1.5}}, "hazard can't differ"),
        ({"put": {"contact_cost_usd": 1.0}}, "contact_cost_usd can't differ"),
        ({"put": {"disturbance": 1.0}, "scale": {"disturbance": 2.0}}, "in both put and scale"),
        ({}, "nothing differs"),
        ({"budget_scale": 0.0}, "greater than 0"),
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
        ({"replicates": 1}, "greater than or equal to 2"),
        ({"scenarios": [{**SPEC["scenarios"][0], "name": "nominal"}]}, "not nominal"),
        (
            {"ablations": [{"part": "pacing", "scenario": "none", "budget_share": 0.5}]},
            "unknown scenario none",
        ),
        ({"ablations": [SPEC["ablations"][0]] * 2}, "parts must be distinct"),
    ],
)
def test_an_evaluation_that_makes_no_sense_is_refused(changes: dict[str, Any], says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        EvaluationSpec.model_validate({**SPEC, **changes})


def test_scenarios_change_what_they_name_and_nothing_else(setting: Setting) -> None:
    nominal = setting.nominal
    scenario = Scenario(
        name="odd", says="odd", put={"responsiveness": 1.0}, scale={"offer_response": 0.5}
    )
    world = true_world(scenario, nominal)
    assert world == msgspec.structs.replace(
        nominal, responsiveness=1.0, offer_response=nominal.offer_response / 2
    )
    assert true_world(None, nominal) == nominal
    weaker = Scenario(name="weak", says="weak", scale={"save_effect": 1.1})
    assert true_world(weaker, nominal).save_effect == pytest.approx(
        [1.1 * effect for effect in nominal.save_effect]
    )
    wrong = Scenario(name="odd", says="odd", put={"save_effect": 0.5})
    with pytest.raises(msgspec.ValidationError):
        true_world(wrong, nominal)


def test_without_a_model_the_truth_stays_as_it_is(setting: Setting) -> None:
    blind = without("risk_model", setting)
    assert blind.cohort is setting.cohort
    assert blind.believed is not None
    assert np.ptp(blind.believed.p_churn) == 0
    assert without("pacing", setting) is setting
