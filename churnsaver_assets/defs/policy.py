"""Policy assets: the baselines, and the learned policy that is served."""

import time
from typing import TYPE_CHECKING, Final

import msgspec
import pandas as pd
from dagster import (
    AssetCheckResult,
    AssetExecutionContext,
    AssetIn,
    MaterializeResult,
    asset,
    asset_check,
)

from churnsaver_assets.defs.environment import holdout_setting, training_setting
from churnsaver_assets.defs.lib import metadata
from churnsaver_assets.defs.lib.io import Files
from churnsaver_assets.defs.lib.resources import Checkpoints
from churnsaver_assets.defs.lib.versions import code_version, files_version
from churnsaver_assets.defs.pacing import read_pacing
from churnsaver_assets.defs.settings.decision import BaselinesSettings, PolicySettings
from churnsaver_assets.defs.settings.stage import read_stage

OWNERS: Final = ["team:growth"]
CURVES_FILE: Final = "curves.json"

if TYPE_CHECKING:
    from churnsaver_assets.decision.ppo.curves import UpdateFigures

_CODE = code_version(__name__)
_SHARE_TOLERANCE = 0.05
# Single precision; torch and NumPy sum in another order.
_PARITY = 1e-5
_SECONDS_BETWEEN_LOGS = 10.0


@asset(
    ins={
        "environment": AssetIn("retention_environment"),
        "pacing": AssetIn("pacing_rule"),
        "settings": AssetIn("baselines_settings"),
    },
    group_name="decision",
    kinds={"xgboost", "json"},
    owners=OWNERS,
    code_version=_CODE,
    io_manager_key="files",
)
def baseline_policies(
    environment: Files, pacing: Files, settings: Files
) -> MaterializeResult[Files]:
    """Tune what served policies are compared with, in served mode with training customers.

    At the rules' own budget and capacity, everyone asked daily; an evaluation tunes them again to
    each setting that it shows. The uplift learners' log is simulated: neither table has a
    randomised treatment. The threshold policy that the release falls back to is here too.
    """
    from churnsaver_assets.decision.baselines.conditions import Conditions
    from churnsaver_assets.decision.baselines.fallback import fit_fallback
    from churnsaver_assets.decision.baselines.files import Tuning, to_files
    from churnsaver_assets.decision.baselines.fitting import fit_log_models
    from churnsaver_assets.decision.baselines.trials import tuning_setting
    from churnsaver_assets.decision.baselines.tuning import tune_baselines

    parsed = read_stage(settings, BaselinesSettings)
    spec, seed = parsed.baselines, parsed.seed
    setting = training_setting(environment, parsed)
    models = fit_log_models(setting, spec, seed)
    conditions = Conditions.of("daily", parsed.rules)
    tuned = tune_baselines(
        tuning_setting(setting, spec.tuning.months),
        conditions,
        models,
        spec,
        pacing=read_pacing(pacing),
        new_share=parsed.new_share,
        seed=seed,
    )
    files = to_files(models, (Tuning(conditions, tuned),), seed)
    files |= fit_fallback(setting.cohort.p_churn, parsed.fallback)
    rows: list[metadata.Row] = [
        {
            "policy": one.name,
            "gain": f"{one.gain_usd:.3f}",
            "spent in 30 days": f"{one.spent_usd:.3f}",
            "tried": one.candidates,
        }
        for one in tuned
    ]
    return MaterializeResult(
        value=files,
        data_version=files_version(files),
        metadata={
            "simulated: USD per training customer": metadata.table(rows),
            "budget, USD per customer": conditions.budget_usd,
            "training customers": len(setting.cohort),
        },
    )


@asset(
    ins={"environment": AssetIn("retention_environment"), "settings": AssetIn("policy_settings")},
    group_name="decision",
    kinds={"pytorch"},
    owners=OWNERS,
    code_version=_CODE,
    io_manager_key="files",
)
def ppo_policy(
    context: AssetExecutionContext,
    checkpoints: Checkpoints,
    environment: Files,
    settings: Files,
) -> MaterializeResult[Files]:
    """Train the learned policy: PPO that corrects the one-step rule at the mean of the priors.

    Conditioned on the multiplier, so that one policy serves every budget. A run that was cut goes
    on from its last checkpoint.
    """
    from churnsaver_assets.decision.evaluation.pictures.training_plots import (
        entropy_png,
        learning_curves_png,
    )
    from churnsaver_assets.decision.ppo.fit import fit_policy

    parsed = read_stage(settings, PolicySettings)
    setting, spec = training_setting(environment, parsed), parsed.policy
    fitted = fit_policy(
        setting,
        parsed.assumptions,
        spec,
        parsed.seed,
        # Of these inputs and this code alone: changed settings start anew.
        checkpoint_dir=checkpoints.folder(
            "ppo_policy",
            files_version(environment).value[:12],
            files_version(settings).value[:12],
            _CODE,
        ),
        progress=_Log(context, spec.warm_up.updates + spec.ppo.updates),
    )
    checkpoints.clear("ppo_policy")
    files = fitted.policy.to_files() | {CURVES_FILE: msgspec.json.encode(fitted.curves)}
    last = fitted.curves.updates[-1]
    return MaterializeResult(
        value=files,
        data_version=files_version(files),
        metadata={
            "updates": len(fitted.curves.updates),
            "entropy, nats a decision": last.entropy,
            "simulated: the greedy policy, USD per training customer": metadata.table(
                [
                    {
                        "after update": probe.update,
                        "multiplier": probe.multiplier,
                        "gain": f"{probe.gain_usd:.3f}",
                        "spend": f"{probe.cost_usd:.3f}",
                    }
                    for probe in fitted.curves.probes
                    if probe.update == fitted.curves.probes[-1].update
                ]
            ),
            "learning curves": metadata.picture(
                learning_curves_png(fitted.curves), "learning curves"
            ),
            "action entropy": metadata.picture(
                entropy_png({"ppo": fitted.curves}), "action entropy"
            ),
        },
    )


class _Log:
    """Logs training's progress, now and then."""

    def __init__(self, context: AssetExecutionContext, updates: int) -> None:
        self._context, self._updates, self._logged = context, updates, time.monotonic()

    def __call__(self, figures: "UpdateFigures") -> None:
        now = time.monotonic()
        if now - self._logged >= _SECONDS_BETWEEN_LOGS:
            self._logged = now
            self._context.log.info(
                "update %d of %d (%s): gain %.2f, spend %.2f USD a customer, KL %.4f, entropy %.3f",
                figures.update,
                self._updates,
                figures.phase,
                figures.gain_usd,
                figures.cost_usd,
                figures.kl,
                figures.entropy,
            )


@asset_check(
    asset="baseline_policies",
    name="contacts_its_share",
    additional_ins={
        "predictions": AssetIn("churn_risk_predictions"),
        "settings": AssetIn("baselines_settings"),
    },
    blocking=True,
)
def contacts_its_share(
    files: Files, predictions: pd.DataFrame, settings: Files
) -> AssetCheckResult:
    """Check that the saved fallback, over all customers, contacts the share it was fitted to."""
    from churnsaver_assets.decision.baselines.fallback import read_fallback

    spec = read_stage(settings, BaselinesSettings).fallback
    share = float((predictions["probability"] >= read_fallback(files).threshold).mean())
    aimed = 1.0 - spec.risk_quantile
    return AssetCheckResult(
        passed=abs(share - aimed) <= _SHARE_TOLERANCE,
        metadata={"share contacted": share, "aimed at": aimed},
    )


@asset_check(
    asset="ppo_policy",
    name="reloaded_policy_decides_alike",
    additional_ins={
        "environment": AssetIn("retention_environment"),
        "settings": AssetIn("policy_settings"),
    },
    blocking=True,
)
def reloaded_policy_decides_alike(
    files: Files, environment: Files, settings: Files
) -> AssetCheckResult:
    """Check that the saved policy, loaded, decides as torch does with its weights."""
    from churnsaver_assets.decision.ppo.parity import parity_with_torch
    from churnsaver_serving.runtime.policies.learned import LearnedPolicy

    parsed = read_stage(settings, PolicySettings)
    policy = LearnedPolicy.from_files(files)
    parity = parity_with_torch(
        policy,
        holdout_setting(environment, parsed),
        parsed.policy.probe.multipliers,
        seed=parsed.seed,
    )
    saved_again = policy.to_files()
    same = all(files[name] == data for name, data in saved_again.items())
    return AssetCheckResult(
        passed=parity.difference <= _PARITY and same,
        metadata={
            "largest difference of an action's probability": parity.difference,
            "decisions compared": parity.decisions,
            "saved again, the same bytes": same,
        },
    )
