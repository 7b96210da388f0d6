"""The release asset: packs what passed its checks, and refuses where one is in the way."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import cast

import msgspec
import pandas as pd
from dagster import (
    AssetExecutionContext,
    AssetIn,
    AssetKey,
    AssetsDefinition,
    DataVersion,
    MaterializeResult,
    MetadataValue,
    asset,
)

from churnsaver_assets.defs.data import catalog_version
from churnsaver_assets.defs.evaluation import policy_headline, read_policy_evaluation
from churnsaver_assets.defs.experiment import EXPERIMENT_FILE, read_experiment
from churnsaver_assets.defs.holidays import HOLIDAYS_FILE
from churnsaver_assets.defs.lib.gate import Gate, GateClosed, pass_gates, verified_upstream
from churnsaver_assets.defs.lib.io import RELEASE_ID, Files
from churnsaver_assets.defs.lib.metadata import table
from churnsaver_assets.defs.lib.optional import optional
from churnsaver_assets.defs.lib.packing import build_manifest, policy_files, release_files
from churnsaver_assets.defs.lib.resources import ReleaseStore
from churnsaver_assets.defs.lib.versions import code_version, files_version, frame_version
from churnsaver_assets.defs.tabular import EVALUATION_FILE, headline
from churnsaver_assets.defs.text.bank import BANK_FILE
from churnsaver_assets.defs.text.evaluation import evaluation_version, message_headline
from churnsaver_assets.defs.text.shared import SHIELD_FILE
from churnsaver_assets.defs.text.shield import SENDING_FILE, TEMPLATES_FILE, WORDING_FILE
from churnsaver_assets.experiments.spec import source_hash
from churnsaver_serving.runtime.manifest import Dataset, Experiment, MessageSource
from churnsaver_serving.runtime.messages.files import message_files
from churnsaver_serving.runtime.policies.pacing import PACING_FILE
from churnsaver_serving.runtime.policies.served_policy import BASELINE_FILE

UPSTREAM = {
    "experiment": "experiment",
    "catalog": "data_catalog",
    "customers": "telco_customers",
    "risk": "churn_risk_model",
    "acceptance": "offer_acceptance_model",
    "risk_evaluation": "churn_risk_evaluation",
    "acceptance_evaluation": "offer_acceptance_evaluation",
    "policy": "ppo_policy",
    "baselines": "baseline_policies",
    "pacing": "pacing_rule",
    "policy_evaluation": "policy_evaluation",
    "shield": "shield_rules",
    "sending": "sending_hours",
    "holidays": "contact_holidays",
    "shield_report": "shield_report",
}
"""Names of the assets that every release is made of, by the argument of the release asset."""

MESSAGE_BANK = {"bank": "message_bank", "text_evaluation": "text_evaluation"}
"""Names of the assets that are in a release where it has a bank."""


@dataclass(frozen=True, slots=True)
class _Messages:
    """What a release says of its messages, with the bank where it has one.

    Attributes:
        source: The entry of the manifest.
        files: The bank's files; None for templates alone.
        upstream: Versions of the assets behind the bank; empty without it.
        metrics: Headline figures of the bank's writer; empty without it.
    """

    source: MessageSource
    files: Files | None = None
    upstream: Mapping[str, DataVersion] = field(default_factory=dict)
    metrics: Mapping[str, dict[str, float]] = field(default_factory=dict)


def _choose_messages(context: AssetExecutionContext, gate: Gate, *, full_scale: bool) -> _Messages:
    """Take the bank where one is current and passed its checks; else the templates, and say why.

    Args:
        context: Context of the release asset.
        gate: The gate before a bank.
        full_scale: Whether the text models are trained in earnest.
    """
    if context.instance.get_latest_materialization_event(AssetKey(MESSAGE_BANK["bank"])) is None:
        return _Messages(MessageSource("templates", "no message bank was made"))
    try:
        pass_gates(context.instance, gate)
        bank, evaluation = (
            cast("Files", context.load_asset_value(AssetKey(name)))
            for name in MESSAGE_BANK.values()
        )
    except (GateClosed, FileNotFoundError) as error:
        context.log.warning("NO MESSAGE BANK in this release, templates alone: %s", error)
        return _Messages(MessageSource("templates", str(error)))
    return _Messages(
        MessageSource("bank", None),
        files=bank,
        upstream={
            MESSAGE_BANK["bank"]: files_version(bank),
            MESSAGE_BANK["text_evaluation"]: evaluation_version(evaluation),
        },
        metrics={
            "messages": {
                **message_headline(evaluation),
                # 0: trained so far that the loop is seen to work, no further.
                "full_scale": float(full_scale),
            }
        },
    )


def build_release_asset(required: Gate, banked: Gate) -> AssetsDefinition:
    """Build the release asset.

    Args:
        required: The gate before every release.
        banked: The gate before a message bank, for a release that has one.
    """

    @asset(
        name="release",
        ins={argument: AssetIn(name) for argument, name in UPSTREAM.items()},
        # Loaded where they are current: a release can do without, and a new bank is a new release.
        deps=[*MESSAGE_BANK.values()],
        metadata=optional(MESSAGE_BANK.values()),
        group_name="release",
        kinds={"json", "xgboost"},
        owners=["team:growth"],
        code_version=code_version(__name__),
        io_manager_key="release_ids",
        description=(
            "An immutable, hash-verified directory that the API serves. Refused when a blocking "
            "check upstream is missing, failed or stale, or when what goes in does not fit "
            "together. With the message bank where one is current and passed its checks, else with "
            "the vetted templates alone; it says which. Its own value is the release's id."
        ),
    )
    def release(
        context: AssetExecutionContext,
        releases: ReleaseStore,
        experiment: Files,
        catalog: pd.DataFrame,
        customers: pd.DataFrame,
        risk: Files,
        acceptance: Files,
        risk_evaluation: Files,
        acceptance_evaluation: Files,
        policy: Files,
        baselines: Files,
        pacing: Files,
        policy_evaluation: Files,
        shield: Files,
        sending: Files,
        holidays: Files,
        shield_report: Files,
    ) -> MaterializeResult[Files]:
        from churnsaver_assets.decision.play.candidates import candidates
        from churnsaver_serving.runtime.engine.release import write_release
        from churnsaver_serving.runtime.policies.learned import LearnedPolicy

        parsed = read_experiment(experiment)
        full_scale = parsed.text.scale == "full"
        pass_gates(context.instance, required)
        messages = _choose_messages(context, banked, full_scale=full_scale)
        gates = (required,) if messages.files is None else (required, banked)
        checks = pass_gates(context.instance, *gates)
        upstream = verified_upstream(
            context.instance,
            {
                UPSTREAM["experiment"]: files_version(experiment),
                UPSTREAM["catalog"]: catalog_version(catalog),
                UPSTREAM["customers"]: frame_version(customers),
                UPSTREAM["risk"]: files_version(risk),
                UPSTREAM["acceptance"]: files_version(acceptance),
                UPSTREAM["risk_evaluation"]: files_version(risk_evaluation),
                UPSTREAM["acceptance_evaluation"]: files_version(acceptance_evaluation),
                UPSTREAM["policy"]: files_version(policy),
                UPSTREAM["baselines"]: files_version(baselines),
                UPSTREAM["pacing"]: files_version(pacing),
                UPSTREAM["policy_evaluation"]: files_version(policy_evaluation),
                UPSTREAM["shield"]: files_version(shield),
                UPSTREAM["sending"]: files_version(sending),
                UPSTREAM["holidays"]: files_version(holidays),
                UPSTREAM["shield_report"]: files_version(shield_report),
                **messages.upstream,
            },
        )
        files = release_files(
            risk=risk,
            acceptance=acceptance,
            policy=policy_files(
                candidates(parsed.assumptions, LearnedPolicy.from_files(policy)),
                read_policy_evaluation(policy_evaluation).default,
                pacing[PACING_FILE],
                baselines[BASELINE_FILE],
            ),
            messages=message_files(
                shield[WORDING_FILE],
                shield[TEMPLATES_FILE],
                shield[SHIELD_FILE],
                sending[SENDING_FILE],
                None if messages.files is None else messages.files[BANK_FILE],
            ),
            holidays=holidays[HOLIDAYS_FILE],
            experiment=parsed,
            customers=customers,
        )
        manifest = build_manifest(
            files,
            label="sample" if (catalog["label"] == "sample").any() else "real",
            experiment=Experiment(
                name=parsed.name, sha256=source_hash(experiment[EXPERIMENT_FILE])
            ),
            datasets=tuple(
                msgspec.convert({name: row[name] for name in Dataset.__struct_fields__}, Dataset)
                for row in catalog.to_dict("records")
            ),
            upstream=upstream,
            checks=tuple(checks),
            metrics={
                "churn_risk": headline(risk_evaluation[EVALUATION_FILE]),
                "offer_acceptance": headline(acceptance_evaluation[EVALUATION_FILE]),
                "served_policy": policy_headline(policy_evaluation),
                **messages.metrics,
            },
            messages=messages.source,
        )
        directory = write_release(releases.root, files, manifest)
        releases.point_to(directory.name)
        return MaterializeResult(
            value={RELEASE_ID: directory.name.encode()},
            data_version=DataVersion(directory.name),
            metadata={
                "release": directory.name,
                "path": MetadataValue.path(str(directory)),
                "data": manifest.data,
                "messages": messages.source.source,
                **(
                    {"trained at scale": parsed.text.scale}
                    if messages.source.reason is None
                    else {"no bank, because": messages.source.reason}
                ),
                "checks passed": table([msgspec.to_builtins(check) for check in checks]),
                "manifest": MetadataValue.json(msgspec.to_builtins(manifest)),
            },
        )

    return release
