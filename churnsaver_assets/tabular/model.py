"""The making of a tabular model: cross-fitting, training on all rows, and a proof of its files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from churnsaver_assets.data.tables.splits import join_splits
from churnsaver_assets.tabular.calibration import choose_calibrator
from churnsaver_assets.tabular.features import assert_no_leak, encode_frame
from churnsaver_assets.tabular.tasks import TASKS, ModelKind
from churnsaver_assets.tabular.training import cross_fit, train_booster
from churnsaver_serving.runtime.scoring.features import FeatureEncoder
from churnsaver_serving.runtime.scoring.scores import ScoringModel

if TYPE_CHECKING:
    import pandas as pd

    from churnsaver_assets.experiments.spec import BoosterSpec
    from churnsaver_serving.runtime.arrays import Floats32


class ReloadMismatchError(RuntimeError):
    """A model's files score differently from the model they were written from."""


@dataclass(frozen=True)
class FittedModel:
    """A model fit for a release, with the evidence of how good it is.

    Attributes:
        kind: The model's kind.
        model: The model, trained and calibrated on all rows; `files` load as it.
        files: File names to contents, open formats.
        predictions: One row for each row of the table, in its order: the task's key, `label`,
            `fold`, `margin` and `probability`, the latter two out of fold.
        calibrator: Name of the calibrator in `model`.
        losses: Cross-validated log loss of each candidate on all out-of-fold margins, nats a row.
        fold_calibrators: Name of the calibrator chosen without each fold, behind `predictions`.
    """

    kind: ModelKind
    model: ScoringModel
    files: Mapping[str, bytes]
    predictions: pd.DataFrame
    calibrator: str
    losses: Mapping[str, float]
    fold_calibrators: tuple[str, ...]


def fit_model(
    frame: pd.DataFrame,
    splits: pd.DataFrame,
    spec: BoosterSpec,
    seed: int,
    kind: ModelKind,
) -> FittedModel:
    """Fit one of the two models.

    The served booster is trained on all rows; its calibrator is the candidate with the least loss
    on the out-of-fold margins, fitted on all of them. `predictions` are not that model's: they
    come from the nested loop of `cross_fit`, so metrics on them hold for rows never seen.

    Args:
        frame: The task's table.
        splits: The table's `fold` by key.
        spec: Settings of the boosters' training.
        seed: Seed for every booster.
        kind: The model's kind.

    Raises:
        DataError: Frame and splits hold different keys.
        EncodingError: The encoder can't take a value.
        LeakedColumnError: The encoder has a column that tells the outcome.
        ReloadMismatchError: The files don't score as the model does.
        ValueError: Folds or labels can't be cross-fitted.
    """
    import pandas as pd

    task = TASKS[kind]
    encoder = FeatureEncoder(task.encoder(frame))
    assert_no_leak(encoder.spec)
    matrix = encode_frame(encoder, frame)
    labels = frame[task.label].to_numpy(dtype=np.bool_)
    folds = join_splits(frame, splits[[task.key, "fold"]])["fold"].to_numpy(dtype=np.int64)

    crossed = cross_fit(matrix, labels, folds, spec, seed, columns=encoder.columns)
    choice = choose_calibrator(crossed.margins, labels, folds)
    booster = train_booster(matrix, labels, spec, seed, columns=encoder.columns)
    model = ScoringModel(booster, encoder, choice.calibrator)
    files = model.to_files()
    check_reload(model, files, matrix)
    return FittedModel(
        kind=kind,
        model=model,
        files=files,
        predictions=pd.DataFrame(
            {
                task.key: frame[task.key].to_numpy(),
                "label": labels,
                "fold": folds,
                "margin": crossed.margins,
                "probability": crossed.probabilities,
            }
        ),
        calibrator=choice.name,
        losses=choice.losses,
        fold_calibrators=tuple(fold.name for fold in crossed.choices),
    )


def check_reload(model: ScoringModel, files: Mapping[str, bytes], matrix: Floats32) -> None:
    """Load the files, score the rows again and compare bit by bit.

    Args:
        model: The model that the files were written from.
        files: File names to contents.
        matrix: Encoded rows, shape (n, columns).

    Raises:
        ModelError: The files can't be loaded.
        ReloadMismatchError: Rows score differently; it says how many, and by how much at most.
    """
    before = model.probability(matrix)
    after = ScoringModel.from_files(files).probability(matrix)
    if before.tobytes() != after.tobytes():
        differing = int((before != after).sum())
        largest = float(np.abs(before - after).max())
        raise ReloadMismatchError(
            f"{differing} of {len(matrix)} rows score differently after reload, by up to "
            f"{largest:.3g}; expected equal bits"
        )
