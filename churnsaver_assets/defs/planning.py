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

from churnsaver_assets.decision.planning.budgets import Budgets, certify, find_budgets
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
    """Find the budgets that policies are compared at, and the upper bound at the middle one.

    Weakly coupled Markov decision processes: priced constraints separate the customers, each of
    whom is a small dynamic programme (Hawkins 2003; Adelman and Mersereau 2008). An evaluation
    bounds each of its cells anew, from the state that its burn-in leaves.
    """
    budgets = _find(environment, read_stage(settings, PlanningSettings))
    reference = budgets.reference
    files = {BUDGETS_FILE: msgspec.json.encode(budgets)}
    return MaterializeResult(
        value=files,
        data_version=files_version(files),
        metadata={
            "simulated: unconstrained spend, USD per customer and month": (
                budgets.unconstrained_spend
            ),
            "simulated: its gain over no contact, USD per customer": budgets.unconstrained_gain,
            "simulated: upper bound at the middle budget, USD per customer": reference.bound,
            "gap of that bound": reference.gap,
            "multiplier by month": metadata.table(
                [{str(month): f"{one:.3f}" for month, one in enumerate(reference.multipliers, 1)}]
            ),
            "simulated: budgets of a month, USD per customer": metadata.table(
                [
                    {
                        "budget": f"{one.budget_per_customer:.2f}",
                        "of the unconstrained": f"{one.budget_share:.0%}",
                        "contacts a day": str(one.daily_capacity or "no limit"),
                    }
                    for one in budgets.budgets
                ]
            ),
        },
    )


def _find(environment: Files, settings: PlanningSettings) -> Budgets:
    return find_budgets(
        holdout_setting(environment, settings),
        settings.budgets,
        months=1 + settings.scored_months,
        new_share=settings.new_share,
        seed=settings.seed,
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
    """Check that the stored bound comes out again and that its method finds optima.

    The optima, on a few customers, are those of the occupation-measure linear programme.
    """
    parsed = read_stage(settings, PlanningSettings)
    stored, again = read_budgets(files).reference, _find(environment, parsed).reference
    same = bool(np.isclose(stored.bound, again.bound, rtol=_CERTIFIED_ERROR))
    certificates = certify(
        holdout_setting(environment, parsed),
        customers=_CERTIFIED_CUSTOMERS,
        share=parsed.budgets.middle_share,
    )
    return AssetCheckResult(
        passed=same and all(one.error <= _CERTIFIED_ERROR for one in certificates),
        metadata={
            "stored bound found again": same,
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
