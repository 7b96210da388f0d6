"""Models that write the messages: own best samples, PPO, and RLOO as its baseline."""

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar

import msgspec
import pandas as pd
from dagster import (
    AssetChecksDefinition,
    AssetExecutionContext,
    AssetIn,
    AssetsDefinition,
    MaterializeResult,
    MetadataValue,
    asset,
)

from churnsaver_assets.defs.data import LABEL, label_of
from churnsaver_assets.defs.lib import metadata
from churnsaver_assets.defs.lib.io import Files
from churnsaver_assets.defs.lib.progress import LogProgress
from churnsaver_assets.defs.lib.resources import Checkpoints
from churnsaver_assets.defs.lib.versions import code_version, files_version, frame_version
from churnsaver_assets.defs.text.settings import (
    PpoSettings,
    RejectionSettings,
    RewardedSettings,
    RlooSettings,
    read_stage,
)
from churnsaver_assets.defs.text.shared import (
    OWNERS,
    SCALE_FILE,
    SHIELD_FILE,
    RewardScale,
    load_reward,
    message_reward,
    model_version,
    requests,
    versions,
    write_report,
)

if TYPE_CHECKING:
    from churnsaver_assets.common.progress import Progress
    from churnsaver_assets.text.records import Prompt
    from churnsaver_assets.text.reward.message_reward import MessageReward

SAMPLES_FILE: Final = "samples.parquet"


@asset(
    ins={
        "sft": AssetIn("sft_model"),
        "prompts": AssetIn("retention_prompts"),
        "shield": AssetIn("shield_rules"),
        "settings": AssetIn("rejection_settings"),
    },
    group_name="text",
    kinds={"pandas", "parquet"},
    owners=OWNERS,
    code_version=code_version(__name__, "rejection_model"),
    io_manager_key="models",
)
def rejection_model(
    context: AssetExecutionContext,
    checkpoints: Checkpoints,
    sft: Path,
    prompts: pd.DataFrame,
    shield: Files,
    settings: Files,
) -> MaterializeResult[Path]:
    """Fine-tuned on own samples that pass the strict rules, in rounds (RAFT).

    The first round is sampled with an example in the prompt and learnt without it; later ones are
    sampled from the model of the round before. The samples, with their verdicts, lie beside the
    model.
    """
    from churnsaver_assets.text.prompts.offers import contexts_of
    from churnsaver_assets.text.tuning.raft import raft
    from churnsaver_serving.runtime.shield.shield import Shield

    parsed = read_stage(settings, RejectionSettings)
    target = checkpoints.fresh("rejection_model_files")
    report, samples = raft(
        sft,
        contexts_of(prompts[prompts["split"] == "train"]),
        parsed.rejection,
        parsed.lora,
        parsed.sampling,
        parsed.hardware,
        seed=parsed.seed,
        shield=Shield.from_bytes(shield[SHIELD_FILE]),
        target=target,
        checkpoints=checkpoints.folder(
            "rejection_model",
            *versions(
                context, settings, model_version(sft), frame_version(prompts), files_version(shield)
            ),
        ),
        progress=LogProgress(context, "own samples"),
    )
    samples.attrs[LABEL] = label_of(prompts)
    samples.to_parquet(target / SAMPLES_FILE, index=False)
    write_report(target, report)
    return MaterializeResult(
        value=target,
        data_version=model_version(target),
        metadata={
            "pass rates": metadata.table(
                [
                    {"round": number, "what": what, "share": f"{share:.3f}"}
                    for number, found in enumerate(report.rounds)
                    for what, share in found.rates.items()
                ]
            ),
            "report": MetadataValue.json(msgspec.to_builtins(report)),
        },
    )


@asset(
    ins={
        "start": AssetIn("rejection_model"),
        "base": AssetIn("base_model"),
        "reward": AssetIn("reward_model"),
        "prompts": AssetIn("retention_prompts"),
        "settings": AssetIn("rejection_settings"),
    },
    group_name="text",
    kinds={"json"},
    owners=OWNERS,
    code_version=code_version(__name__, "reward_scale"),
    io_manager_key="files",
)
def reward_scale(
    context: AssetExecutionContext,
    checkpoints: Checkpoints,
    start: Path,
    base: Path,
    reward: Path,
    prompts: pd.DataFrame,
    settings: Files,
) -> MaterializeResult[Files]:
    """What the reward model makes of the starting model's own messages: the unit of its reward."""
    from churnsaver_assets.text.model.draws import draw_completions
    from churnsaver_assets.text.reward.message_reward import fit_normaliser

    parsed = read_stage(settings, RejectionSettings)
    train = prompts[prompts["split"] == "train"].head(parsed.prompts.scale)
    asked = requests(train, start)
    written = draw_completions(
        start,
        [prompt.text for prompt in asked],
        parsed.sampling,
        parsed.hardware,
        seed=parsed.seed,
        chunk=parsed.rejection.chunk,
        checkpoints=checkpoints.folder(
            "reward_scale",
            *versions(context, settings, model_version(start), frame_version(prompts)),
        ),
        progress=LogProgress(context, "reward scale"),
    )
    mean, std = fit_normaliser(load_reward(reward, base, parsed.hardware), asked, written)
    scale = RewardScale(mean, std, len(asked))
    files = {SCALE_FILE: msgspec.json.encode(scale)}
    return MaterializeResult(
        value=files,
        data_version=files_version(files),
        metadata={"mean": mean, "standard deviation": std, "messages": len(asked)},
    )


def _write_live(directory: Path, settings: PpoSettings) -> None:
    """What a server needs to write with this model while the customer waits."""
    from churnsaver_assets.text.model.loading import load_tokenizer
    from churnsaver_assets.text.prompts.requests import all_contexts, retention_prompts
    from churnsaver_serving.runtime.context import MESSAGE_CHANNELS, TONES
    from churnsaver_serving.runtime.messages.live_writers import LIVE_FILE, LiveSpec

    contexts = all_contexts(settings.offers_pct, TONES, MESSAGE_CHANNELS)
    prompts = retention_prompts(load_tokenizer(directory), {one.key: one for one in contexts})
    spec = LiveSpec(
        checkpoint=model_version(directory).value,
        max_new_tokens=settings.sampling.max_new_tokens,
        temperature=settings.sampling.temperature,
        prompts={prompt.id: prompt.text for prompt in prompts},
    )
    (directory / LIVE_FILE).write_bytes(msgspec.json.encode(spec))


Settings = TypeVar("Settings", bound=RewardedSettings)
Metadata = dict[str, MetadataValue[Any]]


@dataclass(frozen=True, slots=True)
class Training(Generic[Settings]):
    """What a policy is trained with.

    Attributes:
        start: the model that it begins at.
        reward: of messages.
        prompts: to write for.
        settings: of the stage.
        target: an empty folder for the trained model.
        checkpoints: folder of unfinished work.
        progress: called now and then.
    """

    start: Path
    reward: "MessageReward"
    prompts: "Sequence[Prompt]"
    settings: Settings
    target: Path
    checkpoints: Path
    progress: "Progress"


def _learner_asset(
    name: str,
    settings_name: str,
    kind: type[Settings],
    train: Callable[[Training[Settings]], Metadata],
) -> AssetsDefinition:
    """A policy trained from the model of own best samples, on the messages' reward."""

    @asset(
        name=name,
        ins={
            "start": AssetIn("rejection_model"),
            "base": AssetIn("base_model"),
            "reward": AssetIn("reward_model"),
            "scale": AssetIn("reward_scale"),
            "prompts": AssetIn("retention_prompts"),
            "shield": AssetIn("shield_rules"),
            "settings": AssetIn(settings_name),
        },
        group_name="text",
        kinds={"huggingface", "pytorch"},
        owners=OWNERS,
        code_version=code_version(__name__, "_learner_asset", train.__name__),
        io_manager_key="models",
        description=inspect.getdoc(train),
    )
    def learner(
        context: AssetExecutionContext,
        checkpoints: Checkpoints,
        start: Path,
        base: Path,
        reward: Path,
        scale: Files,
        prompts: pd.DataFrame,
        shield: Files,
        settings: Files,
    ) -> MaterializeResult[Path]:
        parsed = read_stage(settings, kind)
        scorer = load_reward(reward, base, parsed.hardware)
        target = checkpoints.fresh(f"{name}_files")
        found = train(
            Training(
                start=start,
                reward=message_reward(scorer, scale, shield, parsed),
                prompts=requests(prompts[prompts["split"] == "train"], start),
                settings=parsed,
                target=target,
                checkpoints=checkpoints.folder(
                    name,
                    *versions(
                        context,
                        settings,
                        model_version(start),
                        model_version(reward),
                        files_version(scale),
                        frame_version(prompts),
                        files_version(shield),
                    ),
                ),
                progress=LogProgress(context, name),
            )
        )
        return MaterializeResult(value=target, data_version=model_version(target), metadata=found)

    return learner


def _ppo(training: Training[PpoSettings]) -> Metadata:
    """The model that writes the messages: PPO against reward model, shield and brevity.

    The KL penalty keeps it near the model it started from; its weight adapts to a target.
    """
    from churnsaver_assets.text.ppo.plots import ppo_curves_png
    from churnsaver_assets.text.ppo.train import train_ppo

    settings = training.settings
    report = train_ppo(
        training.start,
        training.reward,
        training.prompts,
        settings.ppo,
        sampling=settings.sampling,
        hardware=settings.hardware,
        seed=settings.seed,
        target=training.target,
        checkpoints=training.checkpoints,
        progress=training.progress,
    )
    write_report(training.target, report)
    _write_live(training.target, settings)
    curves = ppo_curves_png(report.curves, settings.ppo.kl.target)
    return {
        "learning curves": metadata.picture(curves, "learning curves"),
        "last iteration": MetadataValue.json(msgspec.to_builtins(report.curves.figures[-1])),
        "beta, for the next": MetadataValue.float(report.beta),
    }


def _rloo(training: Training[RlooSettings]) -> Metadata:
    """The baseline: TRL's RLOO from the same start, on the same rewards. Not served."""
    from churnsaver_assets.text.rloo.train import train_rloo

    settings = training.settings
    report = train_rloo(
        training.start,
        training.reward,
        training.prompts,
        settings.rloo,
        settings.sampling,
        settings.lora,
        settings.hardware,
        settings.seed,
        target=training.target,
        checkpoints=training.checkpoints,
        progress=training.progress,
    )
    write_report(training.target, report)
    return {"report": MetadataValue.json(msgspec.to_builtins(report))}


ASSETS: Sequence[AssetsDefinition] = [
    rejection_model,
    reward_scale,
    _learner_asset("ppo_text_model", "ppo_settings", PpoSettings, _ppo),
    _learner_asset("rloo_text_model", "rloo_settings", RlooSettings, _rloo),
]
CHECKS: Sequence[AssetChecksDefinition] = []
