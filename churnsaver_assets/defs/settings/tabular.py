"""Settings of the tabular models, of their evaluations and of the checks on these."""

from typing import Annotated

from churnsaver_assets.defs.settings.stage import At, Seed
from churnsaver_assets.experiments.spec import BoosterSpec, Gate, TabularSpec, TemporalSpec
from churnsaver_assets.experiments.strict import Strict
from churnsaver_serving.runtime.manifest import DataLabel


class ModelSettings(Strict):
    """Settings of a tabular model.

    Attributes:
        seed: Seed for training.
        model: How it is trained; not what it is compared with.
    """

    seed: Seed
    model: BoosterSpec


class ModelEvaluationSettings(Strict):
    """Settings of a tabular model's evaluation.

    Attributes:
        seed: Seed for the intervals and for the rivals' training.
        model: How it was trained, and what it is compared with.
    """

    seed: Seed
    model: TabularSpec


class ModelGates(Strict):
    """Bounds that a tabular model must reach.

    Attributes:
        real: Bounds on real data.
        sample: Bounds on the generated sample.
    """

    real: Gate
    sample: Gate

    def of(self, label: DataLabel) -> Gate:
        """Return the bounds for data of that label."""
        return self.real if label == "real" else self.sample


class ChurnRiskSettings(ModelSettings):
    """Settings of `churn_risk_model`."""

    model: Annotated[BoosterSpec, At("churn_risk")]


class OfferAcceptanceSettings(ModelSettings):
    """Settings of `offer_acceptance_model`."""

    model: Annotated[BoosterSpec, At("offer_acceptance")]


class ChurnRiskEvaluationSettings(ModelEvaluationSettings):
    """Settings of `churn_risk_evaluation`."""

    model: Annotated[TabularSpec, At("churn_risk")]


class OfferAcceptanceEvaluationSettings(ModelEvaluationSettings):
    """Settings of `offer_acceptance_evaluation`, whose rows are in date order."""

    model: Annotated[TemporalSpec, At("offer_acceptance")]


class ChurnRiskGates(ModelGates):
    """Bounds that `churn_risk_evaluation` is checked against."""

    real: Annotated[Gate, At("gates.real.churn_risk")]
    sample: Annotated[Gate, At("gates.sample.churn_risk")]


class OfferAcceptanceGates(ModelGates):
    """Bounds that `offer_acceptance_evaluation` is checked against."""

    real: Annotated[Gate, At("gates.real.offer_acceptance")]
    sample: Annotated[Gate, At("gates.sample.offer_acceptance")]
