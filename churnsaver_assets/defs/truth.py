"""The truth that policies are evaluated in: another model family than theirs, and its check."""

from typing import Final

import msgspec
import numpy as np
import pandas as pd
from dagster import AssetCheckResult, AssetIn, MaterializeResult, asset, asset_check

from churnsaver_assets.decision.customers.agreement import (
    Agreement,
    Score,
    TruthReport,
    agreement,
    agreement_png,
    mean_rows,
    report_rows,
    truth_report,
)
from churnsaver_assets.decision.customers.truth import cross_fitted, truth_files
from churnsaver_assets.decision.simulator.cohort_files import read_cohort
from churnsaver_assets.defs.lib import metadata
from churnsaver_assets.defs.lib.io import Files
from churnsaver_assets.defs.lib.labels import label_of
from churnsaver_assets.defs.lib.versions import code_version, files_version
from churnsaver_assets.defs.settings.decision import OfferResponseSettings
from churnsaver_assets.defs.settings.stage import read_stage
from churnsaver_assets.defs.settings.tabular import ChurnRiskGates, OfferAcceptanceGates

OWNERS: Final = ["team:growth"]
REPORT_FILE: Final = "report.json"

# Most that the AUCs of truth and model may lie apart: both ways, so that neither is a straw man.
_AUC_APART = 0.02
_CODE = code_version(__name__)


def read_report(truth: Files) -> TruthReport:
    """Read the figures in the value of `simulated_truth`."""
    return msgspec.json.decode(truth[REPORT_FILE], type=TruthReport)


@asset(
    ins={
        "environment": AssetIn("retention_environment"),
        "customers": AssetIn("telco_customers"),
        "splits": AssetIn("telco_splits"),
        "bank": AssetIn("bank_contacts"),
        "bank_splits": AssetIn("bank_splits"),
        "acceptance": AssetIn("offer_acceptance_predictions"),
        # The same draw of channels and earlier contacts as the environment's.
        "settings": AssetIn("offer_response_settings"),
    },
    # Its check reads them: a bound that was changed is checked anew.
    deps=["churn_risk_gates", "offer_acceptance_gates"],
    group_name="decision",
    kinds={"scikitlearn"},
    owners=OWNERS,
    code_version=_CODE,
    io_manager_key="files",
)
def simulated_truth(
    environment: Files,
    customers: pd.DataFrame,
    splits: pd.DataFrame,
    bank: pd.DataFrame,
    bank_splits: pd.DataFrame,
    acceptance: pd.DataFrame,
    settings: Files,
) -> MaterializeResult[Files]:
    """Score the same customers by logistic regression: what they do where a policy is evaluated.

    Policies see the boosted trees' scores; a world made of these would never prove them wrong. Risk
    is out of sample and ages by each customer's own regression. Scores alone are kept, and figures.
    """
    seed = read_stage(settings, OfferResponseSettings).seed
    files = truth_files(environment, customers, splits, bank, seed=seed)
    answers = agreement(
        acceptance["label"].to_numpy(dtype=np.bool_),
        acceptance["probability"].to_numpy(dtype=np.float64),
        cross_fitted("offer_acceptance", bank, bank_splits, [bank])[:, 0],
        seed=seed,
    )
    churned = customers.set_index("customer_id")["churned"]
    report = truth_report(environment, files, churned, answers, seed=seed)
    files |= {REPORT_FILE: msgspec.json.format(msgspec.json.encode(report), indent=2)}
    picture = agreement_png(read_cohort(environment, "holdout"), read_cohort(files, "holdout"))
    return MaterializeResult(
        value=files,
        data_version=files_version(files),
        metadata={
            "data": label_of(customers),
            "truth beside the policies' models": metadata.table(report_rows(report)),
            "simulated: mean p(churn)": metadata.table(
                mean_rows("months from now", report.risk_model, report.risk_truth)
            ),
            "simulated: mean p(accept), plain": metadata.table(
                mean_rows("contacts before", report.acceptance_model, report.acceptance_truth)
            ),
            "held-out customers": metadata.picture(picture, "truth against model"),
        },
    )


@asset_check(
    asset="simulated_truth",
    name="as_good_as_the_policies_models",
    additional_ins={
        "customers": AssetIn("telco_customers"),
        "risk_gates": AssetIn("churn_risk_gates"),
        "acceptance_gates": AssetIn("offer_acceptance_gates"),
    },
    blocking=True,
)
def as_good_as_the_policies_models(
    files: Files, customers: pd.DataFrame, risk_gates: Files, acceptance_gates: Files
) -> AssetCheckResult:
    """Check that the truth predicts what happened as well as the policies' models do.

    Its AUC lies within .02 of theirs on either side, and its calibration error within their gate.
    """
    scores, label = read_report(files).scores, label_of(customers)
    max_ece: dict[Score, float] = {
        "risk": read_stage(risk_gates, ChurnRiskGates).of(label).max_ece,
        "acceptance": read_stage(acceptance_gates, OfferAcceptanceGates).of(label).max_ece,
    }
    rows = [
        {
            "score": name,
            "AUC, truth less model": _auc_gain(scores[name]),
            "most apart": _AUC_APART,
            "ECE, truth": scores[name].truth.ece.mean,
            "most": bound,
        }
        for name, bound in max_ece.items()
    ]
    return AssetCheckResult(
        passed=all(
            abs(_auc_gain(scores[name])) <= _AUC_APART and scores[name].truth.ece.mean <= bound
            for name, bound in max_ece.items()
        ),
        metadata={"data": label, "truth": metadata.table(rows)},
    )


def _auc_gain(score: Agreement) -> float:
    return score.truth.auc.mean - score.model.auc.mean
