"""The evaluation of the text models on held-out prompts, and its checks."""

from pathlib import Path
from typing import TYPE_CHECKING, Final, get_args

import msgspec
import pandas as pd
from dagster import (
    AssetCheckResult,
    AssetChecksDefinition,
    AssetExecutionContext,
    AssetIn,
    DataVersion,
    MaterializeResult,
    MetadataValue,
    asset,
    asset_check,
)

from churnsaver_assets.defs.lib import metadata
from churnsaver_assets.defs.lib.io import Files
from churnsaver_assets.defs.lib.resources import Checkpoints
from churnsaver_assets.defs.lib.versions import code_version, files_version, frame_version
from churnsaver_assets.defs.settings.stage import read_stage
from churnsaver_assets.defs.settings.text import JudgingSettings, WriterGates
from churnsaver_assets.defs.text.shared import (
    OWNERS,
    REPORT_FILE,
    SHIELD_FILE,
    load_reward,
    message_reward,
    model_version,
    new_run,
    requests,
)
from churnsaver_assets.defs.text.shield import WORDING_FILE

if TYPE_CHECKING:
    from churnsaver_assets.text.judging.report import TextEvaluation

TEXT_EVALUATION_FILE: Final = "text_evaluation.json"
REPORT_MARKDOWN: Final = "report.md"


def read_text_evaluation(files: Files) -> "TextEvaluation":
    """Read the `text_evaluation` asset's value."""
    from churnsaver_assets.text.judging.report import TextEvaluation

    return msgspec.json.decode(files[TEXT_EVALUATION_FILE], type=TextEvaluation)


def evaluation_version(files: Files) -> DataVersion:
    """Return an evaluation's data version: that of its figures, as plots may differ by a pixel."""
    return files_version({TEXT_EVALUATION_FILE: files[TEXT_EVALUATION_FILE]})


def message_headline(files: Files) -> dict[str, float]:
    """Return the figures of an evaluation that a release's manifest carries."""
    found = read_text_evaluation(files)
    ppo = found.ppo
    return {
        "prompts": found.prompts,
        "strict_pass_rate": ppo.strict_pass_rate,
        "sft_strict_pass_rate": ppo.sft_strict_pass_rate,
        "win_rate_over_sft": ppo.win_rate.mean,
        "win_rate_over_sft_low": ppo.win_rate.low,
        "gold_win_rate_over_sft": ppo.gold_win_rate.mean,
        "gold_win_rate_over_sft_low": ppo.gold_win_rate.low,
        "kl_per_token": ppo.kl_per_token,
        "mean_tokens": ppo.mean_tokens,
        "violations": ppo.violations,
        "messages": ppo.messages,
    }


@asset(
    ins={
        "base": AssetIn("base_model"),
        "sft": AssetIn("sft_model"),
        "rejection": AssetIn("rejection_model"),
        "ppo": AssetIn("ppo_text_model"),
        "reward": AssetIn("reward_model"),
        "gold": AssetIn("gold_judge"),
        "scale": AssetIn("reward_scale"),
        "prompts": AssetIn("retention_prompts"),
        "shield": AssetIn("shield_rules"),
        "settings": AssetIn("judging_settings"),
    },
    # Its checks read them: a bound that was changed is checked anew.
    deps=["writer_gates"],
    group_name="text",
    kinds={"huggingface"},
    owners=OWNERS,
    code_version=code_version(__name__, "text_evaluation"),
    io_manager_key="files",
)
def text_evaluation(
    context: AssetExecutionContext,
    checkpoints: Checkpoints,
    scale: Files,
    prompts: pd.DataFrame,
    shield: Files,
    settings: Files,
    **models: Path,
) -> MaterializeResult[Files]:
    """Judge messages that every writer wrote for the same held-out prompts at temperature 1.

    Report strict pass rates, win-rates by what would be sent and by the gold judge, KL,
    diversity, best-of-n, a second look at what would be sent, and a reward-hacking test.
    """
    from churnsaver_assets.text.judging.comparison import Judges, PolicyName
    from churnsaver_assets.text.judging.evaluate import TrainingReports, evaluate_text
    from churnsaver_assets.text.judging.markdown import evaluation_markdown
    from churnsaver_assets.text.judging.plots import best_of_n_png, breaches_png, win_rates_png
    from churnsaver_assets.text.judging.violations import toxicity_detectors
    from churnsaver_assets.text.reward.report import RewardReport
    from churnsaver_assets.text.tuning.sft import FineTuneReport
    from churnsaver_serving.runtime.messages.wording import Wording
    from churnsaver_serving.runtime.shield.shield import Shield

    parsed = read_stage(settings, JudgingSettings)
    held_out = prompts[prompts["split"] == "holdout"]
    guard = Shield.from_bytes(shield[SHIELD_FILE])
    writers: dict[PolicyName, Path] = {name: models[name] for name in get_args(PolicyName)}
    sft, reward, gold = models["sft"], models["reward"], models["gold"]
    scorer = load_reward(reward, models["base"], parsed.hardware)
    found = evaluate_text(
        writers,
        requests(held_out, models["rejection"]),
        Judges(
            reward=message_reward(scorer, scale, shield, parsed),
            gold=load_reward(gold, models["base"], parsed.hardware),
            wording=msgspec.json.decode(shield[WORDING_FILE], type=Wording),
            find_toxic=toxicity_detectors(guard, threshold=parsed.judge.toxicity_threshold),
        ),
        parsed.judge,
        sampling=parsed.sampling,
        run=new_run(
            context,
            checkpoints,
            parsed,
            *(model_version(one) for one in (*writers.values(), reward, gold)),
            files_version(shield),
            frame_version(prompts),
        ),
        reports=TrainingReports(
            scale=parsed.scale,
            sft=msgspec.json.decode(
                (sft / REPORT_FILE).read_bytes(), type=FineTuneReport
            ).perplexity,
            reward_model=msgspec.json.decode(
                (reward / REPORT_FILE).read_bytes(), type=RewardReport
            ),
            gold_judge=msgspec.json.decode((gold / REPORT_FILE).read_bytes(), type=RewardReport),
        ),
    )
    markdown = evaluation_markdown(found)
    pictures = {"breaches": breaches_png(found), "win_rates": win_rates_png(found)}
    if found.best_of_n is not None:
        pictures["best_of_n"] = best_of_n_png(found)
    files = {
        TEXT_EVALUATION_FILE: found.to_json(),
        REPORT_MARKDOWN: markdown.encode(),
        **{f"{name}.png": png for name, png in pictures.items()},
    }
    return MaterializeResult(
        value=files,
        data_version=evaluation_version(files),
        metadata={
            "scale": parsed.scale,
            "report": MetadataValue.md(markdown),
            **{name: metadata.picture(png, name) for name, png in pictures.items()},
        },
    )


def _evaluation_check(
    name: str, description: str, *, figure: str, bound: str, least: bool
) -> AssetChecksDefinition:
    """Make a check of one of PPO's figures against its bound.

    Args:
        name: Name of the check.
        description: Description of the check.
        figure: Name of the figure in `_checked_figures`.
        bound: Name of the bound in the gate.
        least: Whether the figure must be at least its bound; else it must be at most that.
    """

    @asset_check(
        asset="text_evaluation",
        name=name,
        # A check's inputs must be upstream of its asset: else they may not be there yet.
        additional_ins={"gates": AssetIn("writer_gates")},
        blocking=True,
        description=description,
    )
    def check(evaluation: Files, gates: Files) -> AssetCheckResult:
        found = _checked_figures(evaluation)[figure]
        limit = float(getattr(read_stage(gates, WriterGates).gate, bound))
        return AssetCheckResult(
            passed=found >= limit if least else found <= limit,
            metadata={figure.replace("_", " "): found, bound.replace("_", " "): limit},
        )

    return check


def _checked_figures(evaluation: Files) -> dict[str, float]:
    found = read_text_evaluation(evaluation)
    ppo = found.ppo
    return {
        "win_rate": ppo.win_rate.mean,
        "strict_pass_rate": ppo.strict_pass_rate,
        "upper_bound_of_violations": ppo.violations_upper_bound,
        "mean_tokens": ppo.mean_tokens,
        "kl_per_token": ppo.kl_per_token,
        "repeated_share": found.policies["ppo"].diversity.repeated_share,
    }


evaluation_checks = [
    _evaluation_check(
        "wins_against_sft",
        "By what would be sent, PPO's messages win against SFT's.",
        figure="win_rate",
        bound="min_win_rate",
        least=True,
    ),
    _evaluation_check(
        "keeps_the_strict_rules",
        "The share of PPO's messages that pass every rule and come to their end.",
        figure="strict_pass_rate",
        bound="min_strict_pass_rate",
        least=True,
    ),
    _evaluation_check(
        "safe",
        "A second look at what would be sent: upper bound of the share of violations.",
        figure="upper_bound_of_violations",
        bound="max_violations",
        least=False,
    ),
    _evaluation_check(
        "short_enough",
        "Tokens of whole messages as they would be sent.",
        figure="mean_tokens",
        bound="max_mean_tokens",
        least=False,
    ),
    _evaluation_check(
        "near_its_start",
        "KL to the model that PPO began at.",
        figure="kl_per_token",
        bound="max_kl",
        least=False,
    ),
    _evaluation_check(
        "messages_differ",
        "The share of PPO's messages that repeat an earlier one word for word.",
        figure="repeated_share",
        bound="max_repeated",
        least=False,
    ),
]


@asset_check(asset="text_evaluation", name="reward_is_not_hacked", blocking=True)
def reward_is_not_hacked(evaluation: Files) -> AssetCheckResult:
    """Check that no degenerate text (repetition, flattery, an echo, none) out-scores a good one."""
    found = read_text_evaluation(evaluation).hacking
    return AssetCheckResult(
        passed=found.passed,
        metadata={
            "good messages": found.good,
            "share above their good message": found.above_good,
            "share above by the reward model alone": found.above_good_by_reward_model,
        },
    )
