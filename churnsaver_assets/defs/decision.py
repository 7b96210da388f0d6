"""Decision assets: the policies that the release serves."""

from collections.abc import Sequence

import msgspec
import pandas as pd
from dagster import (
    AssetCheckResult,
    AssetChecksDefinition,
    AssetIn,
    AssetsDefinition,
    MaterializeResult,
    asset,
    asset_check,
)

from churnsaver_assets.decision.policies import fit_policies
from churnsaver_assets.defs.data import read_experiment
from churnsaver_assets.defs.io import Files
from churnsaver_assets.defs.versions import code_version, files_version
from churnsaver_serving.runtime.policy import PolicyFile, PropensityPolicy
from churnsaver_serving.runtime.release import BASELINE_FILE, POLICY_FILE

_SHARE_TOLERANCE = 0.05


@asset(
    ins={
        "predictions": AssetIn("churn_risk_predictions"),
        "splits": AssetIn("telco_splits"),
        "experiment": AssetIn("experiment"),
    },
    group_name="decision",
    kinds={"json"},
    owners=["team:growth"],
    code_version=code_version(__name__),
    io_manager_key="files",
)
def decision_policies(
    predictions: pd.DataFrame, splits: pd.DataFrame, experiment: Files
) -> MaterializeResult[Files]:
    """The policy to serve (greedy expected value) and the baseline (threshold, one fixed offer).

    The threshold is a quantile of the risk model's out-of-fold probabilities over training
    customers.
    """
    spec = read_experiment(experiment).baseline_policy
    train = splits.loc[splits["split"] == "train", "customer_id"]
    known = predictions[predictions["customer_id"].isin(train)]
    files = fit_policies(known["probability"].to_numpy(), spec)
    baseline = _baseline(files)
    return MaterializeResult(
        value=files,
        data_version=files_version(files),
        metadata={
            "threshold": baseline.threshold,
            "baseline offer, %": baseline.offer_pct,
            "training customers": len(known),
        },
    )


@asset_check(
    asset="decision_policies",
    name="contacts_its_share",
    additional_ins={
        "predictions": AssetIn("churn_risk_predictions"),
        "experiment": AssetIn("experiment"),
    },
    blocking=True,
)
def contacts_its_share(
    files: Files, predictions: pd.DataFrame, experiment: Files
) -> AssetCheckResult:
    """The saved baseline, over all customers, contacts the share it was fitted to."""
    aimed = 1.0 - read_experiment(experiment).baseline_policy.risk_quantile
    share = float((predictions["probability"] >= _baseline(files).threshold).mean())
    return AssetCheckResult(
        passed=abs(share - aimed) <= _SHARE_TOLERANCE and POLICY_FILE in files,
        metadata={"share contacted": share, "aimed at": aimed},
    )


def _baseline(files: Files) -> PropensityPolicy:
    policy: PolicyFile = msgspec.json.decode(files[BASELINE_FILE], type=PolicyFile)
    if not isinstance(policy, PropensityPolicy):
        raise TypeError(f"{BASELINE_FILE}: expected a propensity policy, found {policy.name}")
    return policy


ASSETS: Sequence[AssetsDefinition] = [decision_policies]
CHECKS: Sequence[AssetChecksDefinition] = [contacts_its_share]
