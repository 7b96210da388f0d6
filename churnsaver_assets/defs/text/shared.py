"""Common parts of the assets that train, sample or judge language models."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol

import msgspec
import pandas as pd
from dagster import AssetExecutionContext, DataVersion

from churnsaver_assets.common.fingerprint import fingerprint
from churnsaver_assets.defs.lib.io import Files
from churnsaver_assets.defs.lib.progress import LogProgress
from churnsaver_assets.defs.lib.resources import Checkpoints
from churnsaver_assets.defs.settings.text import RewardedSettings
from churnsaver_assets.experiments.text_spec import HardwareSpec

if TYPE_CHECKING:
    from churnsaver_assets.text.records import Prompt
    from churnsaver_assets.text.reward.message_reward import MessageReward
    from churnsaver_assets.text.reward.model import RewardModel
    from churnsaver_assets.text.run import Run

OWNERS: Final = ["team:messages"]
REPORT_FILE: Final = "report.json"
REPORTS: Final = frozenset({"report.json", "ppo.json", "samples.parquet", "live.json"})
SCALE_FILE: Final = "reward_scale.json"
SHIELD_FILE: Final = "shield.json"


def model_version(directory: Path) -> DataVersion:
    """Return a model's data version: the hash of all files but reports, which hold timings."""
    from churnsaver_assets.text.model.loading import directory_sha256

    return DataVersion(directory_sha256(directory, without=REPORTS))


class OnHardware(Protocol):
    """Settings of a stage that runs models."""

    @property
    def hardware(self) -> HardwareSpec:
        """Return the settings of the device."""
        ...

    @property
    def seed(self) -> int:
        """Return the seed for every random draw."""
        ...


def new_run(
    context: AssetExecutionContext,
    checkpoints: Checkpoints,
    settings: OnHardware,
    *inputs: DataVersion,
) -> "Run":
    """Return the run of the asset that is being made, with a folder for its unfinished work.

    Args:
        context: The asset's context.
        checkpoints: The place of all unfinished work.
        settings: The stage's settings.
        inputs: Versions of all else that the asset is made from. Where one of them, the settings
            or the code has changed, the work starts anew.
    """
    from churnsaver_assets.text.run import Run

    name = context.asset_key.path[-1]
    code = context.assets_def.get_asset_spec(context.asset_key).code_version
    mark = fingerprint(settings, [version.value for version in inputs], code)
    folder = checkpoints.folder(name, mark[:20])
    return Run(settings.hardware, settings.seed, folder, LogProgress(context, name))


def write_report(directory: Path, report: object) -> None:
    """Write a report beside a model, for people and for the checks."""
    (directory / REPORT_FILE).write_bytes(msgspec.json.format(msgspec.json.encode(report)))


def requests(prompts: pd.DataFrame, model: Path) -> "Sequence[Prompt]":
    """Write prompts in the words of a model's chat template.

    Args:
        prompts: Rows of the `retention_prompts` asset.
        model: Model directory, for its tokenizer.
    """
    from churnsaver_assets.text.model.loading import load_tokenizer
    from churnsaver_assets.text.prompts.offers import contexts_of
    from churnsaver_assets.text.prompts.requests import retention_prompts

    return retention_prompts(load_tokenizer(model), contexts_of(prompts))


class RewardScale(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Mean and standard deviation of the reward model's raw scores, and of how many messages."""

    mean: float
    std: float
    messages: int


def read_scale(files: Files) -> RewardScale:
    """Read the typed value of the `reward_scale` asset."""
    return msgspec.json.decode(files[SCALE_FILE], type=RewardScale)


def load_reward(directory: Path, base: Path, hardware: HardwareSpec) -> "RewardModel":
    """Load the reward model (or the judge) of an asset's folder, on its base model."""
    from churnsaver_assets.text.reward.model import RewardModel

    return RewardModel.load(directory, base, hardware)


def message_reward(
    reward: "RewardModel", scale: Files, shield: Files, settings: RewardedSettings
) -> "MessageReward":
    """Build the reward of messages, as every policy is given it.

    Args:
        reward: Reward model.
        scale: The `reward_scale` asset.
        shield: The `shield_rules` asset.
        settings: Weights, and the longest body.
    """
    from churnsaver_assets.text.reward.message_reward import MessageReward
    from churnsaver_serving.runtime.shield.shield import Shield

    fitted = read_scale(scale)
    return MessageReward(
        reward,
        Shield.from_bytes(shield[SHIELD_FILE]),
        settings.reward,
        settings.sampling,
        mean=fitted.mean,
        std=fitted.std,
    )
