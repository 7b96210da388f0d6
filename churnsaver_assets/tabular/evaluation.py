"""Evaluation of a fitted model, out of fold: beside rival families, and over time."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import numpy as np

from churnsaver_assets.common.estimates import Interval
from churnsaver_assets.experiments.spec import TabularSpec, TemporalSpec
from churnsaver_assets.tabular.families import (
    Family,
    catboost_family,
    logistic_family,
    xgboost_family,
)
from churnsaver_assets.tabular.features import encode_frame
from churnsaver_assets.tabular.metrics import Metrics, auc_gain, measure
from churnsaver_assets.tabular.tasks import TASKS, ModelKind
from churnsaver_assets.tabular.temporal import TemporalEvaluation, base_rates, evaluate_over_time
from churnsaver_serving.runtime.scoring.calibration import sigmoid
from churnsaver_serving.runtime.scoring.features import FeatureEncoder

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd

    from churnsaver_serving.runtime.arrays import Bools, Floats, Floats32, Ints
    from churnsaver_serving.runtime.scoring.scores import ScoringModel


SERVED = "xgboost_calibrated"
UNCALIBRATED = "xgboost"


class FamilyEvaluation(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Out-of-fold figures of one family, all on the same folds.

    All are on the same features, but for the task's reference.

    Attributes:
        family: The family's name; only `SERVED` is calibrated, the others are as trained on log
            loss.
        pooled: Figures of all rows together.
        folds: Figures of each fold by itself.
        served_auc_gain: Pooled AUC of `SERVED` less this family's; None for itself.
    """

    family: str
    pooled: Metrics
    folds: tuple[Metrics, ...]
    served_auc_gain: Interval | None


class Evaluation(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All that is measured of a model.

    Attributes:
        kind: The model's kind.
        families: `SERVED` first, then the families that it is compared with.
        temporal: Each trained family over time, where the rows are in date order and that was
            asked for; else empty.
        base_rates: Share of events in each block of rows in date order; empty where they are in
            none.
    """

    kind: ModelKind
    families: tuple[FamilyEvaluation, ...]
    temporal: tuple[TemporalEvaluation, ...]
    base_rates: tuple[float, ...]

    @property
    def served(self) -> FamilyEvaluation:
        """Return the figures of the model that is released."""
        return self.families[0]

    @property
    def uncalibrated(self) -> FamilyEvaluation:
        """Return the figures of the released booster without its calibrator."""
        return next(family for family in self.families if family.family == UNCALIBRATED)


def evaluate_model(
    kind: ModelKind,
    model: ScoringModel,
    predictions: pd.DataFrame,
    frame: pd.DataFrame,
    spec: TabularSpec,
    seed: int,
    *,
    rivals: bool = True,
    temporal: bool = True,
) -> Evaluation:
    """Measure a model on its out-of-fold predictions, beside rivals and over time.

    Args:
        kind: The model's kind.
        model: The served model; only its encoder is used, to give all families the same features.
        predictions: Out-of-fold predictions, as `FittedModel` has them.
        frame: The table that the predictions were made from.
        spec: The model's spec; a `TemporalSpec` says that the rows are in date order.
        seed: Seed for training and resampling.
        rivals: Whether to train logistic regression, CatBoost and the task's reference on the same
            folds.
        temporal: Whether to train each family anew for each block of rows in date order.

    Raises:
        ValueError: `predictions` and `frame` don't hold the same rows in the same order.
    """
    key = TASKS[kind].key
    if predictions[key].tolist() != frame[key].tolist():
        raise ValueError(
            f"{key}: the table ({len(frame):,} rows) and its predictions ({len(predictions):,} "
            "rows) hold other rows or another order; make the predictions anew from this table"
        )
    encoder = model.encoder
    matrix = encode_frame(encoder, frame)
    labels = predictions["label"].to_numpy(dtype=np.bool_)
    folds = predictions["fold"].to_numpy(dtype=np.int64)
    others: dict[str, tuple[Family, Floats32]] = {}
    if rivals:
        others = {
            "logistic_regression": (logistic_family(), matrix),
            "catboost": (catboost_family(spec.catboost, seed), matrix),
        }
        if reference := TASKS[kind].reference:
            wider = FeatureEncoder(reference.encoder(frame))
            family = xgboost_family(spec, seed, wider.columns)
            others[reference.name] = (family, encode_frame(wider, frame))
    probabilities = {
        SERVED: predictions["probability"].to_numpy(dtype=np.float64),
        UNCALIBRATED: sigmoid(predictions["margin"].to_numpy(dtype=np.float64)),
    } | {
        name: sigmoid(_out_of_fold(family, rows, labels, folds))
        for name, (family, rows) in others.items()
    }
    over_time: tuple[TemporalEvaluation, ...] = ()
    rates: tuple[float, ...] = ()
    if isinstance(spec, TemporalSpec):
        rates = base_rates(labels, spec.temporal_blocks)
        if temporal:
            own = xgboost_family(spec, seed, encoder.columns)
            over_time = tuple(
                evaluate_over_time(
                    name, family, rows, labels, blocks=spec.temporal_blocks, seed=seed
                )
                for name, (family, rows) in {UNCALIBRATED: (own, matrix), **others}.items()
            )
    return Evaluation(
        kind=kind,
        families=_families(probabilities, labels, folds, seed),
        temporal=over_time,
        base_rates=rates,
    )


def _families(
    probabilities: Mapping[str, Floats], labels: Bools, folds: Ints, seed: int
) -> tuple[FamilyEvaluation, ...]:
    return tuple(
        FamilyEvaluation(
            family=name,
            pooled=measure(labels, values, seed=seed),
            folds=tuple(
                measure(labels[folds == fold], values[folds == fold], seed=seed)
                for fold in np.unique(folds)
            ),
            served_auc_gain=None
            if name == SERVED
            else auc_gain(labels, probabilities[SERVED], values, seed=seed),
        )
        for name, values in probabilities.items()
    )


def _out_of_fold(family: Family, matrix: Floats32, labels: Bools, folds: Ints) -> Floats:
    """Return each fold's log-odds from a family trained on the other folds."""
    margins = np.full(len(labels), np.nan)
    for fold in np.unique(folds):
        test = folds == fold
        margins[test] = family(matrix[~test], labels[~test])(matrix[test])
    return margins
