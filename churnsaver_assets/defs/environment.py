"""Environment assets: how customers respond to offers, and the customers of the simulator."""

from typing import Final

import numpy as np
import pandas as pd
from dagster import (
    AssetCheckResult,
    AssetIn,
    MaterializeResult,
    asset,
    asset_check,
)

from churnsaver_assets.decision.customers.offer_response import environment_files, response_files
from churnsaver_assets.decision.simulator.calendar import Calendar
from churnsaver_assets.decision.simulator.cohort_files import Split, read_cohort, unpack
from churnsaver_assets.decision.simulator.environment import RetentionVectorEnv
from churnsaver_assets.decision.simulator.population import everybody
from churnsaver_assets.decision.simulator.setting import Setting
from churnsaver_assets.defs.lib import metadata
from churnsaver_assets.defs.lib.io import Files
from churnsaver_assets.defs.lib.versions import code_version, files_version
from churnsaver_assets.defs.settings.decision import OfferResponseSettings, SimulatorSettings
from churnsaver_assets.defs.settings.stage import read_stage
from churnsaver_serving.runtime.limits.actions import ActionSpace
from churnsaver_serving.runtime.scoring.acceptance import AcceptanceModel
from churnsaver_serving.runtime.scoring.calibration import sigmoid
from churnsaver_serving.runtime.scoring.scores import ScoringModel
from churnsaver_serving.runtime.world.effects import acceptance_shift

OWNERS: Final = ["team:growth"]

_CODE = code_version(__name__)
_REPLICATES = 20
# Standard errors that two ways to count the same thing may lie apart.
_TOLERANCE = 4.0


def _setting(environment: Files, settings: SimulatorSettings, split: Split) -> Setting:
    """Build the setting of a split's customers."""
    world = settings.assumptions.nominal()
    return Setting(
        cohort=read_cohort(environment, split),
        space=ActionSpace(settings.offers_pct, settings.delays_days),
        rules=settings.rules,
        calendar=Calendar.starting(settings.start_on, round(world.period_days), settings.rules),
        nominal=world,
    )


def training_setting(environment: Files, settings: SimulatorSettings) -> Setting:
    """Build what policies are trained and tuned in: the training customers.

    Args:
        environment: Value of the `retention_environment` asset.
        settings: The world, the rules and the first day.
    """
    return _setting(environment, settings, "train")


def holdout_setting(environment: Files, settings: SimulatorSettings) -> Setting:
    """Build what policies are compared in: the held-out customers.

    Args:
        environment: Value of the `retention_environment` asset.
        settings: The world, the rules and the first day.
    """
    return _setting(environment, settings, "holdout")


@asset(
    ins={
        "acceptance": AssetIn("offer_acceptance_model"),
        "customers": AssetIn("telco_customers"),
        "splits": AssetIn("telco_splits"),
        "bank": AssetIn("bank_contacts"),
        "settings": AssetIn("offer_response_settings"),
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
    settings: Files,
) -> MaterializeResult[Files]:
    """Work out every customer's acceptance log-odds by the number of contacts before.

    By the acceptance model alone; the declared effects come on top in the simulator. Channel and
    earlier contacts, which the Telco table lacks, are drawn from Bank rows of like people.
    """
    parsed = read_stage(settings, OfferResponseSettings)
    files = response_files(
        customers,
        splits,
        bank,
        AcceptanceModel(ScoringModel.from_files(acceptance)),
        contacts=parsed.fatigue_cap,
        seed=parsed.seed,
    )
    logits = unpack(files)[0]["accept_logit"].astype(np.float64)
    world, offers = parsed.assumptions.nominal(), parsed.offers_pct
    rows = []
    for contacts in range(logits.shape[1]):
        shift = acceptance_shift(world, offers, np.array([np.inf]), np.array([float(contacts)]))[0]
        means = sigmoid(logits[:, contacts, None] + shift).mean(axis=0)
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
        "customers": AssetIn("telco_customers"),
        "predictions": AssetIn("churn_risk_predictions"),
        "risk": AssetIn("churn_risk_model"),
    },
    # Its check reads them: another world is checked anew.
    deps=["simulator_settings"],
    group_name="decision",
    kinds={"numpy"},
    owners=OWNERS,
    code_version=_CODE,
    io_manager_key="files",
)
def retention_environment(
    response: Files, customers: pd.DataFrame, predictions: pd.DataFrame, risk: Files
) -> MaterializeResult[Files]:
    """Join the simulator's customers: risk now and in the months to come, acceptance, charges.

    The risk of now is out of sample; how it changes with age is the served risk model's.
    """
    p_churn = predictions.set_index("customer_id")["probability"]
    files = environment_files(response, customers, p_churn, ScoringModel.from_files(risk))
    train, holdout = (read_cohort(files, split) for split in ("train", "holdout"))
    return MaterializeResult(
        value=files,
        data_version=files_version(files),
        metadata={
            "training customers": len(train),
            "held-out customers": len(holdout),
            "mean p(churn), training": float(train.p_churn.mean()),
            "mean p(churn), held out": float(holdout.p_churn.mean()),
            "mean p(churn) by months from now, held out": metadata.table(
                [{str(month): f"{p:.4f}" for month, p in enumerate(holdout.risk.mean(axis=0))}]
            ),
            "mean monthly charge, USD": float(holdout.monthly_charge_usd.mean()),
        },
    )


@asset_check(
    asset="retention_environment",
    name="leaves_as_the_risk_model_says",
    additional_ins={"settings": AssetIn("simulator_settings")},
    blocking=True,
)
def leaves_as_the_risk_model_says(files: Files, settings: Files) -> AssetCheckResult:
    """Check that customers left alone for a period leave at the rate that the models predict."""
    parsed = read_stage(settings, SimulatorSettings)
    setting = holdout_setting(files, parsed)
    everyone = np.arange(len(setting.cohort))
    population = everybody(everyone, np.zeros_like(everyone), setting.calendar.days)
    worlds = [setting.nominal] * _REPLICATES
    env = RetentionVectorEnv(setting, population, worlds, "sampled", seed=parsed.seed)
    nobody = everyone[:0]
    while not env.done:
        env.step(nobody, nobody)
    p = setting.cohort.p_churn
    expected, found = float(p.mean()), 1.0 - float(env.dynamics.there.mean())
    error = float(np.sqrt((p * (1 - p)).sum() / _REPLICATES)) / len(p)
    return AssetCheckResult(
        passed=abs(found - expected) <= _TOLERANCE * error,
        metadata={"left, simulated": found, "p(churn), mean": expected, "standard error": error},
    )
