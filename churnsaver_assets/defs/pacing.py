"""The rule of pacing that a release has, whichever policy it serves."""

from typing import Final

import msgspec
from dagster import AssetCheckResult, AssetIn, MaterializeResult, asset, asset_check

from churnsaver_assets.defs.environment import training_setting
from churnsaver_assets.defs.lib import metadata
from churnsaver_assets.defs.lib.io import Files
from churnsaver_assets.defs.lib.versions import code_version, files_version
from churnsaver_assets.defs.settings.decision import PacingSettings
from churnsaver_assets.defs.settings.stage import read_stage
from churnsaver_serving.runtime.policies.pacing import PACING_FILE, PacingRule

OWNERS: Final = ["team:growth"]

_CODE = code_version(__name__)


def read_pacing(files: Files) -> PacingRule:
    """Read the typed value of the `pacing_rule` asset."""
    return msgspec.json.decode(files[PACING_FILE], type=PacingRule)


@asset(
    ins={
        "environment": AssetIn("retention_environment"),
        "policy": AssetIn("ppo_policy"),
        "settings": AssetIn("pacing_settings"),
    },
    group_name="decision",
    kinds={"numpy"},
    owners=OWNERS,
    code_version=_CODE,
    io_manager_key="files",
)
def pacing_rule(environment: Files, policy: Files, settings: Files) -> MaterializeResult[Files]:
    """Simulate what each policy spends at each multiplier: where its pacing begins.

    Played in served mode with training customers, asked daily and once a month. Dual descent moves
    the multiplier from there on. The one-step rule's start is that of all policies not named.
    """
    from churnsaver_assets.decision.baselines.month_end import MonthEndPolicy
    from churnsaver_assets.decision.play.candidates import candidates
    from churnsaver_assets.decision.play.pacing_rule import fit_pacing_rule
    from churnsaver_serving.runtime.policies.learned import LearnedPolicy

    parsed = read_stage(settings, PacingSettings)
    served = candidates(parsed.assumptions, LearnedPolicy.from_files(policy))
    rule = fit_pacing_rule(
        [*served.values(), MonthEndPolicy()],
        training_setting(environment, parsed),
        parsed.pacing,
        new_share=parsed.new_share,
        seed=parsed.seed,
    )
    files = {PACING_FILE: msgspec.json.encode(rule)}
    return MaterializeResult(
        value=files,
        data_version=files_version(files),
        metadata={
            "simulated: where pacing begins": metadata.table(
                [
                    {
                        "policy": name,
                        "budget, USD per customer and month": f"{budget:.2f}",
                        "multiplier, asked daily": f"{daily:.3f}",
                        "asked monthly": f"{monthly:.3f}",
                    }
                    for name, start in rule.own_starts.items()
                    for budget, daily, monthly in zip(
                        rule.budgets_usd, start.multipliers, start.monthly_multipliers, strict=True
                    )
                ]
            ),
            "step": rule.step,
        },
    )


@asset_check(
    asset="pacing_rule",
    name="spans_the_budgets",
    additional_ins={"settings": AssetIn("pacing_settings")},
    blocking=True,
)
def spans_the_budgets(files: Files, settings: Files) -> AssetCheckResult:
    """Check that the release's own budget lies among those that pacing knows a start for."""
    rules = read_stage(settings, PacingSettings).rules
    budget, known = rules.budget_usd / rules.customers, read_pacing(files).budgets_usd
    return AssetCheckResult(
        passed=known[0] <= budget <= known[-1],
        metadata={"budget": budget, "smallest known": known[0], "largest known": known[-1]},
    )
