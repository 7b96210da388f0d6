"""The baselines' files: JSON and UBJSON, written once, loaded for the conditions tuned to."""

from collections.abc import Mapping

import msgspec

from churnsaver_assets.decision.baselines.conditions import Conditions
from churnsaver_assets.decision.baselines.log import FEATURES
from churnsaver_assets.decision.baselines.parameters import LogModels
from churnsaver_assets.decision.baselines.thompson import AcceptancePosterior
from churnsaver_assets.decision.baselines.tuning import TunedBaseline
from churnsaver_assets.decision.uplift.forest import UpliftForest
from churnsaver_assets.decision.uplift.t_learner import TLearner
from churnsaver_serving.runtime.scoring.boosters import BoosterError

BASELINES_FILE = "baselines.json"
FOREST_FILE = "uplift_forest.json"
TWO_MODEL_FILE = "two_model_arm{arm}.ubj"


class BaselineError(ValueError):
    """Files that don't make up baselines, or conditions they weren't tuned to."""


class Tuning(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The baselines tuned to some conditions.

    Attributes:
        conditions: The conditions.
        baselines: The tuned baselines, one of each name.
    """

    conditions: Conditions
    baselines: tuple[TunedBaseline, ...]


class BaselinesFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The contents of the baselines' JSON file: all that has no model file of its own.

    Attributes:
        seed: Seed for the policies' own draws.
        features: Columns that the models see.
        arms: Number of arms of the randomised log, control included.
        days: Days from offer to outcome in the log.
        posterior: Posterior of Thompson sampling after the log.
        tunings: The tunings, one for each of some conditions.
    """

    seed: int
    features: tuple[str, ...]
    arms: int
    days: int
    posterior: AcceptancePosterior
    tunings: tuple[Tuning, ...]

    def tuned(self, conditions: Conditions) -> tuple[TunedBaseline, ...]:
        """Return the baselines tuned to some conditions.

        Raises:
            BaselineError: They were tuned to others.
        """
        for tuning in self.tunings:
            if tuning.conditions == conditions:
                return tuning.baselines
        known = [tuning.conditions for tuning in self.tunings]
        raise BaselineError(f"no baselines for {conditions}; tuned to {known}")


def to_files(models: LogModels, tunings: tuple[Tuning, ...], seed: int) -> dict[str, bytes]:
    """Return the baselines' files, name to contents.

    Args:
        models: Models fitted on the randomised log.
        tunings: The tunings, one for each of some conditions.
        seed: Seed for the policies' own draws.
    """
    arms = models.two_model.to_bytes()
    table = BaselinesFile(
        seed=seed,
        features=FEATURES,
        arms=len(arms),
        days=models.days,
        posterior=models.posterior,
        tunings=tunings,
    )
    return {
        BASELINES_FILE: msgspec.json.encode(table),
        FOREST_FILE: msgspec.json.encode(models.forest),
        **{TWO_MODEL_FILE.format(arm=arm): model for arm, model in enumerate(arms)},
    }


def read_table(files: Mapping[str, bytes]) -> BaselinesFile:
    """Read the table of tunings.

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


def read_log_models(files: Mapping[str, bytes]) -> LogModels:
    """Read the models that were fitted on the randomised log.

    Raises:
        BaselineError: A file is missing or can't be read.
    """
    table = read_table(files)
    models = [TWO_MODEL_FILE.format(arm=arm) for arm in range(table.arms)]
    if missing := {FOREST_FILE, *models} - set(files):
        raise BaselineError(f"{sorted(missing)} missing; got {sorted(files)}")
    try:
        forest = msgspec.json.decode(files[FOREST_FILE], type=UpliftForest)
    except msgspec.MsgspecError as error:
        raise BaselineError(f"{FOREST_FILE} can't be read: {error}") from error
    try:
        two_model = TLearner.from_bytes([files[name] for name in models])
    except BoosterError as error:
        raise BaselineError(f"{models}: no XGBoost models in UBJSON: {error}") from error
    return LogModels(forest, two_model, table.days, table.posterior)
