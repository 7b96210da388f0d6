"""Models learnt from public text: base model, SFT, reward model and judge."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
import pandas as pd
from dagster import (
    AssetCheckResult,
    AssetExecutionContext,
    AssetIn,
    AssetsDefinition,
    MaterializeResult,
    MetadataValue,
    asset,
    asset_check,
)

from churnsaver_assets.defs.lib import metadata
from churnsaver_assets.defs.lib.io import Files
from churnsaver_assets.defs.lib.resources import Checkpoints
from churnsaver_assets.defs.lib.versions import code_version, frame_version
from churnsaver_assets.defs.settings.stage import read_stage
from churnsaver_assets.defs.settings.text import (
    BaseModelSettings,
    RewardGates,
    RewardModelSettings,
    SftGates,
    SftSettings,
)
from churnsaver_assets.defs.text.shared import (
    OWNERS,
    REPORT_FILE,
    load_reward,
    model_version,
    new_run,
    write_report,
)

_RELOADED_PAIRS = 48


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
    """Convert the language model that all training begins at, and mend its tokenizer.

    Taken from the hub, or from a GGUF file inside an installed package; reloaded and compared.
    """
    from churnsaver_assets.text.model.base_model_cache import cached_base_model

    parsed = read_stage(settings, BaseModelSettings)
    target = checkpoints.fresh("base_model_files")
    context.log.info("converting %s", parsed.base_model.name)
    report = cached_base_model(parsed.base_model, target, told=context.log.info)
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
    """Fine-tune on the best-ranked replies, LoRA merged into the weights.

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
            run=replace(run, seed=run.seed + seed_offset),
            target=target,
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


@asset_check(
    asset="sft_model",
    name="learnt_and_generalises",
    additional_ins={"gates": AssetIn("sft_gates")},
    blocking=True,
)
def learnt_and_generalises(model: Path, gates: Files) -> AssetCheckResult:
    """Check held-out perplexity against the base model's, and that the training loss did not rise.

    Batches differ, so a rise within the losses' own spread is none.
    """
    from churnsaver_assets.text.tuning.sft import FineTuneReport

    report = msgspec.json.decode((model / REPORT_FILE).read_bytes(), type=FineTuneReport)
    gate = read_stage(gates, SftGates).gate
    losses = [point.loss for point in report.loss]
    part = max(len(losses) // 3, 1)
    change = float(np.mean(losses[-part:]) - np.mean(losses[:part]))
    spread = float(np.std(losses))
    found = report.perplexity
    ratio = found.after.perplexity.mean / found.before.perplexity.mean
    return AssetCheckResult(
        passed=bool(
            np.isfinite(losses).all() and change <= spread and ratio <= gate.max_perplexity_ratio
        ),
        metadata={
            "perplexity over the base model's": ratio,
            "allowed": gate.max_perplexity_ratio,
            "change of the loss, last third less first": change,
            "spread of the loss": spread,
        },
    )


@asset_check(
    asset="reward_model",
    name="tells_pairs_apart",
    additional_ins={"gates": AssetIn("reward_gates")},
    blocking=True,
)
def tells_pairs_apart(model: Path, gates: Files) -> AssetCheckResult:
    """Check that the held-out AUC over pair margins reaches its bounds, alone and over length."""
    from churnsaver_assets.text.reward.evaluation import ALL
    from churnsaver_assets.text.reward.report import RewardReport

    report = msgspec.json.decode((model / REPORT_FILE).read_bytes(), type=RewardReport)
    gate = read_stage(gates, RewardGates).gate
    pooled = report.figures[ALL]
    over_length = pooled.auc - pooled.length_only_auc
    return AssetCheckResult(
        passed=pooled.auc >= gate.min_reward_auc and over_length >= gate.min_auc_over_length,
        metadata={
            "AUC": pooled.auc,
            "required": gate.min_reward_auc,
            "AUC less that of length alone": over_length,
            "required over length": gate.min_auc_over_length,
            "by source": metadata.table(
                [
                    {
                        "source": name,
                        "pairs": one.pairs,
                        "accuracy": f"{one.accuracy.mean:.3f}",
                        "low": f"{one.accuracy.low:.3f}",
                        "high": f"{one.accuracy.high:.3f}",
                        "length only": f"{one.length_only_accuracy:.3f}",
                        "AUC": f"{one.auc:.3f}",
                    }
                    for name, one in report.figures.items()
                ]
            ),
        },
    )


@asset_check(
    asset="reward_model",
    name="scores_after_reload",
    additional_ins={
        "base": AssetIn("base_model"),
        "pairs": AssetIn("preference_pairs"),
        "settings": AssetIn("reward_model_settings"),
    },
    blocking=True,
)
def scores_after_reload(
    model: Path, base: Path, pairs: pd.DataFrame, settings: Files
) -> AssetCheckResult:
    """Check that the stored model, loaded, tells held-out replies apart; a constant one fails."""
    from churnsaver_assets.text.model.loading import load_tokenizer
    from churnsaver_assets.text.prompts.tables import preferences

    scorer = load_reward(model, base, read_stage(settings, RewardModelSettings).hardware)
    held_out = pairs[pairs["split"] == "holdout"].head(_RELOADED_PAIRS)
    rows = preferences(held_out, load_tokenizer(base))
    asked = [row.prompt for row in rows]
    chosen = np.asarray(scorer.score(asked, [row.chosen for row in rows]))
    rejected = np.asarray(scorer.score(asked, [row.rejected for row in rows]))
    ties = int((chosen == rejected).sum())
    spread = float(np.concatenate([chosen, rejected]).std())
    return AssetCheckResult(
        passed=bool(
            np.isfinite(chosen).all() and np.isfinite(rejected).all() and ties == 0 and spread > 0
        ),
        metadata={
            "pairs": len(rows),
            "ties": ties,
            "spread of scores": spread,
            "accuracy": float((chosen > rejected).mean()),
        },
    )
