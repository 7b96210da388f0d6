"""Every arrow carries the real artefact: change what is upstream, see what is downstream change."""

import hashlib
from datetime import date

import dagster as dg
import msgspec
import numpy as np
import pandas as pd
import pytest

from churnsaver_assets.defs.gate import GateClosed
from churnsaver_assets.defs.release import UPSTREAM
from churnsaver_assets.defs.unsynced import unsynced
from churnsaver_assets.packing import profile_of
from churnsaver_serving.runtime.constraints import SharedState
from churnsaver_serving.runtime.customer import ContactHistory, Customer
from churnsaver_serving.runtime.decide import Decision
from churnsaver_serving.runtime.release import Release
from tests.graph.harness import Graph

FRIDAY = date(2026, 11, 20)


def decide(release: Release, customers: pd.DataFrame) -> list[Decision]:
    """What this release decides for the first customers, without exploration."""
    rules = msgspec.structs.replace(release.rules, exploration=0.0)
    batch = [
        Customer(
            customer_id=row["customer_id"],
            profile=profile_of(row),
            channel="cellular",
            history=ContactHistory(),
        )
        for row in customers.head(200).to_dict("records")
    ]
    shared = SharedState(budget_remaining_usd=1e9, capacity_left=(10**6,) * 4)
    return release.engine(rules=rules).decide(batch, shared, FRIDAY, np.full(len(batch), 0.5))


def actions(decisions: list[Decision]) -> list[int]:
    return [decision.action for decision in decisions]


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


def test_permuted_churn_labels_change_p_churn_and_the_served_decisions(graph: Graph) -> None:
    customers = graph.load("telco_customers")
    before = decide(graph.release(), customers)
    permute_churn(graph)
    # Such labels can't pass the gate (see above), so it is opened.
    graph.edit_experiment(gates__sample__churn_risk={"min_auc": 0.0, "max_ece": 1.0})
    graph.run("experiment")
    retrain_risk(graph)
    graph.run("release")
    after = decide(graph.release(), customers)
    p_before = np.array([decision.p_churn for decision in before])
    p_after = np.array([decision.p_churn for decision in after])
    assert p_before.std() > 3 * p_after.std()  # nothing to learn: everyone near the base rate
    assert actions(before) != actions(after)


def test_another_acceptance_model_changes_p_accept_and_the_served_decisions(graph: Graph) -> None:
    customers = graph.load("telco_customers")
    before = decide(graph.release(), customers)
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
    after = decide(graph.release(), customers)
    assert [d.p_churn for d in before] == [d.p_churn for d in after]
    assert all(a.p_accept[0] > 0.5 > b.p_accept[0] for a, b in zip(after, before, strict=True))
    assert actions(before) != actions(after)


def test_the_declared_offer_response_changes_p_accept_of_offers_only(graph: Graph) -> None:
    customers = graph.load("telco_customers")
    before = decide(graph.release(), customers)
    graph.edit_experiment(assumptions__offer_response__value=0.05)
    graph.run("experiment", "release")
    after = decide(graph.release(), customers)
    assert [d.p_accept[0] for d in after] == pytest.approx([d.p_accept[0] for d in before])
    assert all(a.p_accept[20] < b.p_accept[20] for a, b in zip(after, before, strict=True))
    assert actions(before) != actions(after)


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
