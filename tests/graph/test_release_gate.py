"""No release of what doesn't fit together, whichever part of the graph is materialised alone."""

import dagster as dg
import numpy as np
import pytest

from churnsaver_assets.defs.lib.gate import GateClosed
from churnsaver_serving.runtime.scoring.calibration import Platt
from churnsaver_serving.runtime.scoring.scores import CALIBRATOR_FILE, ScoringModel
from tests.support.graph.harness import Graph
from tests.support.graph.policies import doing_nothing


def refused(graph: Graph, message: str) -> None:
    before = graph.release().id
    with pytest.raises(GateClosed, match=message):
        graph.run("release")
    assert graph.release().id == before


def test_a_model_that_was_not_evaluated(graph: Graph) -> None:
    graph.change_source("telco", lambda content: content.replace(b"Two year", b"One year", 400))
    graph.run("telco_customers", "telco_splits")
    graph.run("churn_risk_model", "churn_risk_predictions")
    refused(graph, "churn_risk_evaluation was made from another churn_risk_model than the latest")


def test_a_gate_that_was_raised_after_the_check(graph: Graph) -> None:
    graph.edit_experiment(gates__sample__churn_risk={"min_auc": 0.999, "max_ece": 0.05})
    graph.run("experiment")
    refused(graph, "churn_risk_gates was made from another experiment than the latest")
    graph.run("churn_risk_gates")
    refused(graph, "churn_risk_evaluation was made from another churn_risk_gates than the latest")
    with pytest.raises(dg.DagsterError, match="churn_risk_evaluation: auc"):
        graph.run("churn_risk_evaluation")
    refused(graph, "no release")


def test_models_of_other_data_than_the_catalog_names(graph: Graph) -> None:
    graph.change_source("bank", lambda content: content.replace(b"mon", b"tue", 10))
    graph.run("data_catalog")
    refused(graph, "bank_contacts was made from another bank_source than the latest")


def test_a_stored_model_that_was_changed_by_hand(graph: Graph) -> None:
    files = graph.load("churn_risk_model")
    model = ScoringModel.from_files(files)
    model.calibrator = Platt(slope=1.0, intercept=3.0)
    graph.overwrite(
        "churn_risk_model", files | {CALIBRATOR_FILE: model.to_files()[CALIBRATOR_FILE]}
    )
    refused(graph, "the stored value of churn_risk_model is not the one that was recorded")


def test_a_stored_policy_that_was_changed_by_hand(graph: Graph) -> None:
    graph.overwrite("ppo_policy", doing_nothing(graph.load("ppo_policy")))
    refused(graph, "the stored value of ppo_policy is not the one that was recorded")


def test_a_policy_of_another_environment(graph: Graph) -> None:
    predictions = graph.load("churn_risk_predictions")
    halved = predictions.assign(probability=predictions["probability"] / 2)
    graph.overwrite("churn_risk_predictions", halved)
    graph.run("retention_environment")
    refused(graph, "ppo_policy was made from another retention_environment than the latest")


def test_code_that_changed_since(graph: Graph, monkeypatch: pytest.MonkeyPatch) -> None:
    from churnsaver_assets.defs.lib import gate

    lineage_of = gate.lineage_of

    def of_tomorrow(*arguments: object) -> gate.Lineage:
        today = lineage_of(*arguments)  # type: ignore[arg-type]
        changed = {dg.AssetKey("bank_splits"): "another"}
        return gate.Lineage(today.parents, {**today.code_versions, **changed})

    monkeypatch.setattr(gate, "lineage_of", of_tomorrow)
    refused(graph, "bank_splits was made by other code than today's")


def test_what_fits_together_is_released(graph: Graph) -> None:
    before = graph.release()
    graph.run("release")
    after = graph.release()
    assert after.manifest.files == before.manifest.files
    assert np.isclose(after.manifest.metrics["churn_risk"]["auc"], 0.84, atol=0.03)
