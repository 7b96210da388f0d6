"""Fitting of what baselines learn from a randomised log of training customers."""

from churnsaver_assets.decision.baselines.log import randomised_log
from churnsaver_assets.decision.baselines.parameters import LogModels
from churnsaver_assets.decision.baselines.thompson import warm_up
from churnsaver_assets.decision.simulator.setting import Setting
from churnsaver_assets.decision.uplift.forest import fit_forest
from churnsaver_assets.decision.uplift.outcomes import Randomised
from churnsaver_assets.decision.uplift.t_learner import fit_t_learner
from churnsaver_assets.experiments.baselines_spec import BaselinesSpec


def fit_log_models(setting: Setting, spec: BaselinesSpec, seed: int) -> LogModels:
    """Fit the models that baselines need, on one randomised log of training customers.

    The log is simulated, because neither table has a randomised treatment.

    Args:
        setting: Training customers; the nominal world is the true one.
        spec: Hyperparameters of the models.
        seed: Seed for log and models; the same seed gives the same bytes.

    Raises:
        ValueError: Too few customers, so that an arm lacks an outcome.
    """
    log = randomised_log(setting, spec.log_replicates, seed)
    retention = Randomised(log.matrix, log.arm, log.stayed)
    return LogModels(
        forest=fit_forest(retention, spec.uplift.forest, seed),
        two_model=fit_t_learner(retention, spec.uplift.two_model, seed),
        days=log.days,
        posterior=warm_up(log, spec.thompson),
    )
