"""A changed setting remakes what reads it and what comes of that, and nothing else."""

from typing import Any

import dagster as dg
import pytest
import yaml
from pydantic import ValidationError

from churnsaver_assets.data.sources.raw import unpack_sources
from churnsaver_assets.definitions import build_defs
from churnsaver_assets.defs.settings.assets import STAGES, slice_of, stage_files
from churnsaver_assets.defs.settings.stage import At, read_stage
from churnsaver_assets.defs.settings.text import PpoSettings, SftSettings
from churnsaver_assets.experiments.spec import Experiment, experiment_source, parse_experiment
from tests.support.graph.harness import Graph

REWARDED = {"ppo_settings", "judging_settings"}
SAMPLED = REWARDED | {"rejection_settings", "bank_settings"}
ON_HARDWARE = SAMPLED | {"sft_settings", "reward_model_settings"}
IN_SIMULATOR = {
    "simulator_settings",
    "planning_settings",
    "baselines_settings",
    "policy_settings",
    "pacing_settings",
    "policy_evaluation_settings",
    "prompts_settings",
}
EVALUATED = {"planning_settings", "policy_evaluation_settings"}
# What a change of the experiment always runs: the settings, to see whether theirs changed.
LOOKS = {"experiment", *STAGES}

CHANGES: list[tuple[str, Any, set[str]]] = [
    ("text.ppo.learning_rate", 1e-5, {"ppo_settings"}),
    ("text.bank.candidates", 9, {"bank_settings"}),
    ("text.judge.prompts", 7, {"judging_settings"}),
    ("text.sft.steps", 3, {"sft_settings"}),
    ("text.reward_model.steps", 3, {"reward_model_settings"}),
    ("text.data.max_sft_pairs", 12, {"pairs_settings"}),
    ("text.data.sft_sources", ["x"], {"pairs_settings", "text_sources_settings"}),
    ("text.base_model.name", "owner/other", {"base_model_settings"}),
    ("text.rejection.samples", 50, {"rejection_settings"}),
    ("text.prompts.train", 50, {"prompts_settings", "rejection_settings"}),
    ("text.reward.safety", 3.0, REWARDED),
    ("text.sampling.temperature", 0.5, SAMPLED),
    ("text.hardware.threads", 1, ON_HARDWARE),
    ("gates.text.full.max_kl", 0.2, {"writer_gates"}),
    ("gates.text.full.min_reward_auc", 0.6, {"reward_gates"}),
    ("gates.text.demo.max_kl", 0.2, set()),
    ("churn_risk.rounds", 10, {"churn_risk_settings", "churn_risk_evaluation_settings"}),
    ("churn_risk.catboost.rounds", 10, {"churn_risk_evaluation_settings"}),
    ("offer_acceptance.temporal_blocks", 4, {"offer_acceptance_evaluation_settings"}),
    ("gates.real.offer_acceptance.min_auc", 0.6, {"offer_acceptance_gates"}),
    ("gates.sample.policy.min_headroom", 0.7, {"policy_gates"}),
    ("policy.ppo.updates", 3, {"policy_settings"}),
    ("pacing.customers", 30, {"pacing_settings"}),
    ("baselines.log_replicates", 2, {"baselines_settings"}),
    ("baselines.tuning.customers", 60, {"baselines_settings"}),
    ("baselines.uplift.resamples", 200, {"baselines_settings", "uplift_settings"}),
    ("baseline_policy.risk_quantile", 0.7, {"baselines_settings"}),
    ("evaluation.release.replicates", 3, {"policy_evaluation_settings"}),
    ("evaluation.scenarios", [], {"policy_evaluation_settings"}),
    ("evaluation.capacity.daily_contacts", 0.01, EVALUATED),
    ("evaluation.scored_months", 2, EVALUATED),
    ("evaluation.new_share", 0.2, EVALUATED | {"baselines_settings", "pacing_settings"}),
    ("evaluation.start_on", "2026-07-01", IN_SIMULATOR),
    ("rules.cooldown_days", 8, IN_SIMULATOR),
    ("rules.fatigue_cap", 3, IN_SIMULATOR | {"offer_response_settings"}),
    ("assumptions.disturbance.high", 0.5, IN_SIMULATOR | {"offer_response_settings"}),
    ("holidays.others", ["DE"], {"holidays_settings"}),
    ("seed", 43, {name for name in STAGES if "gates" not in name}
     - {"base_model_settings", "text_sources_settings", "holidays_settings"}),
]  # fmt: skip


@pytest.fixture(scope="module")
def experiment() -> Experiment:
    return parse_experiment(experiment_source())


@pytest.fixture(scope="module")
def assets(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return build_defs(str(tmp_path_factory.mktemp("home"))).resolve_asset_graph()


def other(path: str, value: Any) -> Experiment:
    """The packaged experiment with another value at a dotted path."""
    content = yaml.safe_load(experiment_source())
    *parents, last = path.split(".")
    at = content
    for parent in parents:
        at = at[parent]
    assert at[last] != value
    at[last] = value
    return parse_experiment(yaml.safe_dump(content, sort_keys=False).encode())


def changed(before: Experiment, after: Experiment) -> set[str]:
    """Names of the settings assets whose value differs."""
    return {
        name
        for name, kind in STAGES.items()
        if stage_files(slice_of(before, kind)) != stage_files(slice_of(after, kind))
    }


@pytest.mark.parametrize(("path", "value", "expected"), CHANGES, ids=lambda one: str(one)[:40])
def test_a_setting_changes_the_stages_that_read_it(
    experiment: Experiment, path: str, value: Any, expected: set[str]
) -> None:
    assert changed(experiment, other(path, value)) == expected


def below(assets: Any, names: set[str]) -> set[dg.AssetKey]:
    """All that comes of these settings."""
    keys = {dg.AssetKey(name) for name in names}
    every = assets.materializable_asset_keys
    return {key for key in every if keys & assets.get_ancestor_asset_keys(key)}


def groups_below(assets: Any, names: set[str]) -> set[str]:
    return {assets.get(key).group_name for key in below(assets, names)}


@pytest.mark.parametrize(("path", "value", "expected"), CHANGES, ids=lambda one: str(one)[:40])
def test_a_setting_of_the_text_models_reaches_text_and_the_release_alone(
    assets: Any, path: str, value: Any, expected: set[str]
) -> None:
    if path.startswith(("text.", "gates.text.")) and expected:
        reached = groups_below(assets, expected)
        assert "release" in reached
        if "text_sources_settings" not in expected:  # the catalog lists the sources
            assert reached <= {"text", "messages", "release"}
        else:
            assert reached == {"data", "text", "messages", "release"}


def test_a_bound_of_a_tabular_model_and_its_rivals_leave_text_alone(assets: Any) -> None:
    # The truth that policies are evaluated in is held by the models' own bounds.
    assert groups_below(assets, {"churn_risk_gates"}) == {"tabular", "decision", "release"}
    assert groups_below(assets, {"churn_risk_evaluation_settings"}) == {"tabular", "release"}
    # The model itself is what the policy decides by, and the policy what messages are asked for.
    assert "text" in groups_below(assets, {"churn_risk_settings"})


def test_the_evaluation_of_the_policies_is_downstream_of_all_training(assets: Any) -> None:
    found = below(assets, {"policy_evaluation_settings"})
    assert found == {dg.AssetKey("policy_evaluation"), dg.AssetKey("release")}


def test_the_settings_and_the_release_alone_read_the_whole_experiment(assets: Any) -> None:
    experiment = dg.AssetKey("experiment")
    children = assets.get(experiment).child_keys
    assert children == {dg.AssetKey(name) for name in (*STAGES, "release")}
    for name in STAGES:
        node = assets.get(dg.AssetKey(name))
        assert node.parent_keys == {experiment}, name
        assert node.child_keys, name
    for key in assets.asset_check_keys:
        assert experiment not in assets.get(key).parent_entity_keys, key


def test_what_a_check_reads_is_upstream_of_what_it_checks(assets: Any) -> None:
    for key in assets.asset_check_keys:
        upstream = assets.get_ancestor_asset_keys(key.asset_key) | {key.asset_key}
        siblings = assets.get(key.asset_key).execution_set_asset_keys
        read = {one for one in assets.get(key).parent_entity_keys if isinstance(one, dg.AssetKey)}
        assert read <= upstream | siblings, key


def test_every_setting_stands_somewhere_in_the_experiment(experiment: Experiment) -> None:
    for name, kind in STAGES.items():
        for field in kind.model_fields.values():
            assert len([one for one in field.metadata if isinstance(one, At)]) == 1, name
        assert read_stage(stage_files(slice_of(experiment, kind)), kind) == slice_of(
            experiment, kind
        )


def test_settings_of_another_stage_are_refused(experiment: Experiment) -> None:
    files = stage_files(slice_of(experiment, PpoSettings))
    assert read_stage(files, PpoSettings).ppo == experiment.text.ppo
    with pytest.raises(ValidationError, match="Extra inputs are not permitted"):
        read_stage(files, SftSettings)


@pytest.mark.parametrize(
    ("change", "runs"),
    [
        ({"text__bank__candidates": 7}, {"message_bank"}),
        ({"evaluation__release__replicates": 5}, {"policy_evaluation"}),
    ],
    ids=str,
)
def test_what_runs_again_after_a_change(
    graph: Graph, change: dict[str, Any], runs: set[str]
) -> None:
    graph.edit_experiment(**change)
    done = graph.bring_up_to_date()
    assert set(done.ran) == LOOKS | runs | {"release"}


def test_the_sources_of_texts_follow_the_experiment(graph: Graph) -> None:
    graph.edit_experiment(text__data__preference_sources=["hh_rlhf", "oasst1_ranks"])
    graph.run("experiment", "text_sources_settings", "text_sources")
    assert set(unpack_sources(graph.load("text_sources"))) == {"oasst1", "hh_rlhf", "oasst1_ranks"}
