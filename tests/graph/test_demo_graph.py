"""What `make demo` does with the graph: everything once, nothing twice, a stop with a reason."""

import pytest
from graph_harness import Graph
from rich.console import Console

from churnsaver_assets.demo.graph import GraphFailed, materialise

ROOTS = ["bank_source", "experiment", "hillstrom_source", "telco_source"]


def console() -> Console:
    return Console(quiet=True)


def test_a_second_run_reuses_what_is_unchanged(graph: Graph) -> None:
    with graph.instance() as instance:
        done = materialise(graph.defs, instance, console())
    assert sorted(done.ran) == ROOTS
    assert len(done.reused) == 15
    assert "release" in done.reused


def test_only_what_depends_on_a_change_runs_again(graph: Graph) -> None:
    before = graph.release()
    graph.edit_experiment(baseline_policy__risk_quantile=0.7)
    with graph.instance() as instance:
        done = materialise(graph.defs, instance, console())
    assert "decision_policies" in done.ran
    assert "release" in done.ran
    assert "telco_customers" in done.reused
    assert graph.release().baseline.threshold < before.baseline.threshold
    # The same data, seed and parameters: the models come out the same to the byte.
    assert graph.release().model_hash("churn_risk") == before.model_hash("churn_risk")


def test_a_failed_gate_stops_it_with_the_name_of_the_check(graph: Graph) -> None:
    before = graph.release().id
    graph.edit_experiment(gates__sample__churn_risk={"min_auc": 0.999, "max_ece": 0.05})
    with (
        graph.instance() as instance,
        pytest.raises(GraphFailed, match="churn_risk_evaluation:auc"),
    ):
        materialise(graph.defs, instance, console())
    assert graph.release().id == before
