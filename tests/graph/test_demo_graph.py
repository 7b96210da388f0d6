"""What `make demo` does with the graph: everything once, nothing twice, a stop with a reason."""

import pytest
from graph_harness import Changed, Graph
from rich.console import Console

from churnsaver_assets.demo.graph import GraphFailed, materialise
from churnsaver_serving.runtime.policy import PropensityPolicy

ROOTS = ["bank_source", "experiment", "hillstrom_source", "telco_source"]


def console() -> Console:
    return Console(quiet=True)


def test_a_second_run_reuses_what_is_unchanged(graph: Graph) -> None:
    with graph.instance() as instance:
        done = materialise(graph.defs, instance, console())
    assert sorted(done.ran) == ROOTS
    assert len(done.reused) == 21
    assert "release" in done.reused


def test_only_what_depends_on_a_change_runs_again(
    pristine: Graph, other_assumptions: Changed
) -> None:
    before, after, done = (
        pristine.release(),
        other_assumptions.graph.release(),
        other_assumptions.done,
    )
    assert {"baseline_policies", "ppo_policy", "policy_evaluation", "release"} <= set(done.ran)
    assert "telco_customers" in done.reused
    assert isinstance(before.baseline, PropensityPolicy)
    assert isinstance(after.baseline, PropensityPolicy)
    assert after.baseline.threshold < before.baseline.threshold
    # The same data, seed and parameters: the models come out the same to the byte.
    assert after.model_hash("churn_risk") == before.model_hash("churn_risk")


def test_a_failed_gate_stops_it_with_the_name_of_the_check(graph: Graph) -> None:
    before = graph.release().id
    graph.edit_experiment(gates__sample__churn_risk={"min_auc": 0.999, "max_ece": 0.05})
    with (
        graph.instance() as instance,
        pytest.raises(GraphFailed, match="churn_risk_evaluation:auc"),
    ):
        materialise(graph.defs, instance, console())
    assert graph.release().id == before
