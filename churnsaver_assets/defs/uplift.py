"""Uplift validation: the uplift baselines' code on a real randomised experiment."""

from typing import Final

import msgspec
import pandas as pd
from dagster import (
    AssetCheckResult,
    AssetIn,
    MaterializeResult,
    asset,
    asset_check,
)

from churnsaver_assets.decision.uplift.validation import UpliftValidation, validate_uplift
from churnsaver_assets.defs.lib import metadata
from churnsaver_assets.defs.lib.io import Files
from churnsaver_assets.defs.lib.labels import label_of
from churnsaver_assets.defs.lib.versions import code_version, files_version
from churnsaver_assets.defs.settings.decision import UpliftSettings
from churnsaver_assets.defs.settings.stage import read_stage

VALIDATION_FILE: Final = "uplift_validation.json"

_CODE = code_version(__name__)


@asset(
    ins={
        "emails": AssetIn("hillstrom_emails"),
        "splits": AssetIn("hillstrom_splits"),
        "settings": AssetIn("uplift_settings"),
    },
    group_name="decision",
    kinds={"xgboost"},
    owners=["team:growth"],
    code_version=_CODE,
    io_manager_key="files",
)
def uplift_validation(
    emails: pd.DataFrame, splits: pd.DataFrame, settings: Files
) -> MaterializeResult[Files]:
    """Find the Qini of both uplift learners on the held-out half of Hillstrom's e-mail experiment.

    In the simulator the learners see a simulated log; here the same code meets real randomised
    treatment.
    """
    parsed = read_stage(settings, UpliftSettings)
    found = validate_uplift(emails, splits, parsed.uplift, parsed.seed)
    files = {VALIDATION_FILE: msgspec.json.encode(found)}
    return MaterializeResult(
        value=files,
        data_version=files_version(files),
        metadata={
            "data": label_of(emails),
            "Qini on the held-out half": metadata.table(
                [
                    {
                        "learner": one.learner,
                        "treatment": one.treatment,
                        "rows": one.rows,
                        "effect": f"{one.effect:.4f}",
                        "Qini": f"{one.qini.mean:.4f}",
                        "95 %": f"{one.qini.low:.4f} to {one.qini.high:.4f}",
                    }
                    for one in found.results
                ]
            ),
        },
    )


@asset_check(asset="uplift_validation", name="beats_a_random_ranking")
def beats_a_random_ranking(files: Files) -> AssetCheckResult:
    """Check that on real data the better learner's Qini is above 0 beyond its interval.

    Not blocking: nothing that is served depends on the uplift learners.
    """
    found = msgspec.json.decode(files[VALIDATION_FILE], type=UpliftValidation)
    learners = {one.learner for one in found.results} - {"random"}
    best = {
        name: max(one.qini.low for one in found.results if one.learner == name) for name in learners
    }
    return AssetCheckResult(
        passed=max(best.values()) > 0.0,
        metadata={f"best lower end, {name}": low for name, low in sorted(best.items())},
    )
