"""Settings can be changed in the launchpad for one run, by name, and no release is made of that."""

from typing import Any

import dagster as dg
import pytest

from churnsaver_assets.definitions import build_defs
from churnsaver_assets.defs.lib.gate import OVERRIDDEN, GateClosed
from churnsaver_assets.defs.lib.unsynced import unsynced
from churnsaver_assets.defs.settings.assets import STAGES, slice_of
from churnsaver_assets.defs.settings.overrides import config_of, given, overridden
from churnsaver_assets.defs.settings.stage import read_stage
from churnsaver_assets.defs.settings.text import PpoSettings
from churnsaver_assets.experiments.spec import experiment_source, parse_experiment
from tests.support.graph.harness import QUIET, Graph

EXPERIMENT = parse_experiment(experiment_source())
# A stage, what is given in its config, and where the value then stands.
GIVEN: list[tuple[str, dict[str, Any], str, Any]] = [
    ("reward_model_settings", {"reward_model": {"kind": "probe"}}, "reward_model.kind", "probe"),
    ("bank_settings", {"bank": {"tones": ["plain"]}}, "bank.tones", ("plain",)),
    ("simulator_settings", {"rules": {"cooldown_days": 9}}, "rules.cooldown_days", 9),
    ("simulator_settings", {"start_on": "2026-07-01"}, "start_on.month", 7),
    ("policy_settings", {"assumptions": {"disturbance": {"value": 0.2}}},
     "assumptions.disturbance.value", 0.2),
    ("churn_risk_settings", {"model": {"params": {"eta": 1}}}, "model.params.eta", 1.0),
]  # fmt: skip


def run_with(graph: Graph, stage: str, config: dict[str, Any]) -> dg.ExecuteInProcessResult:
    """Materialise a stage's settings as the launchpad would, with this config."""
    with graph.instance() as instance:
        return graph.defs.resolve_implicit_global_asset_job_def().execute_in_process(
            run_config=QUIET | {"ops": {stage: {"config": config}}},
            instance=instance,
            asset_selection=[dg.AssetKey(stage)],
        )


@pytest.mark.parametrize("name", sorted(STAGES))
def test_every_setting_can_be_given_and_none_needs_to_be(name: str) -> None:
    config = config_of(STAGES[name])
    assert set(config.model_fields) == set(STAGES[name].model_fields)
    settings = slice_of(EXPERIMENT, STAGES[name])
    assert overridden(settings, given(config())) == settings


def test_what_is_given_is_put_in_place_and_the_rest_is_left() -> None:
    settings = slice_of(EXPERIMENT, PpoSettings)
    config = config_of(PpoSettings)(
        seed=7, ppo={"learning_rate": 1e-5, "kl": {"target": 0.1}}, offers_pct=[0, 10]
    )
    found = overridden(settings, given(config))
    kl = settings.ppo.kl.model_copy(update={"target": 0.1})
    ppo = settings.ppo.model_copy(update={"learning_rate": 1e-5, "kl": kl})
    assert found == settings.model_copy(update={"seed": 7, "ppo": ppo, "offers_pct": (0, 10)})


@pytest.mark.parametrize(("stage", "config", "path", "value"), GIVEN, ids=str)
def test_values_of_every_form_can_be_given(
    graph: Graph, stage: str, config: dict[str, Any], path: str, value: Any
) -> None:
    run_with(graph, stage, config)
    found: Any = read_stage(graph.load(stage), STAGES[stage])
    for name in path.split("."):
        found = getattr(found, name)
    assert found == value


def test_a_run_with_another_setting_carries_it_and_makes_the_stage_stale(graph: Graph) -> None:
    before = graph.release().manifest
    run_with(graph, "bank_settings", {"bank": {"candidates": 9}})
    with graph.instance() as instance:
        event = instance.get_latest_materialization_event(dg.AssetKey("bank_settings"))
        late = unsynced(graph.defs, instance)
    assert event is not None
    assert event.asset_materialization is not None
    assert event.asset_materialization.metadata[OVERRIDDEN].value == {"bank": {"candidates": 9}}
    assert dg.AssetKey("message_bank") in late
    graph.run("message_bank")
    # A release says which file it is of, and this bank is of another one: it has templates alone.
    graph.run("release")
    messages = graph.release().manifest.messages
    assert messages is not None
    assert "bank_settings was changed for one run" in str(messages.reason)
    # The run is over: what is brought up to date is as in the file again.
    done = graph.bring_up_to_date()
    assert {"bank_settings", "message_bank", "release"} <= set(done.ran)
    assert graph.release().manifest.files == before.files


def test_settings_of_what_decides_that_were_changed_for_a_run_close_the_gate(graph: Graph) -> None:
    run_with(graph, "policy_gates", {"sample": {"min_headroom": 0.0}})
    graph.run("policy_evaluation")
    with pytest.raises(GateClosed, match="policy_gates was changed for one run"):
        graph.run("release")


@pytest.mark.parametrize(
    ("config", "error", "message"),
    [
        ({"ppo": {"learning_rat": 1e-5}}, dg.DagsterInvalidConfigError, "learning_rat"),
        ({"learning_rate": 1e-5}, dg.DagsterInvalidConfigError, "learning_rate"),
        ({"ppo": {"iterations": "many"}}, dg.DagsterInvalidConfigError, "iterations"),
        ({"ppo": {"iterations": 0}}, ValueError, "greater than or equal to 1"),
    ],
    ids=str,
)
def test_what_is_no_setting_or_out_of_range_is_refused(
    graph: Graph, config: dict[str, Any], error: type[Exception], message: str
) -> None:
    before = graph.version("ppo_settings")
    with pytest.raises(error, match=message):
        run_with(graph, "ppo_settings", config)
    assert graph.version("ppo_settings") == before


def test_the_launchpad_says_what_a_setting_is(tmp_path_factory: pytest.TempPathFactory) -> None:
    defs = build_defs(str(tmp_path_factory.mktemp("home")))
    job = defs.resolve_implicit_global_asset_job_def()
    fields = job.get_node_named("bank_settings").definition.config_schema.config_type.fields
    bank = fields["bank"].config_type.inner_type.fields
    assert "candidates" in bank
    assert bank["candidates"].description
