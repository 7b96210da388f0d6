"""The baselines' files: JSON and UBJSON, written once, loaded for a budget."""

from collections.abc import Mapping

import msgspec

from churnsaver_assets.decision.baselines.acceptance import LoggedAcceptance
from churnsaver_assets.decision.baselines.log import FEATURES
from churnsaver_assets.decision.baselines.parameters import LogModels, build_agent
from churnsaver_assets.decision.baselines.thompson import AcceptancePosterior
from churnsaver_assets.decision.baselines.tuning import TunedBaseline
from churnsaver_assets.decision.play.agents import Agent
from churnsaver_assets.decision.uplift.forest import UpliftForest
from churnsaver_assets.decision.uplift.t_learner import TLearner

BASELINES_FILE = "baselines.json"
FOREST_FILE = "uplift_forest.json"
TWO_MODEL_FILE = "two_model_arm{arm}.ubj"


class BaselineError(ValueError):
    """Files that don't make up baselines, or a budget they weren't tuned for."""


class BudgetTuning(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The baselines tuned for one budget.

    Attributes:
        budget_per_customer: USD.
        baselines: The tuned baselines, one of each kind.
    """

    budget_per_customer: float
    baselines: tuple[TunedBaseline, ...]


class BaselinesFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The contents of the baselines' JSON file: all that has no model file of its own.

    Attributes:
        seed: Seed for the agents' own draws.
        features: Columns that the models see.
        arms: Number of arms of the randomised log, control included.
        acceptance: The model of each offer's acceptance, fitted on the log.
        posterior: Posterior of Thompson sampling after the log.
        budgets: The tunings, one a budget.
    """

    seed: int
    features: tuple[str, ...]
    arms: int
    acceptance: LoggedAcceptance
    posterior: AcceptancePosterior
    budgets: tuple[BudgetTuning, ...]


def to_files(
    log_models: LogModels, budgets: tuple[BudgetTuning, ...], seed: int
) -> dict[str, bytes]:
    """Return the baselines' files, name to contents.

    Args:
        log_models: Models fitted on the randomised log.
        budgets: The tunings, one a budget.
        seed: Seed for the agents' own draws.
    """
    models = log_models.two_model.to_bytes()
    table = BaselinesFile(
        seed=seed,
        features=FEATURES,
        arms=len(models),
        acceptance=log_models.acceptance,
        posterior=log_models.posterior,
        budgets=budgets,
    )
    return {
        BASELINES_FILE: msgspec.json.encode(table),
        FOREST_FILE: msgspec.json.encode(log_models.forest),
        **{TWO_MODEL_FILE.format(arm=arm): model for arm, model in enumerate(models)},
    }


def read_table(files: Mapping[str, bytes]) -> BaselinesFile:
    """Read the table of tunings, for tables and metadata.

    Raises:
        BaselineError: The file is missing or can't be read.
    """
    if BASELINES_FILE not in files:
        raise BaselineError(f"{BASELINES_FILE} is missing; got {sorted(files)}")
    try:
        table = msgspec.json.decode(files[BASELINES_FILE], type=BaselinesFile)
    except msgspec.MsgspecError as error:
        raise BaselineError(f"{BASELINES_FILE} can't be read: {error}") from error
    if table.features != FEATURES:
        raise BaselineError(
            f"{BASELINES_FILE}: learnt on {table.features}, this version has {FEATURES}"
        )
    return table


def load_baselines(files: Mapping[str, bytes], budget_per_customer: float) -> list[Agent]:
    """Load the agents tuned for a budget, from what `fit_baselines` wrote.

    Args:
        files: Name to contents.
        budget_per_customer: One of those tuned for, to the cent.

    Raises:
        BaselineError: A file is missing or can't be read, or another budget.
    """
    table = read_table(files)
    tuned = next(
        (
            tuning.baselines
            for tuning in table.budgets
            if round(100 * tuning.budget_per_customer) == round(100 * budget_per_customer)
        ),
        None,
    )
    if tuned is None:
        known = [tuning.budget_per_customer for tuning in table.budgets]
        raise BaselineError(f"no baselines for {budget_per_customer} USD; tuned for {known}")
    log_models = _read_log_models(files, table)
    return [build_agent(baseline.parameters, log_models, table.seed) for baseline in tuned]


def _read_log_models(files: Mapping[str, bytes], table: BaselinesFile) -> LogModels:
    import xgboost

    models = [TWO_MODEL_FILE.format(arm=arm) for arm in range(table.arms)]
    if missing := {FOREST_FILE, *models} - set(files):
        raise BaselineError(f"{sorted(missing)} missing; got {sorted(files)}")
    try:
        forest = msgspec.json.decode(files[FOREST_FILE], type=UpliftForest)
    except msgspec.MsgspecError as error:
        raise BaselineError(f"{FOREST_FILE} can't be read: {error}") from error
    try:
        two_model = TLearner.from_bytes([files[name] for name in models])
    except xgboost.core.XGBoostError as error:
        raise BaselineError(f"{models}: no XGBoost models in UBJSON: {error}") from error
    return LogModels(
        forest=forest,
        two_model=two_model,
        acceptance=table.acceptance,
        posterior=table.posterior,
    )
