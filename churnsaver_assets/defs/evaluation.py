"""Policy evaluation: policies in service on held-out customers, and the checks before a release."""

from typing import Final

import pandas as pd
from dagster import (
    AssetCheckResult,
    AssetExecutionContext,
    AssetIn,
    MaterializeResult,
    TableMetadataValue,
    asset,
    asset_check,
)

from churnsaver_assets.decision.evaluation.checks import (
    above_the_bound,
    behind_today,
    broken_limits,
    not_by_the_rule,
    said,
    short_of,
)
from churnsaver_assets.decision.evaluation.results import PolicyEvaluation, decode, encode
from churnsaver_assets.defs.lib import metadata
from churnsaver_assets.defs.lib.field import evaluation_inputs
from churnsaver_assets.defs.lib.io import Files
from churnsaver_assets.defs.lib.labels import label_of
from churnsaver_assets.defs.lib.versions import code_version, files_version
from churnsaver_assets.defs.settings.decision import EvaluationSettings, PolicyGates
from churnsaver_assets.defs.settings.stage import read_stage

EVALUATION_FILE: Final = "policy_evaluation.json"

_CODE = code_version(__name__)


def read_policy_evaluation(files: Files) -> PolicyEvaluation:
    """Read the typed value of the `policy_evaluation` asset."""
    return decode(files[EVALUATION_FILE])


def policy_headline(files: Files) -> dict[str, float]:
    """Return the figures of an evaluation that a release's manifest carries. All simulated."""
    evaluation = read_policy_evaluation(files)
    default = evaluation.default
    figures: dict[str, float] = {
        "horizon_months": evaluation.horizon_months,
        "customers": evaluation.customers,
        "replicates": evaluation.replicates,
        "scored_months": evaluation.scored_months,
        "prior_worlds": evaluation.prior_worlds,
        "prior_mean_usd": evaluation.prior[default].mean,
        "prior_p05_usd": evaluation.prior[default].p05,
    }
    for cell in evaluation.served:
        own = cell.policies[default]
        figures |= {
            f"{cell.start_month}_{cell.arrival}_headroom": own.headroom.mean,
            f"{cell.start_month}_{cell.arrival}_headroom_low": own.headroom.low,
            f"{cell.start_month}_{cell.arrival}_headroom_high": own.headroom.high,
            f"{cell.start_month}_{cell.arrival}_nrr": own.nrr.mean,
            f"{cell.start_month}_{cell.arrival}_spent": cell.spent_share,
        }
    return figures


@asset(
    ins={
        "environment": AssetIn("retention_environment"),
        "bounds": AssetIn("upper_bound"),
        "policy": AssetIn("ppo_policy"),
        "pacing": AssetIn("pacing_rule"),
        "holidays": AssetIn("contact_holidays"),
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
    context: AssetExecutionContext,
    environment: Files,
    bounds: Files,
    policy: Files,
    pacing: Files,
    holidays: Files,
    customers: pd.DataFrame,
    settings: Files,
) -> MaterializeResult[Files]:
    """Play each candidate as it is served, over the prior and for some months; choose the default.

    By the code that serves: reserves, order of arrival, pacing, exploration, delays. The candidate
    that is best over the prior is what a release serves by default. Baselines, every month, other
    budgets, late answers, another truth and wrong worlds: `make evaluate-policy`.
    """
    from churnsaver_assets.decision.evaluation.pictures.served_plots import days_png, months_png
    from churnsaver_assets.decision.evaluation.pictures.world_plots import prior_png
    from churnsaver_assets.decision.evaluation.whole import Run, evaluate

    parsed = read_stage(settings, EvaluationSettings)
    found = evaluate(
        evaluation_inputs(
            parsed,
            parsed.evaluation.release,
            environment=environment,
            bounds=bounds,
            policy=policy,
            pacing=pacing,
            holidays=holidays,
            data=label_of(customers),
        ),
        Run(progress=context.log.info),
    )
    files = {EVALUATION_FILE: encode(found)}
    return MaterializeResult(
        value=files,
        data_version=files_version(files),
        metadata={
            "data": found.data,
            "default": found.default,
            "simulated: held-out customers": found.customers,
            "M, months": found.horizon_months,
            "simulated: over the prior, USD per customer": metadata.table(
                [
                    {
                        "policy": name,
                        "mean": f"{one.mean:.3f}",
                        "5th percentile": f"{one.p05:.3f}",
                        "behind the best": f"{one.behind_best:.3f}",
                    }
                    for name, one in found.prior.items()
                ]
            ),
            "simulated: percent of headroom": _headroom(found),
            "headroom by month": metadata.picture(months_png(found), "headroom by month"),
            "spend by day": metadata.picture(days_png(found), "spend by day"),
            "prior": metadata.picture(prior_png(found), "prior"),
        },
    )


def _headroom(evaluation: PolicyEvaluation) -> TableMetadataValue:
    return metadata.table(
        [
            {
                "conditions": said(cell),
                "spent": f"{100 * cell.spent_share:.1f} %",
                **{name: f"{one.headroom.scaled(100):.1f}" for name, one in cell.policies.items()},
            }
            for cell in evaluation.served
        ]
    )


def _verdict(problems: list[str]) -> AssetCheckResult:
    return AssetCheckResult(
        passed=not problems, metadata={"found": "; ".join(problems) or "nothing"}
    )


@asset_check(asset="policy_evaluation", name="no_limit_broken", blocking=True)
def no_limit_broken(files: Files) -> AssetCheckResult:
    """Check that nobody overspent, gave two discounts, exceeded a limit, or beat the bound."""
    evaluation = read_policy_evaluation(files)
    return _verdict(above_the_bound(evaluation) + broken_limits(evaluation))


@asset_check(
    asset="policy_evaluation",
    name="headroom",
    additional_ins={"gates": AssetIn("policy_gates")},
    blocking=True,
)
def headroom(files: Files, gates: Files) -> AssetCheckResult:
    """Check that the default policy reaches its share of the headroom in every cell."""
    evaluation = read_policy_evaluation(files)
    gate = read_stage(gates, PolicyGates).of(evaluation.data)
    return _verdict(short_of(evaluation, gate.min_headroom, gate.min_headroom))


@asset_check(asset="policy_evaluation", name="not_behind_today", blocking=True)
def not_behind_today(files: Files) -> AssetCheckResult:
    """Check that the policy that was served before is nowhere ahead of the default, beyond luck."""
    return _verdict(behind_today(read_policy_evaluation(files)))


@asset_check(
    asset="policy_evaluation",
    name="default_is_the_best_over_the_prior",
    additional_ins={"settings": AssetIn("policy_evaluation_settings")},
    blocking=True,
)
def default_is_the_best_over_the_prior(files: Files, settings: Files) -> AssetCheckResult:
    """Check that the default is the best over the prior, and of what can't be told the simplest."""
    order = read_stage(settings, EvaluationSettings).evaluation.default_order
    return _verdict(not_by_the_rule(read_policy_evaluation(files), order))
