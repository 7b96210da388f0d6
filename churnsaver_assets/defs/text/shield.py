"""Shield assets: rules, wording, templates and quiet hours, and the shield's figures on probes."""

from typing import Final

import msgspec
from dagster import AssetCheckResult, AssetIn, MaterializeResult, asset, asset_check

from churnsaver_assets.defs.lib import metadata
from churnsaver_assets.defs.lib.io import Files
from churnsaver_assets.defs.lib.versions import code_version, files_version
from churnsaver_assets.defs.settings.stage import read_stage
from churnsaver_assets.defs.settings.text import ShieldGates
from churnsaver_assets.defs.text.shared import OWNERS, SHIELD_FILE

WORDING_FILE: Final = "wording.json"
TEMPLATES_FILE: Final = "templates.json"
SENDING_FILE: Final = "sending.json"
SHIELD_REPORT_FILE: Final = "shield_report.json"


@asset(
    group_name="messages",
    kinds={"json"},
    owners=OWNERS,
    code_version=code_version(__name__, "shield_rules"),
    io_manager_key="files",
)
def shield_rules() -> MaterializeResult[Files]:
    """Take the shield's rules, the wording and the templates that people wrote and vetted.

    The rules say what may be said, the wording what code puts around a message's body, and the
    templates what is sent where the bank has nothing. All are versioned in the release.
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
    """Take the quiet hours and the time zones of customers, by which messages go out.

    They are kept apart from the shield's rules: other hours need no other writer.
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
    """Try the shield on attacks of every kind and on harmless messages."""
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


@asset_check(
    asset="shield_report",
    name="stops_attacks_and_lets_pass",
    additional_ins={"gates": AssetIn("shield_gates")},
    blocking=True,
)
def stops_attacks_and_lets_pass(files: Files, gates: Files) -> AssetCheckResult:
    """Check catch rate and false alarms on probes not looked at while the rules were written."""
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
