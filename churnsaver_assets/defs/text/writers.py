"""Models that write the messages: fine-tuned on own best samples, then trained by PPO."""

from pathlib import Path
from typing import Final

import msgspec
import pandas as pd
from dagster import (
    AssetCheckResult,
    AssetExecutionContext,
    AssetIn,
    MaterializeResult,
    MetadataValue,
    asset,
    asset_check,
)

from churnsaver_assets.defs.lib import metadata
from churnsaver_assets.defs.lib.io import Files
from churnsaver_assets.defs.lib.labels import LABEL, label_of
from churnsaver_assets.defs.lib.resources import Checkpoints
from churnsaver_assets.defs.lib.versions import code_version, files_version, frame_version
from churnsaver_assets.defs.settings.stage import read_stage
from churnsaver_assets.defs.settings.text import (
    PpoSettings,
    RejectionSettings,
)
from churnsaver_assets.defs.text.shared import (
    OWNERS,
    SCALE_FILE,
    SHIELD_FILE,
    RewardScale,
    load_reward,
    message_reward,
    model_version,
    new_run,
    requests,
    write_report,
)

SAMPLES_FILE: Final = "samples.parquet"

_RELOADED_PROMPTS = 4


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
    """Fine-tune on own samples that pass the strict rules, in rounds (RAFT).

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
        run=new_run(
            context,
            checkpoints,
            parsed,
            model_version(sft),
            frame_version(prompts),
            files_version(shield),
        ),
        shield=Shield.from_bytes(shield[SHIELD_FILE]),
        target=target,
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
    """Score the starting model's own messages: their spread is the unit of the reward."""
    from churnsaver_assets.text.model.draws import draw_completions
    from churnsaver_assets.text.reward.message_reward import fit_normaliser

    parsed = read_stage(settings, RejectionSettings)
    train = prompts[prompts["split"] == "train"].head(parsed.prompts.scale)
    asked = requests(train, start)
    written = draw_completions(
        start,
        [prompt.text for prompt in asked],
        parsed.sampling,
        new_run(context, checkpoints, parsed, model_version(start), frame_version(prompts)),
        chunk=parsed.rejection.chunk,
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
    """Write the settings with which a server writes while the customer waits."""
    from churnsaver_assets.text.model.loading import load_tokenizer
    from churnsaver_assets.text.prompts.requests import retention_prompts
    from churnsaver_serving.runtime.context import all_contexts
    from churnsaver_serving.runtime.messages.writers import WRITER_FILE, WriterSpec

    contexts = all_contexts(settings.offers_pct)
    prompts = retention_prompts(load_tokenizer(directory), {one.key: one for one in contexts})
    spec = WriterSpec(
        checkpoint=model_version(directory).value,
        max_new_tokens=settings.sampling.max_new_tokens,
        temperature=settings.sampling.temperature,
        prompts={prompt.id: prompt.text for prompt in prompts},
    )
    (directory / WRITER_FILE).write_bytes(msgspec.json.encode(spec))


@asset(
    ins={
        "start": AssetIn("rejection_model"),
        "base": AssetIn("base_model"),
        "reward": AssetIn("reward_model"),
        "scale": AssetIn("reward_scale"),
        "prompts": AssetIn("retention_prompts"),
        "shield": AssetIn("shield_rules"),
        "settings": AssetIn("ppo_settings"),
    },
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
    """Train the model that writes the messages: PPO on reward model, shield and brevity.

    The KL penalty keeps it near the model it started from; its weight adapts to a target.
    """
    from churnsaver_assets.text.ppo.plots import ppo_curves_png
    from churnsaver_assets.text.ppo.train import train_ppo

    parsed = read_stage(settings, PpoSettings)
    target = checkpoints.fresh("ppo_text_model_files")
    report = train_ppo(
        start,
        message_reward(load_reward(reward, base, parsed.hardware), scale, shield, parsed),
        requests(prompts[prompts["split"] == "train"], start),
        parsed.ppo,
        parsed.sampling,
        run=new_run(
            context,
            checkpoints,
            parsed,
            model_version(start),
            model_version(reward),
            files_version(scale),
            frame_version(prompts),
            files_version(shield),
        ),
        target=target,
    )
    write_report(target, report)
    _write_live(target, parsed)
    curves = ppo_curves_png(report.curves, parsed.ppo.kl.target)
    return MaterializeResult(
        value=target,
        data_version=model_version(target),
        metadata={
            "learning curves": metadata.picture(curves, "learning curves"),
            "last iteration": MetadataValue.json(msgspec.to_builtins(report.curves.figures[-1])),
            "beta, for the next": MetadataValue.float(report.beta),
        },
    )


@asset_check(
    asset="ppo_text_model",
    name="writes_after_reload",
    additional_ins={
        "prompts": AssetIn("retention_prompts"),
        "settings": AssetIn("ppo_settings"),
    },
    blocking=True,
)
def writes_after_reload(model: Path, prompts: pd.DataFrame, settings: Files) -> AssetCheckResult:
    """Check that the stored model, loaded twice as the bank loads it, writes the same texts."""
    from churnsaver_assets.text.model.generation import generate
    from churnsaver_assets.text.model.loading import load_model, load_tokenizer

    parsed = read_stage(settings, PpoSettings)
    tokenizer = load_tokenizer(model)
    rows = prompts[prompts["split"] == "holdout"].head(_RELOADED_PROMPTS)
    asked = [prompt.text for prompt in requests(rows, model)]
    written = [
        [
            one.text
            for one in generate(
                load_model(model, parsed.hardware, dtype=parsed.hardware.frozen_dtype),
                tokenizer,
                asked,
                sampling=parsed.sampling,
                seed=parsed.seed,
                greedy=True,
            )
        ]
        for _ in range(2)
    ]
    return AssetCheckResult(
        passed=written[0] == written[1] and all(written[0]),
        metadata={"greedy": metadata.table([{"message": text} for text in written[0]])},
    )
