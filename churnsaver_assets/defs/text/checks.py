"""Blocking checks on the text models, their messages and the shield."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

import msgspec
import numpy as np
import pandas as pd
from dagster import (
    AssetCheckResult,
    AssetChecksDefinition,
    AssetIn,
    MetadataValue,
    asset_check,
)

from churnsaver_assets.defs.lib import metadata
from churnsaver_assets.defs.lib.io import Files
from churnsaver_assets.defs.settings.stage import read_stage
from churnsaver_assets.defs.settings.text import (
    BankSettings,
    PpoSettings,
    RewardGates,
    RewardModelSettings,
    SftGates,
    ShieldGates,
    WriterGates,
)
from churnsaver_assets.defs.text.bank import (
    BANK_FILE,
    SHIELD_REPORT_FILE,
    TEMPLATES_FILE,
    WORDING_FILE,
)
from churnsaver_assets.defs.text.evaluation import read_text_evaluation
from churnsaver_assets.defs.text.shared import (
    REPORT_FILE,
    SHIELD_FILE,
    load_reward,
    model_version,
    requests,
)

_RELOADED_PROMPTS = 4
_RELOADED_PAIRS = 48

# A check's inputs must be upstream of its asset: else they may not be there yet.
_GATE_INS: Final = {"gates": AssetIn("writer_gates")}


@asset_check(
    asset="sft_model",
    name="learnt_and_generalises",
    additional_ins={"gates": AssetIn("sft_gates")},
    blocking=True,
)
def learnt_and_generalises(model: Path, gates: Files) -> AssetCheckResult:
    """Held-out perplexity against the base model's, and a training loss that did not rise.

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
    """Held-out AUC over pair margins reaches its bound, alone and against length."""
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
    """The stored model, loaded, tells held-out replies apart: a constant reward fails here."""
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
    """The stored model, loaded twice as the bank loads it, writes one greedy text, not empty."""
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


def _evaluation_check(
    name: str, description: str, bounds: Mapping[str, str], *, least: bool
) -> AssetChecksDefinition:
    """A check of PPO's figures against its gate.

    Args:
        name: of the check.
        description: of the check.
        bounds: names of figures to names of bounds.
        least: whether a figure must be at least its bound, or at most.
    """

    @asset_check(
        asset="text_evaluation",
        name=name,
        additional_ins=_GATE_INS,
        blocking=True,
        description=description,
    )
    def check(evaluation: Files, gates: Files) -> AssetCheckResult:
        figures = _figures(evaluation)
        gate = read_stage(gates, WriterGates).gate
        passed = True
        shown: dict[str, MetadataValue | float] = {}
        for figure, bound in bounds.items():
            found, limit = figures[figure], float(getattr(gate, bound))
            passed &= found >= limit if least else found <= limit
            shown |= {figure.replace("_", " "): found, bound.replace("_", " "): limit}
        return AssetCheckResult(passed=passed, metadata=shown)

    return check


def _figures(evaluation: Files) -> dict[str, float]:
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


@asset_check(asset="text_evaluation", name="reward_is_not_hacked", blocking=True)
def reward_is_not_hacked(evaluation: Files) -> AssetCheckResult:
    """No degenerate text (repetition, flattery, echo, nothing at all) out-scores a good message."""
    found = read_text_evaluation(evaluation).hacking
    return AssetCheckResult(
        passed=found.passed,
        metadata={
            "good messages": found.good,
            "share above their good message": found.above_good,
            "likewise by the reward model alone": found.above_good_by_reward_model,
        },
    )


@asset_check(
    asset="shield_report",
    name="stops_attacks_and_lets_pass",
    additional_ins={"gates": AssetIn("shield_gates")},
    blocking=True,
)
def stops_attacks_and_lets_pass(files: Files, gates: Files) -> AssetCheckResult:
    """On probes that nobody looked at while the rules were written."""
    from churnsaver_assets.text.judging.shield_probes import ProbeReport

    held = msgspec.json.decode(files[SHIELD_REPORT_FILE], type=ProbeReport).parts["held"]
    gate = read_stage(gates, ShieldGates).gate
    return AssetCheckResult(
        passed=held.stopped.mean >= gate.min_attacks_stopped
        and held.false_alarms.mean <= gate.max_false_alarms,
        metadata={
            "attacks stopped": held.stopped.mean,
            "required": gate.min_attacks_stopped,
            "false alarms": held.false_alarms.mean,
            "allowed": gate.max_false_alarms,
        },
    )


@asset_check(
    asset="message_bank",
    name="fit_to_be_sent",
    additional_ins={
        "writer": AssetIn("ppo_text_model"),
        "shield": AssetIn("shield_rules"),
        "settings": AssetIn("bank_settings"),
    },
    blocking=True,
)
def fit_to_be_sent(files: Files, writer: Path, shield: Files, settings: Files) -> AssetCheckResult:
    """Every message is this checkpoint's and passes the shield again, alone and as sent.

    Every context of the experiment's offers gets something: the bank's or a template.
    """
    from churnsaver_serving.runtime.context import all_contexts
    from churnsaver_serving.runtime.messages.bank import MessageBank
    from churnsaver_serving.runtime.messages.composer import Composer
    from churnsaver_serving.runtime.messages.templates import Templates
    from churnsaver_serving.runtime.messages.wording import Wording
    from churnsaver_serving.runtime.shield.shield import Shield

    parsed = read_stage(settings, BankSettings)
    guard = Shield.from_bytes(shield[SHIELD_FILE])
    wording = msgspec.json.decode(shield[WORDING_FILE], type=Wording)
    bank = msgspec.json.decode(files[BANK_FILE], type=MessageBank)
    contexts = {one.key: one for one in all_contexts(parsed.offers_pct)}
    refused = [
        message.id
        for key, messages in bank.contexts.items()
        for message in messages
        if not guard.check_body(message.body, contexts[key]).passed
        or not guard.check_message(
            wording.render(message.body, wording.facts(contexts[key]), contexts[key].channel),
            wording.facts(contexts[key]),
            contexts[key].channel,
        ).passed
    ]
    few = [key for key, found in bank.contexts.items() if len(found) < parsed.bank.least_usable]
    composer = Composer(
        wording, msgspec.json.decode(shield[TEMPLATES_FILE], type=Templates), bank, guard
    )
    silent = [key for key, one in contexts.items() if composer.compose(one, None, 0.5).text is None]
    own = bank.checkpoint == model_version(writer).value and bank.shield == guard.sha256
    return AssetCheckResult(
        passed=own and bool(bank.contexts) and not (refused or few or silent),
        metadata={
            "of this checkpoint and these rules": own,
            "messages": sum(map(len, bank.contexts.values())),
            "contexts with messages": len(bank.contexts),
            "contexts": len(contexts),
            "refused": ", ".join(refused) or "-",
            "contexts with too few": ", ".join(few) or "-",
            "contexts with nothing to send": ", ".join(silent) or "-",
        },
    )


evaluation_checks = [
    _evaluation_check(
        "wins_against_sft",
        "By what would be sent, PPO's messages win against SFT's.",
        {"win_rate": "min_win_rate"},
        least=True,
    ),
    _evaluation_check(
        "keeps_the_strict_rules",
        "The share of PPO's messages that pass every rule and come to their end.",
        {"strict_pass_rate": "min_strict_pass_rate"},
        least=True,
    ),
    _evaluation_check(
        "safe",
        "A second look at what would be sent: upper bound of the share of violations.",
        {"upper_bound_of_violations": "max_violations"},
        least=False,
    ),
    _evaluation_check(
        "short_enough",
        "Tokens of whole messages as they would be sent.",
        {"mean_tokens": "max_mean_tokens"},
        least=False,
    ),
    _evaluation_check(
        "near_its_start",
        "KL to the model that PPO began at.",
        {"kl_per_token": "max_kl"},
        least=False,
    ),
    _evaluation_check(
        "messages_differ",
        "The share of PPO's messages that repeat an earlier one word for word.",
        {"repeated_share": "max_repeated"},
        least=False,
    ),
]
