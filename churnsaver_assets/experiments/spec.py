"""The typed experiment: all that an experiment file may say."""

import hashlib
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import yaml
from pydantic import Field, model_validator

from churnsaver_assets.experiments.baselines_spec import BaselinesSpec
from churnsaver_assets.experiments.evaluation_spec import EvaluationSpec
from churnsaver_assets.experiments.holidays_spec import HolidaysSpec
from churnsaver_assets.experiments.pacing_spec import PacingSpec
from churnsaver_assets.experiments.policy_spec import PolicySpec
from churnsaver_assets.experiments.strict import Scaled, Shared, Strict
from churnsaver_assets.experiments.text_gates import TextGate
from churnsaver_assets.experiments.text_spec import TextScale, TextSpec
from churnsaver_serving.runtime.limits.actions import ActionSpace
from churnsaver_serving.runtime.limits.rules import Rules
from churnsaver_serving.runtime.world.assumptions import Assumptions

DEFAULT_EXPERIMENT = "exp_001_mvp"


class ExperimentError(ValueError):
    """An experiment file that can't be used: names the file, the key and what was expected."""


class TreeParams(Strict):
    """XGBoost parameters an experiment may set; the rest is fixed in the training code."""

    max_depth: int = Field(ge=1, le=12)
    eta: float = Field(gt=0, le=1)
    subsample: float = Field(gt=0, le=1)
    colsample_bytree: float = Field(gt=0, le=1)
    min_child_weight: float = Field(ge=0)
    reg_lambda: float = Field(ge=0)


class CatBoostSpec(Strict):
    """CatBoost as it is compared with the model."""

    rounds: int = Field(ge=1)
    max_depth: int = Field(ge=1, le=12)
    eta: float = Field(gt=0, le=1)


class BoosterSpec(Strict):
    """Training and cross-fitting of one tabular model."""

    rounds: int = Field(ge=1)
    folds: int = Field(ge=3)  # two would leave the calibrators one inner fold to be chosen over
    params: TreeParams
    # Encoder columns in which the margin may only rise (1) or only fall (-1).
    monotone: Mapping[str, Literal[-1, 1]] = Field(default_factory=dict)


class TabularSpec(BoosterSpec):
    """Training of one tabular model, and its rivals.

    Attributes:
        rivals: Train the rivals, logistic regression and CatBoost, on the same folds.
        catboost: Hyperparameters of CatBoost.
    """

    rivals: Scaled[bool]
    catboost: CatBoostSpec


class TemporalSpec(TabularSpec):
    """A tabular model whose rows are in date order and which is also evaluated over time.

    Attributes:
        temporal: Train each family anew on the past of every block of rows.
        temporal_blocks: Blocks that the rows are cut into, in date order.
    """

    temporal: Scaled[bool]
    temporal_blocks: int = Field(ge=3)


class BaselineSpec(Strict):
    """The propensity baseline: contact the riskiest, with one fixed offer."""

    risk_quantile: float = Field(gt=0, lt=1)
    offer_pct: int = Field(ge=0, le=100)


class Gate(Strict):
    """Bounds of one model's blocking checks."""

    min_auc: float = Field(ge=0, le=1)
    max_ece: float = Field(gt=0, le=1)


class PolicyGate(Strict):
    """Bounds of the policy evaluation's blocking checks.

    Attributes:
        min_headroom: Least share of the headroom that the default policy reaches in any cell.
    """

    min_headroom: float = Field(ge=0, le=1)


class DataGates(Strict):
    """The gates of what is learnt from one kind of data."""

    churn_risk: Gate
    offer_acceptance: Gate
    policy: PolicyGate


class Gates(Strict):
    """What a release must reach.

    Attributes:
        real: Bounds where the tables are the real ones.
        sample: Bounds where they are the generated sample.
        text: Bounds of the text models by the scale of their training, whatever the data.
    """

    real: DataGates
    sample: DataGates
    text: Mapping[TextScale, TextGate]


class Experiment(Strict):
    """One experiment, whole."""

    name: str
    seed: int
    churn_risk: TabularSpec
    offer_acceptance: TemporalSpec
    actions: Annotated[ActionSpace, Shared()]
    assumptions: Annotated[Assumptions, Shared()]
    rules: Annotated[Rules, Shared()]
    holidays: HolidaysSpec
    baseline_policy: BaselineSpec
    baselines: BaselinesSpec
    policy: PolicySpec
    pacing: PacingSpec
    evaluation: EvaluationSpec
    text: TextSpec
    gates: Gates

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        offers = self.actions.offers_pct
        if len(self.assumptions.save_effect) != len(offers):
            raise ValueError(
                f"assumptions.save_effect: expected one per offer {offers}, "
                f"got {len(self.assumptions.save_effect)}"
            )
        if self.baseline_policy.offer_pct not in offers:
            raise ValueError(
                f"baseline_policy.offer_pct: expected one of {offers}, "
                f"got {self.baseline_policy.offer_pct}"
            )
        if self.text.scale not in self.gates.text:
            raise ValueError(f"gates.text: missing {self.text.scale!r} (text.scale)")
        return self

    @property
    def text_gate(self) -> TextGate:
        """Return the bounds of the text models at this experiment's scale."""
        return self.gates.text[self.text.scale]


def experiment_source(path: Path | None = None) -> bytes:
    """Read the experiment file's bytes: the path's, else the packaged default's.

    Raises:
        ExperimentError: there is no such file.
    """
    if path is None:
        folder = resources.files("churnsaver_assets.experiments")
        return (folder / f"{DEFAULT_EXPERIMENT}.yaml").read_bytes()
    try:
        return path.read_bytes()
    except FileNotFoundError as error:
        raise ExperimentError(f"{path}: no such experiment file") from error


def parse_experiment(source: bytes, *, where: str = "experiment") -> Experiment:
    """Read an experiment file's bytes.

    Raises:
        ExperimentError: not YAML, an unknown or missing key, or a value out of its range.
    """
    try:
        raw: Any = yaml.safe_load(source)
        return Experiment.model_validate(raw)
    except (yaml.YAMLError, ValueError) as error:
        raise ExperimentError(f"{where}: {error}") from error


def source_hash(source: bytes) -> str:
    """Return the sha256 of an experiment file's bytes."""
    return hashlib.sha256(source).hexdigest()
