"""The typed experiment: what an experiment file may say, and nothing else."""

import hashlib
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import msgspec
import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from churnsaver_assets.experiments.baselines_spec import BaselinesSpec
from churnsaver_assets.experiments.evaluation_spec import EvaluationSpec
from churnsaver_assets.experiments.pacing_spec import PacingSpec
from churnsaver_assets.experiments.policy_spec import PolicySpec
from churnsaver_assets.experiments.text_spec import TextGate, TextScale, TextSpec
from churnsaver_serving.runtime.actions import ActionSpace
from churnsaver_serving.runtime.assumptions import Assumptions
from churnsaver_serving.runtime.manifest import DataLabel
from churnsaver_serving.runtime.rules import Rules

DEFAULT_EXPERIMENT = "exp_001_mvp"


class ExperimentError(ValueError):
    """An experiment file that can't be used: names the file, the key and what was expected."""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True)


def _struct(kind: type[msgspec.Struct]) -> BeforeValidator:
    """Let msgspec read the structs that serving shares, so that each is defined once."""

    def convert(value: object) -> object:
        if isinstance(value, kind):
            return value
        try:
            return msgspec.convert(value, kind)
        except msgspec.ValidationError as error:
            raise ValueError(str(error)) from error

    return BeforeValidator(convert)


class TreeParams(_Strict):
    """XGBoost parameters an experiment may set; the rest is fixed in the training code."""

    max_depth: int = Field(ge=1, le=12)
    eta: float = Field(gt=0, le=1)
    subsample: float = Field(gt=0, le=1)
    colsample_bytree: float = Field(gt=0, le=1)
    min_child_weight: float = Field(ge=0)
    reg_lambda: float = Field(ge=0)


class CatBoostSpec(_Strict):
    """CatBoost as it is compared with the model."""

    rounds: int = Field(ge=1)
    max_depth: int = Field(ge=1, le=12)
    eta: float = Field(gt=0, le=1)


class TabularSpec(_Strict):
    """How one tabular model is trained and cross-fitted, and what it is compared with."""

    rounds: int = Field(ge=1)
    folds: int = Field(ge=3)  # two would leave the calibrators one inner fold to be chosen over
    params: TreeParams
    # Encoder columns in which the margin may only rise (1) or only fall (-1).
    monotone: Mapping[str, Literal[-1, 1]] = Field(default_factory=dict)
    catboost: CatBoostSpec


class TemporalSpec(TabularSpec):
    """A tabular model whose rows are in date order and which is also evaluated over time."""

    temporal_blocks: int = Field(ge=3)


class BaselineSpec(_Strict):
    """The propensity baseline: contact the riskiest, with one fixed offer."""

    risk_quantile: float = Field(gt=0, lt=1)
    offer_pct: int = Field(ge=0, le=100)


class Gate(_Strict):
    """Bounds of one model's blocking checks."""

    min_auc: float = Field(ge=0, le=1)
    max_ece: float = Field(gt=0, le=1)


class PolicyGate(_Strict):
    """Bounds of the policy evaluation's blocking checks.

    Attributes:
        min_headroom: least share of the headroom at each budget.
        min_capacity_headroom: the same under a daily capacity.
        max_fatigue_over_cap: most customers contacted beyond the fatigue cap without its mask.
    """

    min_headroom: float = Field(ge=0, le=1)
    min_capacity_headroom: float = Field(ge=0, le=1)
    max_fatigue_over_cap: float = Field(ge=0, le=1)


class Gates(_Strict):
    """The gates of the models, of the policy and, by the scale of training, of messages."""

    churn_risk: Gate
    offer_acceptance: Gate
    policy: PolicyGate
    text: Mapping[TextScale, TextGate]


class Experiment(_Strict):
    """One experiment, whole."""

    name: str
    seed: int
    churn_risk: TabularSpec
    offer_acceptance: TemporalSpec
    actions: Annotated[ActionSpace, _struct(ActionSpace)]
    assumptions: Annotated[Assumptions, _struct(Assumptions)]
    rules: Annotated[Rules, _struct(Rules)]
    baseline_policy: BaselineSpec
    baselines: BaselinesSpec
    policy: PolicySpec
    pacing: PacingSpec
    evaluation: EvaluationSpec
    text: TextSpec
    gates: Mapping[DataLabel, Gates]

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
        if missing := {"real", "sample"} - set(self.gates):
            raise ValueError(f"gates: missing {sorted(missing)}")
        for label, gates in self.gates.items():
            if self.text.scale not in gates.text:
                raise ValueError(f"gates.{label}.text: missing {self.text.scale!r} (text.scale)")
        return self


def experiment_source(path: Path | None = None) -> bytes:
    """The experiment file's bytes: the path's, else the packaged default's.

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
    """sha256 of an experiment file's bytes."""
    return hashlib.sha256(source).hexdigest()
