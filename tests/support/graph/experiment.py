"""The packaged experiment, so small that the whole graph runs in half a minute."""

from pathlib import Path
from typing import Any

import yaml

from churnsaver_assets.experiments.spec import experiment_source


def small_experiment(path: Path, language_model: Path) -> None:
    """The packaged experiment, smaller, with gates that only a broken model or policy fails.

    Args:
        path: File to write to.
        language_model: model directory of a small base model.
    """
    content = yaml.safe_load(experiment_source())
    for model in ("churn_risk", "offer_acceptance"):
        content[model]["rounds"] = 40
        content[model]["params"]["eta"] = 0.2
        content[model]["catboost"]["rounds"] = 20
        content["gates"]["sample"][model] = {"min_auc": 0.7, "max_ece": 0.05}
    content["gates"]["sample"]["churn_risk"]["min_auc"] = 0.78
    # Learnt from swapped answers it reaches 0.69: monotone columns keep it from a part of them.
    content["gates"]["sample"]["offer_acceptance"]["min_auc"] = 0.65
    content["offer_acceptance"]["temporal_blocks"] = 3
    _shrink_baselines(content["baselines"])
    _shrink_policy(content["policy"])
    content["pacing"] |= {"multipliers": [0, 0.3, 1.0], "customers": 60, "months": 1}
    _shrink_evaluation(content["evaluation"])
    # Few lives of few customers: one in three is lost by luck alone.
    content["gates"]["sample"]["policy"] = {"min_headroom": 0.2}
    _shrink_text(content["text"], language_model)
    content["gates"]["text"]["demo"] |= {
        "max_perplexity_ratio": 1.2,
        "min_reward_auc": 0.6,
        "min_auc_over_length": -0.1,
        "min_win_rate": 0.3,
        "min_strict_pass_rate": 0.05,
        "max_violations": 1.0,
        "max_kl": 1.0,
        "max_repeated": 1.0,
    }
    path.write_text(yaml.safe_dump(content))


def _shrink_baselines(baselines: dict[str, Any]) -> None:
    baselines["log_replicates"] = 2
    baselines["uplift"]["forest"]["trees"] = 2
    baselines["uplift"]["two_model"]["rounds"] = 10
    baselines["uplift"]["resamples"] = 100
    baselines["tuning"] |= {
        "customers": 60,
        "replicates": 1,
        "months": 1,
        "multipliers": [0, 0.6],
        "risk_quantiles": [0.3, 0.85],
        "contact_rates": [0.1, 1.0],
        "refinements": 0,
    }


def _shrink_policy(policy: dict[str, Any]) -> None:
    policy["network"]["hidden"] = [16]
    policy["rollout"] |= {"groups": 8, "customers": 48, "parts": 2, "history_days": 7}
    policy["warm_up"]["updates"] = 2
    policy["ppo"]["updates"] = 4
    policy["probe"] = {"every": 3, "customers": 32, "days": 14, "multipliers": [0.0, 0.5]}
    policy["checkpoint_every"] = 1


def _shrink_evaluation(evaluation: dict[str, Any]) -> None:
    evaluation["scored_months"] = 1
    evaluation["release"] |= {
        "customers": 80,
        "replicates": 2,
        "start_months": 1,
        "worlds": 2,
        "world_customers": 60,
    }


def _shrink_text(text: dict[str, Any], language_model: Path) -> None:
    text["scale"] = "demo"
    text["base_model"] = {"source": "directory", "name": str(language_model)}
    text["hardware"] |= {"device": "cpu", "threads": 1, "bf16": False}
    text["data"]["preference_sources"] = ["hh_rlhf"]
    text["lora"]["r"] = 4
    text["sft"] |= {"rows": 64, "max_tokens": 400, "steps": 6, "batch_rows": 2, "evaluated_rows": 6}
    text["reward_model"] |= {
        "kind": "probe",
        "pairs": 120,
        "gold_pairs": 120,
        "evaluated_pairs": 60,
        "max_tokens": 128,
        "ridge": [10.0, 100.0],
    }
    text["prompts"] = {"train": 96, "holdout": 24, "scale": 16, "explored": 0.5}
    text["sampling"] |= {"max_new_tokens": 56, "batch_rows": 24}
    text["rejection"] |= {"rounds": 1, "samples": 48, "least_passing": 4, "chunk": 24}
    text["rejection"]["fine_tune"] |= {"steps": 3, "batch_rows": 4, "evaluated_rows": 4}
    text["ppo"] |= {"iterations": 2, "batch_rows": 8, "minibatch_rows": 8, "epochs": 1}
    text["ppo"]["lora"]["r"] = 4
    text["judge"] |= {"prompts": 12, "best_of": [2], "resamples": 100, "chunk": 12}
    text["bank"] |= {"tones": ["warm"], "channels": ["email"], "candidates": 8, "least_usable": 1}
