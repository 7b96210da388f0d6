"""Fitting of the baselines: models of a randomised log, then tuning at each budget."""

from collections.abc import Sequence

from churnsaver_assets.decision.baselines.acceptance import fit_acceptance
from churnsaver_assets.decision.baselines.files import BudgetTuning, to_files
from churnsaver_assets.decision.baselines.log import randomised_log
from churnsaver_assets.decision.baselines.parameters import LogModels
from churnsaver_assets.decision.baselines.thompson import warm_up
from churnsaver_assets.decision.baselines.tuning import tune_baselines
from churnsaver_assets.decision.simulator.setting import Setting
from churnsaver_assets.decision.uplift.forest import fit_forest
from churnsaver_assets.decision.uplift.outcomes import Randomised
from churnsaver_assets.decision.uplift.t_learner import fit_t_learner
from churnsaver_assets.experiments.baselines_spec import BaselinesSpec


def fit_log_models(setting: Setting, spec: BaselinesSpec, seed: int) -> LogModels:
    """Fit the models that baselines need, on one randomised log of training customers.

    Raises:
        ValueError: Too few customers, so that an arm lacks an outcome.
    """
    log = randomised_log(setting, spec.log_replicates, seed)
    retention = Randomised(log.matrix, log.arm, log.stayed)
    return LogModels(
        forest=fit_forest(retention, spec.uplift.forest, seed),
        two_model=fit_t_learner(retention, spec.uplift.two_model, seed),
        acceptance=fit_acceptance(log),
        posterior=warm_up(log, spec.thompson),
    )


def fit_baselines(
    setting: Setting, budgets_per_customer: Sequence[float], spec: BaselinesSpec, seed: int
) -> dict[str, bytes]:
    """Learn and tune every baseline on training customers, at equal budget.

    The uplift learners' log is simulated, because neither table has a randomised treatment.

    Args:
        setting: Training customers; the nominal world is the true one.
        budgets_per_customer: USD, each a hard cap.
        spec: Hyperparameters of the models, and the grids of the tuning.
        seed: Seed for log, models, tuning and agents; the same seed gives the same bytes.

    Returns:
        The files, name to contents.

    Raises:
        ValueError: Too few customers, so that an arm of the log lacks an outcome.
    """
    log_models = fit_log_models(setting, spec, seed)
    budgets = tuple(
        BudgetTuning(
            budget,
            tune_baselines(setting, log_models, spec, budget_per_customer=budget, seed=seed),
        )
        for budget in budgets_per_customer
    )
    return to_files(log_models, budgets, seed)
