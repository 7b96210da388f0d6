"""Settings of the text assets, one for each stage: a changed setting remakes what it is of."""

import inspect
from collections.abc import Mapping, Sequence
from typing import Final, TypeVar

from dagster import (
    AssetChecksDefinition,
    AssetIn,
    AssetsDefinition,
    MaterializeResult,
    MetadataValue,
    asset,
)
from pydantic import BaseModel, ConfigDict

from churnsaver_assets.defs.data import read_experiment
from churnsaver_assets.defs.lib.io import Files
from churnsaver_assets.defs.lib.versions import code_version, files_version
from churnsaver_assets.experiments.text_spec import (
    BankSpec,
    BaseModelSpec,
    FineTuneSpec,
    HardwareSpec,
    JudgeSpec,
    LoraSpec,
    PromptsSpec,
    RejectionSpec,
    RewardModelSpec,
    RewardSpec,
    SamplingSpec,
    TextDataSpec,
    TextPpoSpec,
    TextScale,
    TextSpec,
)

OWNERS: Final = ["team:messages"]
SETTINGS_FILE: Final = "text.json"


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class TextSettings(_Strict):
    """What the text assets take from the experiment.

    Attributes:
        seed: of every draw.
        offers_pct: the offers that messages are written for.
        text: every setting.
    """

    seed: int
    offers_pct: tuple[int, ...]
    text: TextSpec


class PairsSettings(_Strict):
    """Of `sft_pairs` and `preference_pairs`."""

    seed: int
    data: TextDataSpec


class BaseModelSettings(_Strict):
    """Of `base_model`."""

    base_model: BaseModelSpec


class SftSettings(_Strict):
    """Of `sft_model`."""

    seed: int
    hardware: HardwareSpec
    lora: LoraSpec
    sft: FineTuneSpec


class RewardModelSettings(_Strict):
    """Of `reward_model` and `gold_judge`."""

    seed: int
    hardware: HardwareSpec
    lora: LoraSpec
    reward_model: RewardModelSpec


class PromptsSettings(_Strict):
    """Of `retention_prompts`."""

    seed: int
    prompts: PromptsSpec


class RejectionSettings(_Strict):
    """Of `rejection_model` and of `reward_scale`, which samples it as it was sampled."""

    seed: int
    hardware: HardwareSpec
    lora: LoraSpec
    sampling: SamplingSpec
    prompts: PromptsSpec
    rejection: RejectionSpec


class RewardedSettings(_Strict):
    """Of whatever is scored by `MessageReward`."""

    seed: int
    hardware: HardwareSpec
    sampling: SamplingSpec
    reward: RewardSpec


class PpoSettings(RewardedSettings):
    """Of `ppo_text_model`; the offers are those that it may be asked for live."""

    offers_pct: tuple[int, ...]
    ppo: TextPpoSpec


class JudgingSettings(RewardedSettings):
    """Of `text_evaluation`."""

    scale: TextScale
    judge: JudgeSpec


class BankSettings(_Strict):
    """Of `message_bank`."""

    seed: int
    offers_pct: tuple[int, ...]
    scale: TextScale
    hardware: HardwareSpec
    sampling: SamplingSpec
    bank: BankSpec


STAGES: Final[Mapping[str, type[_Strict]]] = {
    "pairs_settings": PairsSettings,
    "base_model_settings": BaseModelSettings,
    "sft_settings": SftSettings,
    "reward_model_settings": RewardModelSettings,
    "prompts_settings": PromptsSettings,
    "rejection_settings": RejectionSettings,
    "ppo_settings": PpoSettings,
    "judging_settings": JudgingSettings,
    "bank_settings": BankSettings,
}

StageSettings = TypeVar("StageSettings", bound=_Strict)


def read_text_settings(files: Files) -> TextSettings:
    """The typed value of the `text_settings` asset."""
    return TextSettings.model_validate_json(files[SETTINGS_FILE])


def read_stage(files: Files, kind: type[StageSettings]) -> StageSettings:
    """The typed value of a stage's settings.

    Args:
        files: the asset's value.
        kind: as in `STAGES`.
    """
    return kind.model_validate_json(files[SETTINGS_FILE])


def stage_files(settings: TextSettings, kind: type[BaseModel]) -> Files:
    """A stage's part of the settings, as its asset holds it.

    Args:
        settings: all of them.
        kind: as in `STAGES`.
    """
    text = settings.text.model_dump()
    every = {"seed": settings.seed, "offers_pct": settings.offers_pct, **text}
    part = kind.model_validate({name: every[name] for name in kind.model_fields})
    return {SETTINGS_FILE: part.model_dump_json(indent=2).encode()}


@asset(
    ins={"experiment": AssetIn("experiment")},
    group_name="text_settings",
    kinds={"json"},
    owners=OWNERS,
    code_version=code_version(__name__, "text_settings"),
    io_manager_key="files",
)
def text_settings(experiment: Files) -> MaterializeResult[Files]:
    """The experiment's part about messages; what else changes in it leaves these alone."""
    parsed = read_experiment(experiment)
    settings = TextSettings(
        seed=parsed.seed, offers_pct=parsed.actions.offers_pct, text=parsed.text
    )
    files = {SETTINGS_FILE: settings.model_dump_json(indent=2).encode()}
    return MaterializeResult(
        value=files,
        data_version=files_version(files),
        metadata={
            "scale": settings.text.scale,
            "base model": settings.text.base_model.name,
            "settings": MetadataValue.json(settings.model_dump(mode="json")),
        },
    )


def _stage_asset(name: str, kind: type[BaseModel]) -> AssetsDefinition:
    @asset(
        name=name,
        ins={"settings": AssetIn("text_settings")},
        group_name="text_settings",
        kinds={"json"},
        owners=OWNERS,
        code_version=code_version(__name__, "_stage_asset", kind.__name__),
        io_manager_key="files",
        description=inspect.getdoc(kind),
    )
    def stage(settings: Files) -> MaterializeResult[Files]:
        files = stage_files(read_text_settings(settings), kind)
        found = kind.model_validate_json(files[SETTINGS_FILE])
        return MaterializeResult(
            value=files,
            data_version=files_version(files),
            metadata={"settings": MetadataValue.json(found.model_dump(mode="json"))},
        )

    return stage


ASSETS: Sequence[AssetsDefinition] = [
    text_settings,
    *(_stage_asset(name, kind) for name, kind in STAGES.items()),
]
CHECKS: Sequence[AssetChecksDefinition] = []
