"""What `make demo` does with the graph: everything once, nothing twice, a stop with a reason."""

import shutil

import pytest
from rich.console import Console

from churnsaver_assets.commands.graph import GraphFailed, materialise
from churnsaver_assets.defs.lib.unsynced import unsynced
from churnsaver_serving.runtime.policies.policy import PropensityPolicy
from tests.support.graph.edits import edit_column
from tests.support.graph.harness import Changed, Graph

ROOTS = [
    "bank_source",
    "experiment",
    "hillstrom_source",
    "sending_hours",
    "shield_rules",
    "telco_source",
    "text_sources",
    "text_sources_settings",  # which tell what to read
]


def console() -> Console:
    return Console(quiet=True)


def test_a_second_run_reuses_what_is_unchanged(graph: Graph) -> None:
    with graph.instance() as instance:
        done = materialise(graph.defs, instance, console())
    assert sorted(done.ran) == ROOTS
    graph_keys = graph.defs.resolve_asset_graph().materializable_asset_keys
    everything = {key.to_user_string() for key in graph_keys}
    assert sorted(done.reused) == sorted(everything - set(ROOTS))
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
    old, new = (one.policies[one.baseline] for one in (before, after))
    assert isinstance(old, PropensityPolicy)
    assert isinstance(new, PropensityPolicy)
    assert new.threshold < old.threshold
    # The same data, seed and parameters: the models come out the same to the byte.
    assert after.model_hash("churn_risk") == before.model_hash("churn_risk")


def test_a_failed_check_stops_it_with_its_name(graph: Graph) -> None:
    before = graph.release().id
    graph.change_source("telco", edit_column("tenure", lambda months: ["-1", *months[1:]]))
    with pytest.raises(GraphFailed, match="telco_customers:schema"):
        graph.bring_up_to_date(text=False)
    assert graph.release().id == before
    with graph.instance() as instance:
        late = {key.to_user_string() for key in unsynced(graph.defs, instance)}
    assert {"telco_splits", "churn_risk_model"} <= late


def test_what_is_recorded_and_has_no_file_is_rebuilt(graph: Graph) -> None:
    """Records may be of another place than the files, as where the shell has a `DAGSTER_HOME`."""
    before = graph.version("telco_splits")
    (graph.home / "assets" / "telco_splits.parquet").unlink()
    shutil.rmtree(graph.home / "assets" / "shield_report")
    shutil.rmtree(graph.home / "releases" / graph.release().id)
    with graph.instance() as instance:
        done = materialise(graph.defs, instance, console())
    assert sorted(done.ran) == sorted([*ROOTS, "release", "shield_report", "telco_splits"])
    assert graph.version("telco_splits") == before
    assert graph.load("shield_report")
    assert graph.release().id == graph.load("release")["release_id"].decode()
