"""Model families to compare: each trains on some rows and gives others log-odds."""

from collections.abc import Callable, Sequence
from typing import Protocol

import numpy as np

from churnsaver_assets.experiments.spec import BoosterSpec, CatBoostSpec
from churnsaver_assets.tabular.training import booster_margins, train_booster
from churnsaver_serving.runtime.arrays import Bools, Floats, Floats32

Margins = Callable[[Floats32], Floats]
"""Log-odds, shape (n,), of encoded rows."""


class Family(Protocol):
    """A deterministic training from encoded rows and their labels."""

    def __call__(self, matrix: Floats32, labels: Bools, /) -> Margins:
        """Train, and return the function that scores further rows."""
        ...


def xgboost_family(spec: BoosterSpec, seed: int, columns: Sequence[str]) -> Family:
    """Return the served family, as `train_booster` trains it."""

    def train(matrix: Floats32, labels: Bools) -> Margins:
        booster = train_booster(matrix, labels, spec, seed, columns=columns)
        return lambda rows: booster_margins(booster, rows)

    return train


def logistic_family() -> Family:
    """Return logistic regression on standardised columns; NaN becomes 0 and a column of its own."""

    def train(matrix: Floats32, labels: Bools) -> Margins:
        from sklearn.impute import SimpleImputer
        from sklearn.linear_model import LogisticRegression
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import StandardScaler

        pipeline = make_pipeline(
            SimpleImputer(
                strategy="constant",
                fill_value=0.0,
                add_indicator=True,
                keep_empty_features=True,
            ),
            StandardScaler(),
            LogisticRegression(max_iter=1000),
        ).fit(matrix.astype(np.float64), labels)
        return lambda rows: np.asarray(pipeline.decision_function(rows.astype(np.float64)))

    return train


def catboost_family(spec: CatBoostSpec, seed: int) -> Family:
    """Return CatBoost on the same columns, at its defaults but for the spec, on every core.

    Args:
        spec: Rounds, depth and learning rate.
        seed: Seed for its subsampling.
    """

    def train(matrix: Floats32, labels: Bools) -> Margins:
        from catboost import CatBoostClassifier

        model = CatBoostClassifier(
            iterations=spec.rounds,
            depth=spec.max_depth,
            learning_rate=spec.eta,
            random_seed=seed,
            allow_writing_files=False,
            logging_level="Silent",
        ).fit(matrix, labels)
        return lambda rows: np.asarray(
            model.predict(rows, prediction_type="RawFormulaVal"), dtype=np.float64
        )

    return train
