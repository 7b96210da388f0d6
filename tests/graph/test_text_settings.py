"""A changed setting of the text models remakes what it is a setting of, and nothing before it."""

import dagster as dg
import pytest
from pydantic import ValidationError

from churnsaver_assets.definitions import build_defs
from churnsaver_assets.defs.text.settings import (
    STAGES,
    PpoSettings,
    TextSettings,
    read_stage,
    stage_files,
)
from churnsaver_assets.experiments.spec import experiment_source, parse_experiment

REWARDED = {"ppo_settings", "judging_settings"}
SAMPLED = REWARDED | {"rejection_settings", "bank_settings"}
ON_HARDWARE = SAMPLED | {"sft_settings", "reward_model_settings"}


@pytest.fixture(scope="module")
def settings() -> TextSettings:
    parsed = parse_experiment(experiment_source(None))
    return TextSettings(seed=parsed.seed, offers_pct=parsed.actions.offers_pct, text=parsed.text)


@pytest.mark.parametrize(
    ("section", "field", "value", "expected"),
    [
        ("ppo", "learning_rate", 1e-5, {"ppo_settings"}),
        ("bank", "candidates", 9, {"bank_settings"}),
        ("judge", "prompts", 7, {"judging_settings"}),
        ("sft", "steps", 3, {"sft_settings"}),
        ("reward_model", "steps", 3, {"reward_model_settings"}),
        ("data", "max_sft_pairs", 12, {"pairs_settings"}),
        ("base_model", "name", "owner/other", {"base_model_settings"}),
        ("rejection", "samples", 50, {"rejection_settings"}),
        ("prompts", "train", 50, {"prompts_settings", "rejection_settings"}),
        ("reward", "safety", 3.0, REWARDED),
        ("sampling", "temperature", 0.5, SAMPLED),
        ("hardware", "threads", 1, ON_HARDWARE),
    ],
)
def test_a_setting_changes_the_stages_that_it_is_of(
    settings: TextSettings, section: str, field: str, value: object, expected: set[str]
) -> None:
    part = getattr(settings.text, section).model_copy(update={field: value})
    text = settings.text.model_copy(update={section: part})
    other = settings.model_copy(update={"text": text})
    changed = {
        name
        for name, kind in STAGES.items()
        if stage_files(settings, kind) != stage_files(other, kind)
    }
    assert changed == expected


def test_every_setting_is_of_some_stage(settings: TextSettings) -> None:
    read = {name for kind in STAGES.values() for name in kind.model_fields}
    assert read == {"seed", "offers_pct", *type(settings.text).model_fields}


def test_text_assets_read_their_stage_alone(tmp_path: object) -> None:
    graph = build_defs(str(tmp_path)).resolve_asset_graph()
    children = graph.get(dg.AssetKey("text_settings")).child_keys
    assert children == {dg.AssetKey(name) for name in (*STAGES, "release")}
    for name in STAGES:
        assert graph.get(dg.AssetKey(name)).child_keys, name


def test_settings_come_back_as_they_were_and_others_are_refused(settings: TextSettings) -> None:
    found = read_stage(stage_files(settings, PpoSettings), PpoSettings)
    assert found.ppo == settings.text.ppo
    assert found.offers_pct == settings.offers_pct
    with pytest.raises(ValidationError, match="Extra inputs are not permitted"):
        read_stage(stage_files(settings, PpoSettings), STAGES["sft_settings"])
