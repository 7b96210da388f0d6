"""The message bank that is served, and its check."""

from pathlib import Path
from typing import Final

import msgspec
from dagster import (
    AssetCheckResult,
    AssetExecutionContext,
    AssetIn,
    MaterializeResult,
    asset,
    asset_check,
)

from churnsaver_assets.defs.lib import metadata
from churnsaver_assets.defs.lib.io import Files
from churnsaver_assets.defs.lib.resources import Checkpoints
from churnsaver_assets.defs.lib.versions import code_version, files_version
from churnsaver_assets.defs.settings.stage import read_stage
from churnsaver_assets.defs.settings.text import BankSettings
from churnsaver_assets.defs.text.shared import (
    OWNERS,
    SHIELD_FILE,
    load_reward,
    model_version,
    new_run,
    read_scale,
)
from churnsaver_assets.defs.text.shield import TEMPLATES_FILE, WORDING_FILE

BANK_FILE: Final = "bank.json"
BANK_CSV: Final = "bank.csv"

_REVIEWED_ROWS = 200
_CLAUSES = 5


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
    """Write messages for every context with the PPO model, check and rank them, keep the best.

    A context with too few messages that pass the shield falls back to the vetted templates. The CSV
    has every candidate with its rules broken, score and rank: let a person read it before a release
    goes live.
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
    """Check that every message is this writer's and passes the shield again, alone and as sent.

    Every context of the experiment's offers must get a message: the bank's or a template.
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
