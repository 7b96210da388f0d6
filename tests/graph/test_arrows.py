"""Every arrow carries the real artefact: change what is upstream, see what is downstream change.

Here from the sources to the models and what is served of them; on to the policy in
test_policy_arrows.py, and from the policy to the API in test_served_policy.py.
"""

import hashlib

import dagster as dg
import numpy as np
import pytest

from churnsaver_assets.commands.demo import TARGETS
from churnsaver_assets.commands.graph import GraphFailed, upstream_of
from churnsaver_assets.data.errors import SourceCorrupt
from churnsaver_assets.defs.evaluation import read_policy_evaluation
from churnsaver_assets.defs.lib.gate import GateClosed
from churnsaver_assets.defs.lib.unsynced import unsynced
from churnsaver_assets.defs.release import MESSAGE_BANK, UPSTREAM
from churnsaver_assets.defs.settings.assets import STAGES
from churnsaver_assets.defs.tabular import EVALUATION_FILE, headline
from tests.support.graph.edits import edit_column, permuted
from tests.support.graph.harness import Changed, Graph
from tests.support.graph.served import Answers, Ask, decisions, p_accept, p_churn

BANK = "bank/files/bank.csv"


def test_permuted_churn_labels_close_the_gate(graph: Graph) -> None:
    before = graph.release().id
    graph.change_source("telco", edit_column("Churn", permuted(0.5)))
    with pytest.raises(GraphFailed, match="churn_risk_evaluation:auc"):
        graph.bring_up_to_date(text=False)
    assert graph.release().id == before
    # Neither can the release be had by asking for it alone.
    with pytest.raises(GateClosed, match="no release"):
        graph.run("release")
    assert graph.release().id == before


def test_another_risk_model_changes_p_churn_and_the_served_decisions(
    another_risk: Changed, served: Answers, ask: Ask
) -> None:
    after = ask(another_risk.graph)
    assert np.std(p_churn(served)) > 1.1 * np.std(p_churn(after))  # less to learn
    assert decisions(served) != decisions(after)
    assert served[0]["release"]["churn_risk"] != after[0]["release"]["churn_risk"]
    assert served[0]["release"]["offer_acceptance"] == after[0]["release"]["offer_acceptance"]


def test_another_acceptance_model_changes_p_accept_and_the_served_decisions(
    another_acceptance: Changed, served: Answers, ask: Ask
) -> None:
    graph = another_acceptance.graph
    after = ask(graph)
    assert p_churn(served) == p_churn(after)
    assert np.mean(p_accept(served, 0)) < 0.3
    assert np.mean(p_accept(after, 0)) > 0.7
    assert decisions(served) != decisions(after)
    # The catalog and the manifest name the file that it was made of, and nothing else was run.
    datasets = {dataset.name: dataset for dataset in graph.release().manifest.datasets}
    changed = hashlib.sha256(graph.load("bank_source")[BANK]).hexdigest()
    assert datasets["bank"].sha256 == changed
    assert "churn_risk_model" in another_acceptance.done.reused
    with graph.instance() as instance:
        late = unsynced(graph.defs, instance)
    assert late & upstream_of(graph.defs, TARGETS) == set()
    # The text models were not asked for; that the policy offers otherwise is seen there, too.
    assert dg.AssetKey("retention_prompts") in late


def test_the_declared_offer_response_changes_p_accept_of_offers_only(
    other_assumptions: Changed, served: Answers, ask: Ask
) -> None:
    after = ask(other_assumptions.graph)
    # Another offer may go with another delay, so customers are compared where it is the same.
    same = [
        index
        for index, (old, new) in enumerate(zip(decisions(served), decisions(after), strict=True))
        if old[2] == new[2]
    ]
    old, new = ([one[index] for index in same] for one in (served, after))
    assert len(same) > 50
    assert p_accept(old, 0) == pytest.approx(p_accept(new, 0))
    assert all(np.array(p_accept(new, 20)) < np.array(p_accept(old, 20)))
    assert decisions(served) != decisions(after)


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
    content = bytearray(source[BANK])
    content[-2] ^= 1
    graph.overwrite("bank_source", source | {BANK: bytes(content)})
    with pytest.raises(SourceCorrupt, match="bank: the stored files were changed: expected"):
        graph.run("bank_contacts")


def test_a_release_names_what_it_was_made_of(graph: Graph) -> None:
    manifest = graph.release().manifest
    assert manifest.data == "sample"
    assert manifest.experiment.sha256 == hashlib.sha256(graph.experiment.read_bytes()).hexdigest()
    assert set(manifest.upstream) == {*UPSTREAM.values(), *MESSAGE_BANK.values()}
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
    }
    assert {(check.asset, check.name) for check in manifest.checks} >= {
        ("retention_environment", "leaves_as_the_risk_model_says"),
        ("upper_bound", "certified_by_linear_programme"),
        ("baseline_policies", "contacts_its_share"),
        ("ppo_policy", "reloaded_policy_decides_alike"),
        ("pacing_rule", "spans_the_budgets"),
        ("policy_evaluation", "no_limit_broken"),
        ("policy_evaluation", "headroom"),
        ("policy_evaluation", "not_behind_today"),
        ("policy_evaluation", "default_is_the_best_over_the_prior"),
    }


def test_a_release_carries_the_figures_of_its_own_policys_evaluation(pristine: Graph) -> None:
    evaluation = read_policy_evaluation(pristine.load("policy_evaluation"))
    release, default = pristine.release(), evaluation.default
    figures = release.manifest.metrics["served_policy"]
    assert release.default == default
    assert figures["customers"] == evaluation.customers
    assert figures["prior_mean_usd"] == evaluation.prior[default].mean
    assert len(evaluation.served) == 2
    for cell in evaluation.served:
        name, own = f"{cell.start_month}_{cell.arrival}", cell.policies[default]
        assert figures[f"{name}_headroom"] == own.headroom.mean
        assert figures[f"{name}_nrr"] == own.nrr.mean
        assert figures[f"{name}_spent"] == cell.spent_share


def test_nothing_is_out_of_date_after_a_run_and_a_change_is_noticed(graph: Graph) -> None:
    with graph.instance() as instance:
        assert unsynced(graph.defs, instance) == set()
    graph.edit_experiment(seed=43)
    graph.run("experiment", *STAGES)
    with graph.instance() as instance:
        pending = {key.to_user_string() for key in unsynced(graph.defs, instance)}
    assert {"telco_splits", "churn_risk_model", "offer_acceptance_model", "ppo_policy"} <= pending
    assert "telco_customers" not in pending
