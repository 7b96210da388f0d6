"""A calibrated XGBoost model as it is served: encoder, booster, calibrator, in three open files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from churnsaver_serving.runtime.scoring.boosters import BoosterError, load_booster
from churnsaver_serving.runtime.scoring.calibration import Calibrator
from churnsaver_serving.runtime.scoring.features import EncoderSpec, FeatureEncoder

if TYPE_CHECKING:
    import xgboost

    from churnsaver_serving.runtime.arrays import Floats, Floats32


MODEL_FILE = "model.ubj"
CALIBRATOR_FILE = "calibrator.json"
ENCODER_FILE = "encoder.json"


class ModelError(ValueError):
    """Files that don't make up a model: names the file and what is wrong with it."""


class ScoringModel:
    """A model that scores a table of raw values.

    Args:
        booster: Booster trained on the encoder's columns, objective `binary:logistic`.
        encoder: The encoder of the training data.
        calibrator: Calibrator from margin to probability.
    """

    def __init__(
        self, booster: xgboost.Booster, encoder: FeatureEncoder, calibrator: Calibrator
    ) -> None:
        if booster.num_features() != len(encoder.columns):
            raise ModelError(
                f"{MODEL_FILE} has {booster.num_features()} features, "
                f"{ENCODER_FILE} encodes {len(encoder.columns)}"
            )
        self.booster = booster
        self.encoder = encoder
        self.calibrator = calibrator

    @classmethod
    def from_files(cls, files: Mapping[str, bytes], *, threads: int = 1) -> ScoringModel:
        """Build the model from its files' contents.

        Args:
            files: Contents under the names `MODEL_FILE`, `CALIBRATOR_FILE`, `ENCODER_FILE`.
            threads: Threads per prediction; one is fastest for the few rows of a request.

        Raises:
            ModelError: A file is missing or can't be read.
        """
        for name in (MODEL_FILE, CALIBRATOR_FILE, ENCODER_FILE):
            if name not in files:
                raise ModelError(f"{name} is missing; got {sorted(files)}")
        try:
            spec = msgspec.json.decode(files[ENCODER_FILE], type=EncoderSpec)
            calibrator: Calibrator = msgspec.json.decode(files[CALIBRATOR_FILE], type=Calibrator)
        except msgspec.MsgspecError as error:
            raise ModelError(
                f"{ENCODER_FILE} or {CALIBRATOR_FILE} can't be read: {error}"
            ) from error
        try:
            booster = load_booster(files[MODEL_FILE], threads=threads)
        except BoosterError as error:
            raise ModelError(f"{MODEL_FILE} is no XGBoost model in UBJSON: {error}") from error
        return cls(booster, FeatureEncoder(spec), calibrator)

    def to_files(self) -> dict[str, bytes]:
        """Return the model's files, name to contents. `from_files` of these scores the same."""
        return {
            MODEL_FILE: bytes(self.booster.save_raw("ubj")),
            CALIBRATOR_FILE: msgspec.json.encode(self.calibrator),
            ENCODER_FILE: msgspec.json.encode(self.encoder.spec),
        }

    def margin(self, matrix: Floats32) -> Floats:
        """Return log-odds before calibration, shape (n,), for encoded rows, shape (n, columns)."""
        raw = self.booster.inplace_predict(matrix, predict_type="margin")
        return np.asarray(raw, dtype=np.float64)

    def probability(self, matrix: Floats32) -> Floats:
        """Return calibrated probabilities, shape (n,), for encoded rows of shape (n, columns)."""
        return self.calibrator.transform(self.margin(matrix))

    def score(self, table: Mapping[str, Sequence[Any]]) -> Floats:
        """Return calibrated probabilities, shape (n,), for a table of raw values (see `encode`)."""
        return self.probability(self.encoder.encode(table))

    def contributions(self, matrix: Floats32) -> Floats:
        """Return the SHAP contribution of each field to the margin, in log-odds.

        XGBoost's own exact TreeSHAP (Lundberg et al. 2020), summed over a field's columns.

        Returns:
            Shape (n, fields + 1); the last column is the bias. Rows sum to `margin`.
        """
        import xgboost

        data = xgboost.DMatrix(matrix, nthread=1)
        by_column = np.asarray(self.booster.predict(data, pred_contribs=True), dtype=np.float64)
        by_field = np.add.reduceat(by_column[:, :-1], self.encoder.field_starts, axis=1)
        return np.concatenate([by_field, by_column[:, -1:]], axis=1)
