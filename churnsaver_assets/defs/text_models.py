"""Language model assets: base model, SFT, reward model and judge, own best samples, PPO, RLOO."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec
import pandas as pd
from dagster import (
    AssetChecksDefinition,
    AssetExecutionContext,
    AssetIn,
    AssetsDefinition,
    DataVersion,
    MaterializeResult,
    MetadataValue,
    asset,
)

from churnsaver_assets.defs import metadata
from churnsaver_assets.defs.data import LABEL, label_of
from churnsaver_assets.defs.io import Files
from churnsaver_assets.defs.progress import LogProgress
from churnsaver_assets.defs.resources import Checkpoints
from churnsaver_assets.defs.text_data import TextSettings, read_text_settings
from churnsaver_assets.defs.versions import code_version, files_version, frame_version

if TYPE_CHECKING:
    from churnsaver_assets.text.reward.model import RewardModel
    from churnsaver_assets.text.rewards import MessageReward

OWNERS: Final = ["team:messages"]
REPORT_FILE: Final = "report.json"
REPORTS: Final = frozenset({"report.json", "ppo.json", "samples.parquet", "live.json"})
SAMPLES_FILE: Final = "samples.parquet"
SCALE_FILE: Final = "reward_scale.json"
SHIELD_FILE: Final = "shield.json"


def model_version(directory: Path) -> DataVersion:
    """Data version of a model: the hash of all its files but the reports, which hold timings."""
    from churnsaver_assets.text.loading import directory_sha256

    return DataVersion(directory_sha256(directory, without=REPORTS))


def versions(
    context: AssetExecutionContext, settings: Files, *inputs: DataVersion
) -> tuple[str, ...]:
    """What a checkpoint belongs to: changed settings, inputs or code start a training anew."""
    return (
        files_version(settings).value[:10],
        *(version.value[:10] for version in inputs),
        str(context.assets_def.get_asset_spec(context.asset_key).code_version),
    )


def _write_report(directory: Path, report: object) -> None:
    (directory / REPORT_FILE).write_bytes(msgspec.json.format(msgspec.json.encode(report)))


@asset(
    ins={"settings": AssetIn("text_settings")},
    group_name="text",
    kinds={"huggingface"},
    owners=OWNERS,
    code_version=code_version(__name__, "base_model"),
    io_manager_key="models",
)
def base_model(
    context: AssetExecutionContext, checkpoints: Checkpoints, settings: Files
) -> MaterializeResult[Path]:
    """The language model everything starts from: safetensors, its tokenizer mended.

    Taken from the hub, or from a GGUF file inside an installed package; reloaded and compared.
    """
    from churnsaver_assets.text.base_model import make_base_model

    parsed = read_text_settings(settings).text
    target = checkpoints.fresh("base_model_files")
    context.log.info("converting %s", parsed.base_model.name)
    report = make_base_model(parsed.base_model, target)
    return MaterializeResult(
        value=target,
        data_version=model_version(target),
        metadata={
            "source": f"{parsed.base_model.source}: {parsed.base_model.name}",
            "report": MetadataValue.json(msgspec.to_builtins(report)),
        },
    )


@asset(
    ins={
        "base": AssetIn("base_model"),
        "pairs": AssetIn("sft_pairs"),
        "settings": AssetIn("text_settings"),
    },
    group_name="text",
    kinds={"huggingface", "pytorch"},
    owners=OWNERS,
    code_version=code_version(__name__, "sft_model"),
    io_manager_key="models",
)
def sft_model(
    context: AssetExecutionContext,
    checkpoints: Checkpoints,
    base: Path,
    pairs: pd.DataFrame,
    settings: Files,
) -> MaterializeResult[Path]:
    """Supervised fine-tuning on the best-ranked replies, LoRA merged into the weights.

    A run that was cut goes on from its last checkpoint; so do all trainings here.
    """
    from churnsaver_assets.text.loading import load_tokenizer
    from churnsaver_assets.text.sft import fine_tune
    from churnsaver_assets.text.tables import demonstrations

    parsed = read_text_settings(settings)
    tokenizer = load_tokenizer(base)
    target = checkpoints.fresh("sft_model_files")
    report = fine_tune(
        base,
        demonstrations(pairs[pairs["split"] == "train"], tokenizer),
        demonstrations(pairs[pairs["split"] == "holdout"], tokenizer),
        parsed.text.sft,
        parsed.text.lora,
        parsed.text.hardware,
        parsed.seed,
        target=target,
        checkpoints=checkpoints.folder(
            "sft_model", *versions(context, settings, model_version(base), frame_version(pairs))
        ),
        progress=LogProgress(context, "SFT"),
    )
    _write_report(target, report)
    return MaterializeResult(
        value=target,
        data_version=model_version(target),
        metadata={"report": MetadataValue.json(msgspec.to_builtins(report))},
    )


def _reward_asset(name: str, split: str, description: str, seed_offset: int) -> AssetsDefinition:
    @asset(
        name=name,
        ins={
            "base": AssetIn("base_model"),
            "pairs": AssetIn("preference_pairs"),
            "settings": AssetIn("text_settings"),
        },
        group_name="text",
        kinds={"huggingface", "pytorch"},
        owners=OWNERS,
        code_version=code_version(__name__, "_reward_asset"),
        io_manager_key="models",
        description=description,
    )
    def reward(
        context: AssetExecutionContext,
        checkpoints: Checkpoints,
        base: Path,
        pairs: pd.DataFrame,
        settings: Files,
    ) -> MaterializeResult[Path]:
        from churnsaver_assets.text.loading import load_tokenizer
        from churnsaver_assets.text.reward.plots import learning_curves_png
        from churnsaver_assets.text.reward.training import train_reward_model
        from churnsaver_assets.text.tables import preferences

        parsed = read_text_settings(settings)
        judge = split == "gold"
        spec = parsed.text.reward_model
        tokenizer = load_tokenizer(base)
        target = checkpoints.fresh(f"{name}_files")
        report = train_reward_model(
            base,
            preferences(pairs[pairs["split"] == split], tokenizer),
            preferences(pairs[pairs["split"] == "holdout"], tokenizer),
            # The judge need not be a network of the same kind to judge the one that was optimised.
            spec.model_copy(update={"kind": "probe"}) if judge else spec,
            parsed.text.lora,
            parsed.text.hardware,
            parsed.seed + seed_offset,
            target=target,
            checkpoints=checkpoints.folder(
                name, *versions(context, settings, model_version(base), frame_version(pairs))
            ),
            progress=LogProgress(context, name),
            length_controlled=judge,
        )
        _write_report(target, report)
        return MaterializeResult(
            value=target,
            data_version=model_version(target),
            metadata={
                "learning curves": metadata.picture(learning_curves_png(report), "learning curves"),
                "report": MetadataValue.json(msgspec.to_builtins(report)),
            },
        )

    return reward


@asset(
    ins={
        "sft": AssetIn("sft_model"),
        "prompts": AssetIn("retention_prompts"),
        "shield": AssetIn("shield_rules"),
        "settings": AssetIn("text_settings"),
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
    from churnsaver_assets.text.offers import contexts_of
    from churnsaver_assets.text.raft import raft
    from churnsaver_serving.runtime.shield.shield import Shield

    parsed = read_text_settings(settings)
    text = parsed.text
    target = checkpoints.fresh("rejection_model_files")
    report, samples = raft(
        sft,
        contexts_of(prompts[prompts["split"] == "train"]),
        text.rejection,
        text.lora,
        text.sampling,
        text.hardware,
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
    _write_report(target, report)
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


def _write_live(directory: Path, settings: TextSettings) -> None:
    """What a server needs to write with this model while the customer waits."""
    from churnsaver_assets.text.loading import load_tokenizer
    from churnsaver_assets.text.prompts import all_contexts, retention_prompts
    from churnsaver_serving.runtime.messages.context import MESSAGE_CHANNELS, TONES
    from churnsaver_serving.runtime.messages.live_writers import LIVE_FILE, LiveSpec

    contexts = all_contexts(settings.offers_pct, TONES, MESSAGE_CHANNELS)
    prompts = retention_prompts(load_tokenizer(directory), {one.key: one for one in contexts})
    spec = LiveSpec(
        checkpoint=model_version(directory).value,
        max_new_tokens=settings.text.sampling.max_new_tokens,
        temperature=settings.text.sampling.temperature,
        prompts={prompt.id: prompt.text for prompt in prompts},
    )
    (directory / LIVE_FILE).write_bytes(msgspec.json.encode(spec))


def load_reward(directory: Path, base: Path, settings: TextSettings) -> "RewardModel":
    """The reward model (or the judge) in an asset's folder, on its base model."""
    from churnsaver_assets.text.reward.model import RewardModel

    return RewardModel.load(directory, base, settings.text.hardware)


class RewardScale(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Mean and standard deviation of the reward model's raw scores, and of how many messages."""

    mean: float
    std: float
    messages: int


def read_scale(files: Files) -> RewardScale:
    """The typed value of the `reward_scale` asset."""
    return msgspec.json.decode(files[SCALE_FILE], type=RewardScale)


def message_reward(
    reward: "RewardModel", scale: Files, shield: Files, settings: TextSettings
) -> "MessageReward":
    """The reward of messages, as every policy is given it.

    Args:
        reward: scores messages.
        scale: the `reward_scale` asset.
        shield: the `shield_rules` asset.
        settings: of the text assets.
    """
    from churnsaver_assets.text.rewards import MessageReward
    from churnsaver_serving.runtime.shield.shield import Shield

    fitted = read_scale(scale)
    return MessageReward(
        reward,
        Shield.from_bytes(shield[SHIELD_FILE]),
        settings.text.reward,
        settings.text.sampling,
        mean=fitted.mean,
        std=fitted.std,
    )


@asset(
    ins={
        "start": AssetIn("rejection_model"),
        "base": AssetIn("base_model"),
        "reward": AssetIn("reward_model"),
        "prompts": AssetIn("retention_prompts"),
        "settings": AssetIn("text_settings"),
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
    from churnsaver_assets.text.draws import draw_completions
    from churnsaver_assets.text.loading import load_tokenizer
    from churnsaver_assets.text.offers import contexts_of
    from churnsaver_assets.text.prompts import retention_prompts as requests
    from churnsaver_assets.text.rewards import fit_normaliser

    parsed = read_text_settings(settings)
    train = prompts[prompts["split"] == "train"].head(parsed.text.prompts.scale)
    asked = requests(load_tokenizer(start), contexts_of(train))
    written = draw_completions(
        start,
        [prompt.text for prompt in asked],
        parsed.text.sampling,
        parsed.text.hardware,
        seed=parsed.seed,
        chunk=parsed.text.rejection.chunk,
        checkpoints=checkpoints.folder(
            "reward_scale",
            *versions(context, settings, model_version(start), frame_version(prompts)),
        ),
        progress=LogProgress(context, "reward scale"),
    )
    mean, std = fit_normaliser(load_reward(reward, base, parsed), asked, written)
    scale = RewardScale(mean, std, len(asked))
    files = {SCALE_FILE: msgspec.json.encode(scale)}
    return MaterializeResult(
        value=files,
        data_version=files_version(files),
        metadata={"mean": mean, "standard deviation": std, "messages": len(asked)},
    )


_LEARNER_INS: Final = {
    "start": AssetIn("rejection_model"),
    "base": AssetIn("base_model"),
    "reward": AssetIn("reward_model"),
    "scale": AssetIn("reward_scale"),
    "prompts": AssetIn("retention_prompts"),
    "shield": AssetIn("shield_rules"),
    "settings": AssetIn("text_settings"),
}


@asset(
    ins=_LEARNER_INS,
    group_name="text",
    kinds={"huggingface", "pytorch"},
    owners=OWNERS,
    code_version=code_version(__name__, "ppo_text_model"),
    io_manager_key="models",
)
def ppo_text_model(
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
    """The model that writes the messages: PPO against reward model, shield and brevity.

    The KL penalty keeps it near the model it started from; its weight adapts to a target.
    """
    from churnsaver_assets.text.loading import load_tokenizer
    from churnsaver_assets.text.offers import contexts_of
    from churnsaver_assets.text.ppo.plots import ppo_curves_png
    from churnsaver_assets.text.ppo.train import train_ppo
    from churnsaver_assets.text.prompts import retention_prompts

    parsed = read_text_settings(settings)
    text = parsed.text
    train = prompts[prompts["split"] == "train"]
    target = checkpoints.fresh("ppo_text_model_files")
    report = train_ppo(
        start,
        message_reward(load_reward(reward, base, parsed), scale, shield, parsed),
        retention_prompts(load_tokenizer(start), contexts_of(train)),
        text.ppo,
        sampling=text.sampling,
        hardware=text.hardware,
        seed=parsed.seed,
        target=target,
        checkpoints=checkpoints.folder(
            "ppo_text_model",
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
        progress=LogProgress(context, "PPO"),
    )
    _write_report(target, report)
    _write_live(target, parsed)
    return MaterializeResult(
        value=target,
        data_version=model_version(target),
        metadata={
            "learning curves": metadata.picture(
                ppo_curves_png(report.curves, text.ppo.kl.target), "learning curves"
            ),
            "last iteration": MetadataValue.json(msgspec.to_builtins(report.curves.figures[-1])),
            "beta, for the next": report.beta,
        },
    )


@asset(
    ins=_LEARNER_INS,
    group_name="text",
    kinds={"huggingface", "pytorch"},
    owners=OWNERS,
    code_version=code_version(__name__, "rloo_text_model"),
    io_manager_key="models",
)
def rloo_text_model(
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
    """The baseline: TRL's RLOO from the same start, on the same rewards. Not served."""
    from churnsaver_assets.text.loading import load_tokenizer
    from churnsaver_assets.text.offers import contexts_of
    from churnsaver_assets.text.prompts import retention_prompts
    from churnsaver_assets.text.rloo import train_rloo

    parsed = read_text_settings(settings)
    text = parsed.text
    train = prompts[prompts["split"] == "train"]
    target = checkpoints.fresh("rloo_text_model_files")
    report = train_rloo(
        start,
        message_reward(load_reward(reward, base, parsed), scale, shield, parsed),
        retention_prompts(load_tokenizer(start), contexts_of(train)),
        text.rloo,
        text.sampling,
        text.lora,
        text.hardware,
        parsed.seed,
        target=target,
        checkpoints=checkpoints.folder(
            "rloo_text_model",
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
        progress=LogProgress(context, "RLOO"),
    )
    _write_report(target, report)
    return MaterializeResult(
        value=target,
        data_version=model_version(target),
        metadata={"report": MetadataValue.json(msgspec.to_builtins(report))},
    )


ASSETS: Sequence[AssetsDefinition] = [
    base_model,
    sft_model,
    _reward_asset(
        "reward_model",
        "train",
        "Bradley-Terry reward model on preference pairs: a linear probe on the frozen base model, "
        "and LoRA from there where the profile asks for it.",
        0,
    ),
    _reward_asset(
        "gold_judge",
        "gold",
        "The judge: trained on other prompts and another seed than the reward model that messages "
        "are optimised for, controlled for length. Used for evaluation alone.",
        1,
    ),
    rejection_model,
    reward_scale,
    ppo_text_model,
    rloo_text_model,
]
CHECKS: Sequence[AssetChecksDefinition] = []
