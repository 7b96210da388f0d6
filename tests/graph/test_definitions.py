"""The code location: light to import, and a graph that explains itself."""

import subprocess
import sys

import dagster as dg
import pytest

from churnsaver_assets.definitions import build_defs

HEAVY = (
    "torch",
    "transformers",
    "xgboost",
    "sklearn",
    "catboost",
    "causalml",
    "gymnasium",
    "matplotlib",
    "pandera",
    "stable_baselines3",
    "trl",
    "peft",
    "accelerate",
    "datasets",
)
# Nothing that is served depends on what it holds.
ADVISORY = {dg.AssetCheckKey(dg.AssetKey("uplift_validation"), "beats_a_random_ranking")}


@pytest.fixture(scope="module")
def defs(tmp_path_factory: pytest.TempPathFactory) -> dg.Definitions:
    return build_defs(str(tmp_path_factory.mktemp("home")))


def test_importing_the_definitions_imports_nothing_heavy() -> None:
    code = (
        "import sys, churnsaver_assets.definitions\n"
        f"print([name for name in {HEAVY!r} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_definitions_are_loadable(defs: dg.Definitions) -> None:
    dg.Definitions.validate_loadable(defs)


def test_every_asset_explains_itself(defs: dg.Definitions) -> None:
    specs = defs.resolve_all_asset_specs()
    assert len(specs) == 75
    for spec in specs:
        assert spec.description, spec.key
        assert "\n " not in spec.description, spec.key  # the UI shows that as code
        assert spec.owners, spec.key
        assert spec.kinds, spec.key
        assert spec.group_name not in (None, "default"), spec.key
        assert spec.code_version, spec.key


def test_every_check_says_what_it_holds_and_blocks_what_it_stands_before(
    defs: dg.Definitions,
) -> None:
    graph = defs.resolve_asset_graph()
    assert len(graph.asset_check_keys) == 41
    for key in graph.asset_check_keys:
        node = graph.get(key)
        assert node.blocking == (key not in ADVISORY), key
        assert node.description, key
    upstream = graph.get_ancestor_asset_keys(dg.AssetKey("release"))
    assert not {key.asset_key for key in ADVISORY} & upstream


def test_every_asset_but_the_experiment_and_the_sources_comes_from_another(
    defs: dg.Definitions,
) -> None:
    graph = defs.resolve_asset_graph()
    roots = {key.to_user_string() for key in graph.root_materializable_asset_keys}
    assert roots == {
        "experiment",
        "telco_source",
        "bank_source",
        "hillstrom_source",
        "shield_rules",
        "sending_hours",
    }
    models = {dg.AssetKey(f"{kind}_model") for kind in ("churn_risk", "offer_acceptance")}
    decision = {
        "offer_response",
        "retention_environment",
        "upper_bound",
        "pacing_rule",
        "baseline_policies",
        "ppo_policy",
        "policy_evaluation",
    }
    text = {
        "ppo_settings",
        "sft_pairs",
        "preference_pairs",
        "retention_prompts",
        "base_model",
        "sft_model",
        "reward_model",
        "gold_judge",
        "rejection_model",
        "reward_scale",
        "ppo_text_model",
        "text_evaluation",
        "shield_report",
        "message_bank",
    }
    upstream = graph.get_ancestor_asset_keys(dg.AssetKey("release"))
    assert models | {dg.AssetKey(name) for name in decision | text} <= upstream
