"""Models learnt from public text: base model, SFT, reward model and judge."""

from collections.abc import Sequence
from pathlib import Path

import msgspec
import pandas as pd
from dagster import (
    AssetExecutionContext,
    AssetIn,
    AssetsDefinition,
    MaterializeResult,
    MetadataValue,
    asset,
)

from churnsaver_assets.defs.lib import metadata
from churnsaver_assets.defs.lib.io import Files
from churnsaver_assets.defs.lib.progress import LogProgress
from churnsaver_assets.defs.lib.resources import Checkpoints
from churnsaver_assets.defs.lib.versions import code_version, frame_version
from churnsaver_assets.defs.settings.stage import read_stage
from churnsaver_assets.defs.settings.text import (
    BaseModelSettings,
    RewardModelSettings,
    SftSettings,
)
from churnsaver_assets.defs.text.shared import OWNERS, model_version, new_run, write_report


@asset(
    ins={"settings": AssetIn("base_model_settings")},
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
    from churnsaver_assets.text.model.base_model import make_base_model

    parsed = read_stage(settings, BaseModelSettings)
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
        "settings": AssetIn("sft_settings"),
    },
    # Its check reads them: a bound that was changed is checked anew.
    deps=["sft_gates"],
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
    from churnsaver_assets.text.model.loading import load_tokenizer
    from churnsaver_assets.text.prompts.tables import demonstrations
    from churnsaver_assets.text.tuning.sft import fine_tune

    parsed = read_stage(settings, SftSettings)
    tokenizer = load_tokenizer(base)
    target = checkpoints.fresh("sft_model_files")
    report = fine_tune(
        base,
        demonstrations(pairs[pairs["split"] == "train"], tokenizer),
        demonstrations(pairs[pairs["split"] == "holdout"], tokenizer),
        parsed.sft,
        parsed.lora,
        run=new_run(context, checkpoints, parsed, model_version(base), frame_version(pairs)),
        target=target,
    )
    write_report(target, report)
    return MaterializeResult(
        value=target,
        data_version=model_version(target),
        metadata={"report": MetadataValue.json(msgspec.to_builtins(report))},
    )


def _reward_asset(
    name: str, split: str, description: str, seed_offset: int, gates: Sequence[str] = ()
) -> AssetsDefinition:
    @asset(
        name=name,
        ins={
            "base": AssetIn("base_model"),
            "pairs": AssetIn("preference_pairs"),
            "settings": AssetIn("reward_model_settings"),
        },
        deps=gates,
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
        from churnsaver_assets.text.model.loading import load_tokenizer
        from churnsaver_assets.text.prompts.tables import preferences
        from churnsaver_assets.text.reward.plots import learning_curves_png
        from churnsaver_assets.text.reward.training import train_reward_model

        parsed = read_stage(settings, RewardModelSettings)
        judge = split == "gold"
        spec = parsed.reward_model
        tokenizer = load_tokenizer(base)
        target = checkpoints.fresh(f"{name}_files")
        run = new_run(context, checkpoints, parsed, model_version(base), frame_version(pairs))
        report = train_reward_model(
            base,
            preferences(pairs[pairs["split"] == split], tokenizer),
            preferences(pairs[pairs["split"] == "holdout"], tokenizer),
            # The judge need not be a network of the same kind to judge the one that was optimised.
            spec.model_copy(update={"kind": "probe", "pairs": spec.gold_pairs}) if judge else spec,
            parsed.lora,
            run.hardware,
            run.seed + seed_offset,
            target=target,
            checkpoints=run.folder,
            progress=LogProgress(context, name),
            length_controlled=judge,
        )
        write_report(target, report)
        return MaterializeResult(
            value=target,
            data_version=model_version(target),
            metadata={
                "learning curves": metadata.picture(learning_curves_png(report), "learning curves"),
                "report": MetadataValue.json(msgspec.to_builtins(report)),
            },
        )

    return reward


reward_assets = [
    _reward_asset(
        "reward_model",
        "train",
        "Bradley-Terry reward model on preference pairs: a linear probe on the frozen base model, "
        "and LoRA from there where the profile asks for it.",
        0,
        # Its check reads them: a bound that was changed is checked anew.
        gates=["reward_gates"],
    ),
    _reward_asset(
        "gold_judge",
        "gold",
        "The judge: trained on other prompts and another seed than the reward model that messages "
        "are optimised for, controlled for length. Used for evaluation alone.",
        1,
    ),
]
