"""Planning assets: budgets, and the most that any policy could gain at each of them."""

from typing import Final

import msgspec
import numpy as np
from dagster import (
    AssetCheckResult,
    AssetIn,
    MaterializeResult,
    asset,
    asset_check,
)

from churnsaver_assets.decision.planning.budgets import Budgets, bound_budgets, certify
from churnsaver_assets.defs.environment import holdout_setting
from churnsaver_assets.defs.lib import metadata
from churnsaver_assets.defs.lib.io import Files
from churnsaver_assets.defs.lib.versions import code_version, files_version
from churnsaver_assets.defs.settings.decision import PlanningSettings
from churnsaver_assets.defs.settings.stage import read_stage

BUDGETS_FILE: Final = "budgets.json"

_CODE = code_version(__name__)
_CERTIFIED_CUSTOMERS = 4
_CERTIFIED_ERROR = 1e-3


def read_budgets(files: Files) -> Budgets:
    """Read the typed value of the `upper_bound` asset."""
    return msgspec.json.decode(files[BUDGETS_FILE], type=Budgets)


@asset(
    ins={"environment": AssetIn("retention_environment"), "settings": AssetIn("planning_settings")},
    group_name="decision",
    kinds={"scipy"},
    owners=["team:growth"],
    code_version=_CODE,
    io_manager_key="files",
)
def upper_bound(environment: Files, settings: Files) -> MaterializeResult[Files]:
    """Find the Lagrangian upper bound on held-out customers, by budget and with a capacity.

    Weakly coupled Markov decision processes: priced constraints separate the customers, each of
    whom is a small dynamic programme (Hawkins 2003; Adelman and Mersereau 2008).
    """
    parsed = read_stage(settings, PlanningSettings)
    budgets = bound_budgets(holdout_setting(environment, parsed), parsed.budgets)
    files = {BUDGETS_FILE: msgspec.json.encode(budgets)}
    return MaterializeResult(
        value=files,
        data_version=files_version(files),
        metadata={
            "unconstrained spend, USD per customer": budgets.unconstrained_spend,
            "unconstrained gain, USD per customer": budgets.unconstrained_gain,
            "simulated: bounds, USD per customer over doing nothing": metadata.table(
                [
                    {
                        "budget": f"{one.budget_per_customer:.2f}",
                        "of the unconstrained": f"{one.budget_share:.0%}",
                        "contacts a day": str(one.daily_capacity or "no limit"),
                        "bound": f"{one.bound:.3f}",
                        "gap": f"{one.gap:.2%}",
                        "multiplier": f"{one.multiplier:.2f}",
                    }
                    for one in budgets.bounds
                ]
            ),
        },
    )


@asset_check(
    asset="upper_bound",
    name="certified_by_linear_programme",
    additional_ins={
        "environment": AssetIn("retention_environment"),
        "settings": AssetIn("planning_settings"),
    },
    blocking=True,
)
def certified_by_linear_programme(
    files: Files,
    environment: Files,
    settings: Files,
) -> AssetCheckResult:
    """Check that the stored bounds come out again and that their method finds optima.

    The optima, on a few customers, are those of the occupation-measure linear programme.
    """
    parsed = read_stage(settings, PlanningSettings)
    budgets, setting = read_budgets(files), holdout_setting(environment, parsed)
    again = bound_budgets(setting, parsed.budgets)
    stored = [one.bound for one in budgets.bounds]
    same = np.allclose(stored, [one.bound for one in again.bounds], rtol=_CERTIFIED_ERROR)
    certificates = certify(
        setting,
        customers=_CERTIFIED_CUSTOMERS,
        share=budgets.plain[len(budgets.plain) // 2].budget_share,
    )
    return AssetCheckResult(
        passed=same and all(one.error <= _CERTIFIED_ERROR for one in certificates),
        metadata={
            "stored bounds found again": same,
            "bound against optimum": metadata.table(
                [
                    {
                        "contacts a day": str(one.daily_capacity or "no limit"),
                        "bound": f"{one.bound:.6f}",
                        "optimum": f"{one.optimum:.6f}",
                        "relative error": f"{one.error:.1e}",
                    }
                    for one in certificates
                ]
            ),
        },
    )
