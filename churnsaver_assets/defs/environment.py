"""Environment assets: how customers respond to offers, and the customers of the simulator."""

from collections.abc import Sequence
from typing import Final

import numpy as np
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

from churnsaver_assets.decision.simulator.cohort_files import read_cohort, unpack
from churnsaver_assets.decision.simulator.environment import RetentionVectorEnv
from churnsaver_assets.decision.simulator.offer_response import environment_files, response_files
from churnsaver_assets.defs.data import read_experiment
from churnsaver_assets.defs.lib import metadata
from churnsaver_assets.defs.lib.io import Files
from churnsaver_assets.defs.lib.simulation import holdout_setting
from churnsaver_assets.defs.lib.versions import code_version, files_version
from churnsaver_serving.runtime.acceptance import AcceptanceModel
from churnsaver_serving.runtime.calibration import sigmoid
from churnsaver_serving.runtime.effects import acceptance_shift
from churnsaver_serving.runtime.scores import ScoringModel

OWNERS: Final = ["team:growth"]

_CODE = code_version(__name__)
_REPLICATES = 20
# Standard errors that two ways to count the same thing may lie apart.
_TOLERANCE = 4.0


@asset(
    ins={
        "acceptance": AssetIn("offer_acceptance_model"),
        "customers": AssetIn("telco_customers"),
        "splits": AssetIn("telco_splits"),
        "bank": AssetIn("bank_contacts"),
        "experiment": AssetIn("experiment"),
    },
    group_name="decision",
    kinds={"numpy"},
    owners=OWNERS,
    code_version=_CODE,
    io_manager_key="files",
)
def offer_response(
    acceptance: Files,
    customers: pd.DataFrame,
    splits: pd.DataFrame,
    bank: pd.DataFrame,
    experiment: Files,
) -> MaterializeResult[Files]:
    """Acceptance log-odds of every customer for each month, weekday and number of contacts.

    By the acceptance model alone; the declared effects come on top in the simulator. Channel and
    earlier contacts, which the Telco table lacks, are drawn from Bank rows of like people.
    """
    parsed = read_experiment(experiment)
    files = response_files(
        customers,
        splits,
        bank,
        AcceptanceModel(ScoringModel.from_files(acceptance)),
        contacts=parsed.rules.fatigue_cap,
        seed=parsed.seed,
    )
    logits = unpack(files)[0]["accept_logit"].astype(np.float64)
    world, offers = parsed.assumptions.nominal(), parsed.actions.offers_pct
    plain = logits.mean(axis=(1, 2))  # over months and weekdays: (n, contacts)
    rows = []
    for contacts in range(plain.shape[1]):
        shift = acceptance_shift(world, offers, np.array([np.inf]), np.array([float(contacts)]))[0]
        means = sigmoid(plain[:, contacts, None] + shift).mean(axis=0)
        rows.append(
            {"contacts before": contacts}
            | {f"{offer} %": f"{mean:.3f}" for offer, mean in zip(offers, means, strict=True)}
        )
    return MaterializeResult(
        value=files,
        data_version=files_version(files),
        metadata={
            "customers": len(logits),
            "simulated: mean p(accept) by offer": metadata.table(rows),
        },
    )


@asset(
    ins={
        "response": AssetIn("offer_response"),
        "predictions": AssetIn("churn_risk_predictions"),
    },
    group_name="decision",
    kinds={"numpy"},
    owners=OWNERS,
    code_version=_CODE,
    io_manager_key="files",
)
def retention_environment(response: Files, predictions: pd.DataFrame) -> MaterializeResult[Files]:
    """The simulator's customers: the risk model's out-of-sample scores, acceptance, charges."""
    p_churn = predictions.set_index("customer_id")["probability"]
    files = environment_files(response, p_churn)
    train, holdout = (read_cohort(files, split) for split in ("train", "holdout"))
    return MaterializeResult(
        value=files,
        data_version=files_version(files),
        metadata={
            "training customers": len(train),
            "held-out customers": len(holdout),
            "mean p(churn), training": float(train.p_churn.mean()),
            "mean p(churn), held out": float(holdout.p_churn.mean()),
            "mean monthly charge, USD": float(holdout.monthly_charge_usd.mean()),
        },
    )


@asset_check(
    asset="retention_environment",
    name="leaves_as_the_risk_model_says",
    additional_ins={"experiment": AssetIn("experiment")},
    blocking=True,
)
def leaves_as_the_risk_model_says(files: Files, experiment: Files) -> AssetCheckResult:
    """Left alone for a period, held-out customers leave at the rate that the models predict."""
    parsed = read_experiment(experiment)
    setting = holdout_setting(files, parsed)
    env = RetentionVectorEnv(
        setting,
        [setting.nominal] * _REPLICATES,
        mode="sampled",
        rng=np.random.default_rng(parsed.seed),
    )
    while not env.done:
        env.step(np.zeros(env.size, dtype=np.int64))
    p = setting.cohort.p_churn
    expected, found = float(p.mean()), float(env.left.mean())
    error = float(np.sqrt((p * (1 - p)).sum() / _REPLICATES)) / len(p)
    return AssetCheckResult(
        passed=abs(found - expected) <= _TOLERANCE * error,
        metadata={"left, simulated": found, "p(churn), mean": expected, "standard error": error},
    )


ASSETS: Sequence[AssetsDefinition] = [offer_response, retention_environment]
CHECKS: Sequence[AssetChecksDefinition] = [leaves_as_the_risk_model_says]
