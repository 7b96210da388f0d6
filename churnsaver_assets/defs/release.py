"""The release asset: packs what passed its checks, and refuses where one is in the way."""

from collections.abc import Sequence

import msgspec
import pandas as pd
from dagster import (
    AssetCheckKey,
    AssetExecutionContext,
    AssetIn,
    AssetsDefinition,
    DataVersion,
    MaterializeResult,
    MetadataValue,
    asset,
)

from churnsaver_assets.defs.data import catalog_version
from churnsaver_assets.defs.evaluation import policy_headline
from churnsaver_assets.defs.experiment import EXPERIMENT_FILE, read_experiment
from churnsaver_assets.defs.lib.gate import (
    Lineage,
    check_lineage,
    passed_checks,
    verified_upstream,
)
from churnsaver_assets.defs.lib.io import Files
from churnsaver_assets.defs.lib.metadata import table
from churnsaver_assets.defs.lib.resources import ReleaseStore
from churnsaver_assets.defs.lib.versions import code_version, files_version, frame_version
from churnsaver_assets.defs.tabular import EVALUATION_FILE, headline
from churnsaver_assets.defs.text.bank import BANK_FILE
from churnsaver_assets.defs.text.evaluation import evaluation_version, message_headline
from churnsaver_assets.defs.text.shared import SHIELD_FILE
from churnsaver_assets.defs.text.shield import SENDING_FILE, TEMPLATES_FILE, WORDING_FILE
from churnsaver_assets.experiments.spec import source_hash
from churnsaver_assets.packing import build_manifest, policy_files, release_files
from churnsaver_serving.runtime.manifest import Dataset, Experiment
from churnsaver_serving.runtime.messages.files import message_files

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
    "policy_evaluation": "policy_evaluation",
    "shield": "shield_rules",
    "sending": "sending_hours",
    "shield_report": "shield_report",
    "bank": "message_bank",
    "text_evaluation": "text_evaluation",
}


def build_release_asset(required: Sequence[AssetCheckKey], lineage: Lineage) -> AssetsDefinition:
    """The release asset.

    Args:
        required: checks that must have passed on the latest data.
        lineage: assets that must fit together.
    """

    @asset(
        name="release",
        ins={argument: AssetIn(name) for argument, name in UPSTREAM.items()},
        group_name="release",
        kinds={"json", "xgboost"},
        owners=["team:growth"],
        code_version=code_version(__name__),
        io_manager_key="files",
        description=(
            "An immutable, hash-verified directory that the API serves. Refused when a blocking "
            "check upstream is missing, failed or stale, or when what goes in does not fit "
            "together. Its own value is the release's id."
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
        policy_evaluation: Files,
        shield: Files,
        sending: Files,
        shield_report: Files,
        bank: Files,
        text_evaluation: Files,
    ) -> MaterializeResult[Files]:
        from churnsaver_serving.runtime.release import write_release

        check_lineage(context.instance, lineage)
        checks = passed_checks(context.instance, required)
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
                UPSTREAM["policy_evaluation"]: files_version(policy_evaluation),
                UPSTREAM["shield"]: files_version(shield),
                UPSTREAM["sending"]: files_version(sending),
                UPSTREAM["shield_report"]: files_version(shield_report),
                UPSTREAM["bank"]: files_version(bank),
                UPSTREAM["text_evaluation"]: evaluation_version(text_evaluation),
            },
        )
        parsed = read_experiment(experiment)
        files = release_files(
            risk=risk,
            acceptance=acceptance,
            policies=policy_files(policy, baselines),
            messages=message_files(
                shield[WORDING_FILE],
                shield[TEMPLATES_FILE],
                shield[SHIELD_FILE],
                sending[SENDING_FILE],
                bank[BANK_FILE],
            ),
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
                "ppo_policy": policy_headline(policy_evaluation),
                "messages": {
                    **message_headline(text_evaluation),
                    # 0: trained so far that the loop is seen to work, no further.
                    "full_scale": float(parsed.text.scale == "full"),
                },
            },
        )
        directory = write_release(releases.root, files, manifest)
        releases.point_to(directory.name)
        return MaterializeResult(
            value={"release_id": directory.name.encode()},
            data_version=DataVersion(directory.name),
            metadata={
                "release": directory.name,
                "path": MetadataValue.path(str(directory)),
                "data": manifest.data,
                "messages trained at scale": parsed.text.scale,
                "checks passed": table([msgspec.to_builtins(check) for check in checks]),
                "manifest": MetadataValue.json(msgspec.to_builtins(manifest)),
            },
        )

    return release
