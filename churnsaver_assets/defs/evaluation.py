"""Policy evaluation: the policies on held-out customers, and the checks that gate a release."""

from typing import Final

import pandas as pd
from dagster import (
    AssetCheckResult,
    AssetIn,
    MaterializeResult,
    TableMetadataValue,
    asset,
    asset_check,
)

from churnsaver_assets.decision.evaluation.checks import above_the_bound, broken_constraints
from churnsaver_assets.decision.evaluation.results import (
    BudgetResult,
    PolicyEvaluation,
    decode,
    encode,
)
from churnsaver_assets.defs.environment import holdout_setting, training_setting
from churnsaver_assets.defs.lib import metadata
from churnsaver_assets.defs.lib.io import Files
from churnsaver_assets.defs.lib.labels import label_of
from churnsaver_assets.defs.lib.versions import code_version, files_version
from churnsaver_assets.defs.planning import read_budgets
from churnsaver_assets.defs.settings.decision import EvaluationSettings, PolicyGates
from churnsaver_assets.defs.settings.stage import read_stage

EVALUATION_FILE: Final = "policy_evaluation.json"

_CODE = code_version(__name__)
_SAME_BOUND = 1e-3


def read_policy_evaluation(files: Files) -> PolicyEvaluation:
    """Read the typed value of the `policy_evaluation` asset."""
    return decode(files[EVALUATION_FILE])


def policy_headline(files: Files) -> dict[str, float]:
    """Return the figures of an evaluation that a release's manifest carries. All simulated."""
    evaluation = read_policy_evaluation(files)
    figures: dict[str, float] = {
        "horizon_months": evaluation.horizon_months,
        "customers": evaluation.customers,
        "replicates": evaluation.replicates,
    }
    for case in _cases(evaluation):
        name = f"budget_{case.budget_share:g}" + ("_capacity" if case.daily_capacity else "")
        ppo = case.policies["ppo"]
        figures |= {
            f"{name}_headroom": ppo.headroom.mean,
            f"{name}_headroom_low": ppo.headroom.low,
            f"{name}_headroom_high": ppo.headroom.high,
            f"{name}_nrr": ppo.nrr.mean,
            f"{name}_nrr_bound": case.bound_nrr,
        }
    return figures


def _cases(evaluation: PolicyEvaluation) -> tuple[BudgetResult, ...]:
    return (*evaluation.budgets, evaluation.capacity)


@asset(
    ins={
        "environment": AssetIn("retention_environment"),
        "bounds": AssetIn("upper_bound"),
        "baselines": AssetIn("baseline_policies"),
        "policy": AssetIn("ppo_policy"),
        "customers": AssetIn("telco_customers"),
        "settings": AssetIn("policy_evaluation_settings"),
    },
    # Its checks read them: a bound that was changed is checked anew.
    deps=["policy_gates"],
    group_name="decision",
    kinds={"numpy"},
    owners=["team:growth"],
    code_version=_CODE,
    io_manager_key="files",
)
def policy_evaluation(
    environment: Files,
    bounds: Files,
    baselines: Files,
    policy: Files,
    customers: pd.DataFrame,
    settings: Files,
) -> MaterializeResult[Files]:
    """Play every policy on held-out customers at each budget, and under a daily capacity.

    Sampled execution under the hard cap, the same luck for all, as percent of the headroom between
    doing nothing and the upper bound. Other worlds and ablations: `make evaluate-policy`.
    """
    from churnsaver_assets.decision.evaluation.compared import ComparedPolicies
    from churnsaver_assets.decision.evaluation.pictures.decision_map import decision_map_png
    from churnsaver_assets.decision.evaluation.pictures.plots import (
        days_png,
        gains_png,
        headroom_png,
    )
    from churnsaver_assets.decision.evaluation.run import evaluate
    from churnsaver_serving.runtime.learned import LearnedPolicy

    parsed = read_stage(settings, EvaluationSettings)
    budgets = read_budgets(bounds)
    served = LearnedPolicy.from_files(policy)
    holdout = holdout_setting(environment, parsed)
    compared = ComparedPolicies(
        training=training_setting(environment, parsed),
        holdout=holdout,
        budgets=budgets,
        actor=served.actor,
        learned_name=parsed.evaluation.learned,
        baselines=baselines,
        pacing=parsed.pacing,
        seed=parsed.seed,
    )
    found = evaluate(
        compared.brief(),
        holdout,
        parsed.evaluation,
        unconstrained_spend=budgets.unconstrained_spend,
        data=label_of(customers),
        seed=parsed.seed,
    )
    files = {EVALUATION_FILE: encode(found)}
    spec = parsed.evaluation
    return MaterializeResult(
        value=files,
        data_version=files_version(files),
        metadata={
            "data": found.data,
            "simulated: held-out customers": found.customers,
            "M, months": found.horizon_months,
            "percent of headroom": metadata.picture(headroom_png(found), "percent of headroom"),
            "gains over baselines": metadata.picture(
                gains_png(found, spec.goals, learned=spec.learned), "gains over baselines"
            ),
            "spend by day": metadata.picture(
                days_png(found, [spec.learned, spec.reference]), "spend by day"
            ),
            "decision map": metadata.picture(
                decision_map_png(
                    {spec.learned: served}, holdout, [bound.multiplier for bound in budgets.plain]
                ),
                "decision map",
            ),
            **{_title(case): _rows(case) for case in _cases(found)},
        },
    )


def _title(case: BudgetResult) -> str:
    limit = "" if case.daily_capacity is None else f", {case.daily_capacity} contacts a day"
    return f"budget {case.budget_per_customer:.2f}{limit}"


def _rows(case: BudgetResult) -> TableMetadataValue:
    return metadata.table(
        [
            {
                "policy": name,
                "headroom": f"{100 * one.headroom.mean:.1f} %",
                "95 %": f"{100 * one.headroom.low:.1f} to {100 * one.headroom.high:.1f}",
                "NRR": f"{one.nrr.mean:.4f}",
                "offer cost, USD": f"{one.offer_cost.mean:.3f}",
                "contacts": f"{one.contact_rate.mean:.3f}",
                "overspent": one.violations.overspent,
            }
            for name, one in case.policies.items()
        ]
    )


@asset_check(asset="policy_evaluation", name="no_constraint_violated", blocking=True)
def no_constraint_violated(files: Files) -> AssetCheckResult:
    """Check that no policy overspent, broke a cooldown or a daily capacity, or beat the bound."""
    evaluation = read_policy_evaluation(files)
    broken = above_the_bound(evaluation) + broken_constraints(evaluation)
    return AssetCheckResult(passed=not broken, metadata={"broken": "; ".join(broken) or "nothing"})


@asset_check(
    asset="policy_evaluation",
    name="fatigue_within_cap",
    additional_ins={
        "settings": AssetIn("policy_evaluation_settings"),
        "gates": AssetIn("policy_gates"),
    },
    blocking=True,
)
def fatigue_within_cap(files: Files, settings: Files, gates: Files) -> AssetCheckResult:
    """Check that without the mask the learned policy hardly ever contacts beyond the cap."""
    evaluation = read_policy_evaluation(files)
    learned = read_stage(settings, EvaluationSettings).evaluation.learned
    most = read_stage(gates, PolicyGates).of(evaluation.data).max_fatigue_over_cap
    shares = {
        f"{case.budget_per_customer:.2f}": case.policies[learned].violations.fatigue_over_cap
        for case in evaluation.budgets
    }
    return AssetCheckResult(
        passed=all(share is not None and share < most for share in shares.values()),
        metadata={f"over the cap at {name}": share for name, share in shares.items()}
        | {"allowed": most},
    )


@asset_check(
    asset="policy_evaluation",
    name="headroom",
    additional_ins={
        "bounds": AssetIn("upper_bound"),
        "settings": AssetIn("policy_evaluation_settings"),
        "gates": AssetIn("policy_gates"),
    },
    blocking=True,
)
def headroom(files: Files, bounds: Files, settings: Files, gates: Files) -> AssetCheckResult:
    """Check that the learned policy reaches its share of the headroom in every case."""
    evaluation = read_policy_evaluation(files)
    learned = read_stage(settings, EvaluationSettings).evaluation.learned
    gate = read_stage(gates, PolicyGates).of(evaluation.data)
    known = {
        (one.budget_share, one.daily_capacity): one.bound for one in read_budgets(bounds).bounds
    }
    rows: list[metadata.Row] = []
    passed = True
    for case in _cases(evaluation):
        least = gate.min_headroom if case.daily_capacity is None else gate.min_capacity_headroom
        found = case.policies[learned].headroom.mean
        bound = known[case.budget_share, case.daily_capacity]
        same = abs(case.bound - bound) <= _SAME_BOUND * bound
        passed = passed and found >= least and same
        rows.append(
            {
                "budget": f"{case.budget_per_customer:.2f}",
                "contacts a day": str(case.daily_capacity or "no limit"),
                "headroom": f"{found:.4f}",
                "at least": f"{least:.4f}",
                "bound is the asset's": same,
            }
        )
    return AssetCheckResult(passed=passed, metadata={"headroom": metadata.table(rows)})


@asset_check(
    asset="policy_evaluation",
    name="ahead_of_the_best_baseline",
    additional_ins={"settings": AssetIn("policy_evaluation_settings")},
    blocking=True,
)
def ahead_of_the_best_baseline(files: Files, settings: Files) -> AssetCheckResult:
    """Check that at every budget the learned policy beats the best seed baseline beyond luck."""
    evaluation = read_policy_evaluation(files)
    goals = read_stage(settings, EvaluationSettings).evaluation.goals
    rows: list[metadata.Row] = []
    passed = True
    for case in evaluation.budgets:
        gain = case.gains[case.best_baseline]
        passed = passed and gain.nrr_points.low > 0.0
        rows.append(
            {
                "budget": f"{case.budget_per_customer:.2f}",
                "best seed baseline": case.best_baseline,
                "gain, points of NRR": f"{gain.nrr_points.mean:.2f}",
                "95 %": f"{gain.nrr_points.low:.2f} to {gain.nrr_points.high:.2f}",
                f"goal: +{goals.nrr_gain:.0%}": gain.nrr_goal,
            }
        )
    return AssetCheckResult(passed=passed, metadata={"gains": metadata.table(rows)})
