"""Message assets: what may be said, how good the writers are, and the bank that is served."""

from pathlib import Path
from typing import Final

import msgspec
from dagster import (
    AssetExecutionContext,
    AssetIn,
    MaterializeResult,
    asset,
)

from churnsaver_assets.defs.lib import metadata
from churnsaver_assets.defs.lib.io import Files
from churnsaver_assets.defs.lib.resources import Checkpoints
from churnsaver_assets.defs.lib.versions import code_version, files_version
from churnsaver_assets.defs.settings.stage import read_stage
from churnsaver_assets.defs.settings.text import BankSettings
from churnsaver_assets.defs.text.shared import (
    SHIELD_FILE,
    load_reward,
    model_version,
    new_run,
    read_scale,
)

OWNERS: Final = ["team:messages"]
WORDING_FILE: Final = "wording.json"
TEMPLATES_FILE: Final = "templates.json"
SENDING_FILE: Final = "sending.json"
BANK_FILE: Final = "bank.json"
BANK_CSV: Final = "bank.csv"
SHIELD_REPORT_FILE: Final = "shield_report.json"

_REVIEWED_ROWS = 200
_CLAUSES = 5


@asset(
    group_name="messages",
    kinds={"json"},
    owners=OWNERS,
    code_version=code_version(__name__, "shield_rules"),
    io_manager_key="files",
)
def shield_rules() -> MaterializeResult[Files]:
    """What may be said and what code says itself: the shield's rules, wording and templates.

    Written and vetted by people; versioned in the release.
    """
    from churnsaver_serving.runtime.messages.templates import default_templates
    from churnsaver_serving.runtime.messages.wording import default_wording
    from churnsaver_serving.runtime.shield.rules import default_rules
    from churnsaver_serving.runtime.shield.shield import Shield

    files = {
        SHIELD_FILE: default_rules(),
        WORDING_FILE: default_wording(),
        TEMPLATES_FILE: default_templates(),
    }
    shield = Shield.from_bytes(files[SHIELD_FILE])
    return MaterializeResult(
        value=files,
        data_version=files_version(files),
        metadata={"version": shield.version, "sha256": shield.sha256},
    )


@asset(
    group_name="messages",
    kinds={"json"},
    owners=OWNERS,
    code_version=code_version(__name__, "sending_hours"),
    io_manager_key="files",
)
def sending_hours() -> MaterializeResult[Files]:
    """When messages may go out: quiet hours, and the clocks that customers go by.

    Apart from the rules of the shield, which training depends on and which these are none of.
    """
    from churnsaver_serving.runtime.messages.sending import Sending, default_sending

    files = {SENDING_FILE: default_sending()}
    sending = msgspec.json.decode(files[SENDING_FILE], type=Sending)
    return MaterializeResult(
        value=files,
        data_version=files_version(files),
        metadata={
            "nothing is sent": f"{sending.hours.start:%H:%M} to {sending.hours.end:%H:%M}",
            "zones": len(sending.zones.every),
            "version of the zones": sending.zones.version,
        },
    )


@asset(
    ins={"shield": AssetIn("shield_rules")},
    # Its check reads them: a bound that was changed is checked anew.
    deps=["shield_gates"],
    group_name="messages",
    kinds={"json"},
    owners=OWNERS,
    code_version=code_version(__name__, "shield_report"),
    io_manager_key="files",
)
def shield_report(shield: Files) -> MaterializeResult[Files]:
    """The shield on attacks of every kind and on harmless messages: catch rate and false alarms."""
    from churnsaver_assets.text.judging.shield_probes import probe_report, probe_table
    from churnsaver_serving.runtime.shield.shield import Shield

    report = probe_report(Shield.from_bytes(shield[SHIELD_FILE]))
    files = {SHIELD_REPORT_FILE: msgspec.json.format(msgspec.json.encode(report))}
    return MaterializeResult(
        value=files,
        data_version=files_version(files),
        metadata={
            "by rule": metadata.table(
                [
                    {str(name): str(value) for name, value in row.items()}
                    for row in probe_table(report).round(3).to_dict("records")
                ]
            )
        },
    )


@asset(
    ins={
        "writer": AssetIn("ppo_text_model"),
        "base": AssetIn("base_model"),
        "reward": AssetIn("reward_model"),
        "scale": AssetIn("reward_scale"),
        "shield": AssetIn("shield_rules"),
        "settings": AssetIn("bank_settings"),
    },
    group_name="messages",
    kinds={"json"},
    owners=OWNERS,
    code_version=code_version(__name__, "message_bank"),
    io_manager_key="files",
)
def message_bank(
    context: AssetExecutionContext,
    checkpoints: Checkpoints,
    writer: Path,
    base: Path,
    reward: Path,
    scale: Files,
    shield: Files,
    settings: Files,
) -> MaterializeResult[Files]:
    """Messages of the PPO model for every context: past the shield, ranked by the reward model.

    A context with too few of them falls back to the vetted templates. Every candidate, with what
    became of it, is in the CSV: let a person read it before a release goes live.
    """
    from churnsaver_assets.text.bank import Ranker, bank_csv, bank_of, write_candidates
    from churnsaver_assets.text.judging.diversity import common_clauses
    from churnsaver_serving.runtime.context import all_contexts
    from churnsaver_serving.runtime.messages.wording import Wording
    from churnsaver_serving.runtime.shield.shield import Shield

    parsed = read_stage(settings, BankSettings)
    spec = parsed.bank
    fitted = read_scale(scale)
    guard = Shield.from_bytes(shield[SHIELD_FILE])
    candidates = write_candidates(
        writer,
        all_contexts(parsed.offers_pct, spec.tones, spec.channels),
        spec,
        sampling=parsed.sampling,
        run=new_run(context, checkpoints, parsed, model_version(writer)),
        shield=guard,
        wording=msgspec.json.decode(shield[WORDING_FILE], type=Wording),
        ranker=Ranker(load_reward(reward, base, parsed.hardware), fitted.mean, fitted.std),
    )
    bank = bank_of(
        candidates,
        checkpoint=model_version(writer).value,
        reward_model=model_version(reward).value,
        shield=guard.sha256,
    )
    files = {BANK_FILE: msgspec.json.encode(bank), BANK_CSV: bank_csv(candidates)}
    kept = candidates[candidates["kept"]]
    rows = [
        {name: str(row[name]) for name in ("context", "rank", "score", "tokens", "message")}
        for row in kept.head(_REVIEWED_ROWS).to_dict("records")
    ]
    contexts = candidates["context"].nunique()
    # What a writer tells nearly everyone of a kind shows here: look whether it is true of them.
    said = [
        {"standing": str(standing), "share": f"{share:.2f}", "said": clause}
        for standing, some in kept.groupby("standing")
        for clause, share in common_clauses(some["body"].tolist(), _CLAUSES)
    ]
    return MaterializeResult(
        value=files,
        data_version=files_version(files),
        metadata={
            "scale": parsed.scale,
            "checkpoint": bank.checkpoint,
            "contexts with messages": f"{len(bank.contexts)} of {contexts}",
            "messages kept": len(kept),
            "candidates": len(candidates),
            "share of them that passed": float((candidates["rules"] == "").mean()),
            "said most": metadata.table(said),
            "messages": metadata.table(rows),
        },
    )
