"""Every arrow carries the real artefact: change what is upstream, see what is downstream change."""

import hashlib
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any

import dagster as dg
import msgspec
import numpy as np
import pytest
from graph_harness import Graph
from graph_served import answers

from churnsaver_assets.defs.gate import GateClosed
from churnsaver_assets.defs.release import UPSTREAM
from churnsaver_assets.defs.unsynced import unsynced

Ask = Callable[[Graph], list[dict[str, Any]]]


def decisions(answered: list[dict[str, Any]]) -> list[tuple[bool, int, int]]:
    return [
        (one["decision"]["contact"], one["decision"]["offer_pct"], one["decision"]["delay_days"])
        for one in answered
    ]


def p_churn(answered: list[dict[str, Any]]) -> list[float]:
    return [one["scores"]["p_churn"] for one in answered]


def p_accept(answered: list[dict[str, Any]], offer: int) -> list[float]:
    return [one["scores"]["p_accept"][str(offer)] for one in answered]


@pytest.fixture
def ask(tmp_path: Path) -> Ask:
    """What the API answers for the first customers with a graph's current release."""
    asked = count()

    def ask(graph: Graph) -> list[dict[str, Any]]:
        customers = graph.load("telco_customers").head(100)
        return answers(graph, customers, tmp_path / f"ledger-{next(asked)}.db")

    return ask


def retrain_risk(graph: Graph) -> None:
    graph.run("churn_risk_model", "churn_risk_predictions", "churn_risk_evaluation")


def permute_churn(graph: Graph) -> None:
    customers = graph.load("telco_customers")
    permuted = customers.assign(churned=np.random.default_rng(42).permutation(customers["churned"]))
    permuted.attrs = customers.attrs
    graph.replace("telco_customers", permuted)


def test_permuted_churn_labels_close_the_gate(graph: Graph) -> None:
    before = graph.release().id
    permute_churn(graph)
    with pytest.raises(dg.DagsterError, match="churn_risk_evaluation: auc"):
        retrain_risk(graph)
    with pytest.raises(GateClosed, match="churn_risk_evaluation:auc failed"):
        graph.run("release")
    assert graph.release().id == before


def test_permuted_churn_labels_change_p_churn_and_the_served_decisions(
    graph: Graph, ask: Ask
) -> None:
    before = ask(graph)
    permute_churn(graph)
    # Such labels can't pass the gate (see above), so it is opened.
    graph.edit_experiment(gates__sample__churn_risk={"min_auc": 0.0, "max_ece": 1.0})
    graph.run("experiment")
    retrain_risk(graph)
    graph.run("release")
    after = ask(graph)
    # Nothing to learn: everyone comes near the base rate.
    assert np.std(p_churn(before)) > 3 * np.std(p_churn(after))
    assert decisions(before) != decisions(after)
    assert before[0]["release"]["churn_risk"] != after[0]["release"]["churn_risk"]
    assert before[0]["release"]["offer_acceptance"] == after[0]["release"]["offer_acceptance"]


def test_another_acceptance_model_changes_p_accept_and_the_served_decisions(
    graph: Graph, ask: Ask
) -> None:
    before = ask(graph)
    contacts = graph.load("bank_contacts")
    swapped = contacts.assign(accepted=~contacts["accepted"])
    swapped.attrs = contacts.attrs
    graph.replace("bank_contacts", swapped)
    graph.run(
        "offer_acceptance_model",
        "offer_acceptance_predictions",
        "offer_acceptance_evaluation",
        "release",
    )
    after = ask(graph)
    assert p_churn(before) == p_churn(after)
    assert max(p_accept(before, 0)) < 0.5 < min(p_accept(after, 0))
    assert decisions(before) != decisions(after)


def test_the_declared_offer_response_changes_p_accept_of_offers_only(
    graph: Graph, ask: Ask
) -> None:
    before = ask(graph)
    graph.edit_experiment(assumptions__offer_response__value=0.05)
    graph.run("experiment", "release")
    after = ask(graph)
    # Another offer may go with another delay, so customers are compared where it is the same.
    same = [
        index
        for index, (old, new) in enumerate(zip(decisions(before), decisions(after), strict=True))
        if old[2] == new[2]
    ]
    old, new = ([one[index] for index in same] for one in (before, after))
    assert len(same) > 50
    assert p_accept(old, 0) == pytest.approx(p_accept(new, 0))
    assert all(np.array(p_accept(new, 20)) < np.array(p_accept(old, 20)))
    assert decisions(before) != decisions(after)


def test_the_risk_model_sets_the_baselines_threshold(graph: Graph) -> None:
    before = graph.release().baseline
    predictions = graph.load("churn_risk_predictions")
    graph.replace(
        "churn_risk_predictions", predictions.assign(probability=predictions["probability"] / 2)
    )
    graph.run("decision_policies", "release")
    assert graph.release().baseline.threshold == pytest.approx(before.threshold / 2)


def test_the_splits_decide_what_is_out_of_fold(graph: Graph) -> None:
    before = graph.load("churn_risk_predictions")
    splits = graph.load("telco_splits")
    turned = splits.assign(fold=np.roll(splits["fold"].to_numpy(), 1))
    turned.attrs = splits.attrs
    graph.replace("telco_splits", turned)
    graph.run("churn_risk_model", "churn_risk_predictions")
    after = graph.load("churn_risk_predictions")
    assert (before["customer_id"] == after["customer_id"]).all()
    assert (before["margin"] != after["margin"]).mean() > 0.9


def test_the_tables_are_made_of_the_source_files(graph: Graph) -> None:
    source = graph.load("telco_source")
    changed = source["data.csv"].replace(b"Month-to-month", b"Two year", 50)
    facts = msgspec.json.decode(source["source.json"])
    facts["sha256"] = hashlib.sha256(changed).hexdigest()
    before = (graph.load("telco_customers")["contract"] == "Two year").sum()
    graph.replace("telco_source", {"data.csv": changed, "source.json": msgspec.json.encode(facts)})
    graph.run("telco_customers", "data_catalog", "release")
    assert (graph.load("telco_customers")["contract"] == "Two year").sum() == before + 50
    datasets = {dataset.name: dataset for dataset in graph.release().manifest.datasets}
    assert datasets["telco"].sha256 == facts["sha256"]


def test_a_stored_source_that_was_changed_by_hand_stops_the_run(graph: Graph) -> None:
    source = graph.load("bank_source")
    content = bytearray(source["data.csv"])
    content[-2] ^= 1
    graph.replace("bank_source", source | {"data.csv": bytes(content)})
    with pytest.raises(ValueError, match="bank: the stored file was changed: expected sha256"):
        graph.run("bank_contacts")


def test_a_release_names_what_it_was_made_of(graph: Graph) -> None:
    manifest = graph.release().manifest
    assert manifest.data == "sample"
    assert manifest.experiment.sha256 == hashlib.sha256(graph.experiment.read_bytes()).hexdigest()
    assert set(manifest.upstream) == set(UPSTREAM.values())
    with graph.instance() as instance:
        for name, upstream in manifest.upstream.items():
            event = instance.get_latest_materialization_event(dg.AssetKey(name))
            assert event is not None
            assert event.run_id == upstream.run_id
    assert {check.asset for check in manifest.checks} >= {
        "telco_customers",
        "churn_risk_model",
        "churn_risk_evaluation",
        "offer_acceptance_evaluation",
        "decision_policies",
    }


def test_nothing_is_out_of_date_after_a_run_and_a_change_is_noticed(graph: Graph) -> None:
    with graph.instance() as instance:
        assert unsynced(graph.defs, instance) == set()
    graph.edit_experiment(seed=43)
    graph.run("experiment")
    with graph.instance() as instance:
        pending = {key.to_user_string() for key in unsynced(graph.defs, instance)}
    assert {"telco_splits", "churn_risk_model", "offer_acceptance_model"} <= pending
    assert "telco_customers" not in pending
