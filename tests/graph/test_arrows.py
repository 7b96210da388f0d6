"""Every arrow carries the real artefact: change what is upstream, see what is downstream change."""

import csv
import hashlib
import io
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
from churnsaver_assets.defs.tabular import EVALUATION_FILE, headline
from churnsaver_assets.defs.unsynced import unsynced
from churnsaver_assets.demo.graph import GraphFailed
from churnsaver_serving.runtime.release import BASELINE_FILE

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


def edit_column(column: str, change: Callable[[list[str]], list[str]]) -> Callable[[bytes], bytes]:
    """An edit of one column of a CSV file."""

    def edit(content: bytes) -> bytes:
        text = content.decode()
        dialect = csv.Sniffer().sniff(text.partition("\n")[0], delimiters=",;")
        header, *rows = list(csv.reader(io.StringIO(text), dialect))
        at = header.index(column)
        for row, value in zip(rows, change([row[at] for row in rows]), strict=True):
            row[at] = value
        out = io.StringIO()
        quoting = csv.QUOTE_NONNUMERIC if text.startswith('"') else csv.QUOTE_MINIMAL
        writer = csv.writer(out, delimiter=dialect.delimiter, quoting=quoting, lineterminator="\n")
        writer.writerows([header, *rows])
        return out.getvalue().encode()

    return edit


def permuted(labels: list[str]) -> list[str]:
    """The labels of half of the rows, dealt anew among these."""
    rng = np.random.default_rng(42)
    chosen = np.flatnonzero(rng.random(len(labels)) < 0.5)
    result = np.array(labels)
    result[chosen] = result[rng.permutation(chosen)]
    return [str(label) for label in result]


def swapped(labels: list[str]) -> list[str]:
    return ["no" if label == "yes" else "yes" for label in labels]


def test_permuted_churn_labels_close_the_gate(graph: Graph) -> None:
    before = graph.release().id
    graph.change_source("telco", edit_column("Churn", permuted))
    with pytest.raises(GraphFailed, match="churn_risk_evaluation:auc"):
        graph.bring_up_to_date()
    assert graph.release().id == before
    # Neither can the release be had by asking for it alone.
    with pytest.raises(GateClosed, match="no release"):
        graph.run("release")
    assert graph.release().id == before


def test_permuted_churn_labels_change_p_churn_and_the_served_decisions(
    graph: Graph, ask: Ask
) -> None:
    before = ask(graph)
    graph.change_source("telco", edit_column("Churn", permuted))
    # Such labels can't pass the gate (see above), so it is opened.
    graph.edit_experiment(gates__sample__churn_risk={"min_auc": 0.0, "max_ece": 1.0})
    graph.bring_up_to_date()
    after = ask(graph)
    assert np.std(p_churn(before)) > 1.1 * np.std(p_churn(after))  # less to learn
    assert decisions(before) != decisions(after)
    assert before[0]["release"]["churn_risk"] != after[0]["release"]["churn_risk"]
    assert before[0]["release"]["offer_acceptance"] == after[0]["release"]["offer_acceptance"]


def test_another_acceptance_model_changes_p_accept_and_the_served_decisions(
    graph: Graph, ask: Ask
) -> None:
    before = ask(graph)
    sha256 = graph.change_source("bank", edit_column("y", swapped))
    done = graph.bring_up_to_date()
    after = ask(graph)
    assert p_churn(before) == p_churn(after)
    assert max(p_accept(before, 0)) < 0.5 < min(p_accept(after, 0))
    assert decisions(before) != decisions(after)
    # The catalog and the manifest name the file that it was made of, and nothing else was run.
    datasets = {dataset.name: dataset for dataset in graph.release().manifest.datasets}
    assert datasets["bank"].sha256 == sha256
    assert "churn_risk_model" in done.reused
    with graph.instance() as instance:
        assert unsynced(graph.defs, instance) == set()


def test_the_declared_offer_response_changes_p_accept_of_offers_only(
    graph: Graph, ask: Ask
) -> None:
    before = ask(graph)
    graph.edit_experiment(assumptions__offer_response__value=0.05)
    graph.bring_up_to_date()
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
    def threshold() -> float:
        policy = msgspec.json.decode(graph.load("decision_policies")[BASELINE_FILE])
        return float(policy["threshold"])

    before = threshold()
    predictions = graph.load("churn_risk_predictions")
    graph.overwrite(
        "churn_risk_predictions", predictions.assign(probability=predictions["probability"] / 2)
    )
    graph.run("decision_policies")
    assert threshold() == pytest.approx(before / 2)


def test_the_splits_decide_what_is_out_of_fold(graph: Graph) -> None:
    before = graph.load("churn_risk_predictions")
    splits = graph.load("telco_splits")
    turned = splits.assign(fold=np.roll(splits["fold"].to_numpy(), 1))
    turned.attrs = splits.attrs
    graph.overwrite("telco_splits", turned)
    graph.run("churn_risk_model", "churn_risk_predictions")
    after = graph.load("churn_risk_predictions")
    assert (before["customer_id"] == after["customer_id"]).all()
    assert (before["margin"] != after["margin"]).mean() > 0.9


def test_the_evaluation_is_of_the_predictions(graph: Graph) -> None:
    before = headline(graph.load("churn_risk_evaluation")[EVALUATION_FILE])
    predictions = graph.load("churn_risk_predictions")
    turned = predictions.assign(probability=1.0 - predictions["probability"])
    turned.attrs = predictions.attrs
    graph.overwrite("churn_risk_predictions", turned)
    with pytest.raises(dg.DagsterError, match="churn_risk_evaluation: auc"):
        graph.run("churn_risk_evaluation")
    after = headline(graph.load("churn_risk_evaluation")[EVALUATION_FILE])
    assert after["auc"] == pytest.approx(1.0 - before["auc"])


def test_the_tables_are_made_of_the_source_files(graph: Graph) -> None:
    before = (graph.load("telco_customers")["contract"] == "Two year").sum()
    graph.change_source(
        "telco", lambda content: content.replace(b"Month-to-month", b"Two year", 50)
    )
    graph.run("telco_customers")
    assert (graph.load("telco_customers")["contract"] == "Two year").sum() == before + 50


def test_a_stored_source_that_was_changed_by_hand_stops_the_run(graph: Graph) -> None:
    source = graph.load("bank_source")
    content = bytearray(source["data.csv"])
    content[-2] ^= 1
    graph.overwrite("bank_source", source | {"data.csv": bytes(content)})
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
