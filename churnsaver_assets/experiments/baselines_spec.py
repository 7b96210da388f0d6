"""Hyperparameters of the baselines and uplift learners, as an experiment file states them."""

from collections.abc import Sequence
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from churnsaver_assets.experiments.strict import Scaled, Strict

Share = Annotated[float, Field(ge=0, le=1)]


class UpliftForestSpec(Strict):
    """causalml's `UpliftRandomForestClassifier`; one tree is a forest of one bootstrap."""

    trees: int = Field(ge=1)
    criterion: Literal["KL", "ED", "Chi", "CTS"]
    max_depth: int = Field(ge=1, le=12)
    max_features: int = Field(ge=1)
    min_samples_leaf: int = Field(ge=1)
    min_samples_treatment: int = Field(ge=1)  # below, a leaf could lack an arm
    n_reg: int = Field(ge=0)
    normalization: bool
    honesty: bool


class TwoModelSpec(Strict):
    """The T-learner: one XGBoost model for each arm."""

    rounds: int = Field(ge=1)
    max_depth: int = Field(ge=1, le=12)
    eta: float = Field(gt=0, le=1)
    min_child_weight: float = Field(ge=0)
    reg_lambda: float = Field(ge=0)


class UpliftSpec(Strict):
    """Both uplift learners, and how often Hillstrom's rows are resampled to judge them."""

    forest: UpliftForestSpec
    two_model: TwoModelSpec
    resamples: int = Field(ge=100)


class ThompsonSpec(Strict):
    """Thompson sampling: its Beta prior, and for how many bands of churn risk it learns."""

    risk_bands: int = Field(ge=1)
    prior_accepted: float = Field(gt=0)
    prior_refused: float = Field(gt=0)


class TuningSpec(Strict):
    """The grids over which a baseline's parameters are tuned, and what they are tried on.

    Attributes:
        customers: Training customers of the first day.
        replicates: Lives that they are tried in, with the same luck for all candidates.
        months: Months tried, after the one that the one-step rule plays.
        multipliers: Value that a dollar must bring beyond itself; ascending.
        risk_quantiles: Quantiles of training customers' churn risk, tried as thresholds; ascending.
        contact_rates: Probabilities to contact who is asked about; ascending.
        refinements: Times that the neighbourhood of the best candidate is halved.
    """

    customers: Scaled[int] = Field(ge=1)
    replicates: Scaled[int] = Field(ge=1)
    months: Scaled[int] = Field(ge=1)
    multipliers: tuple[Annotated[float, Field(ge=0)], ...] = Field(min_length=2)
    risk_quantiles: tuple[Share, ...] = Field(min_length=2)
    contact_rates: tuple[Share, ...] = Field(min_length=2)
    refinements: Scaled[int] = Field(ge=0)

    @model_validator(mode="after")
    def _ascending(self) -> Self:
        for name in ("multipliers", "risk_quantiles", "contact_rates"):
            grid: Sequence[float] = getattr(self, name)
            if list(grid) != sorted(set(grid)):
                raise ValueError(f"{name}: expected distinct ascending numbers, got {grid}")
        return self


class BaselinesSpec(Strict):
    """Hyperparameters of all baselines.

    Attributes:
        log_replicates: Times that each training customer stands in the randomised log.
        propensity_offer_pct: The one offer of the propensity baseline whose offer is not tuned.
        thompson: Prior and risk bands of Thompson sampling.
        uplift: Hyperparameters of the uplift learners.
        tuning: Grids that the baselines are tuned over.
    """

    log_replicates: Scaled[int] = Field(ge=1)
    propensity_offer_pct: int = Field(ge=0, le=100)
    thompson: ThompsonSpec
    uplift: UpliftSpec
    tuning: TuningSpec
