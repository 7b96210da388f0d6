"""Subsamples of the tables, encoded and split as the models take them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from churnsaver_assets.data.tables.splits import RULES, make_splits
from churnsaver_assets.tabular.features import encode_frame
from churnsaver_assets.tabular.tasks import TASKS, ModelKind
from churnsaver_serving.runtime.scoring.features import FeatureEncoder

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import pandas as pd

    from churnsaver_serving.runtime.arrays import Floats32


TABLE_OF: dict[ModelKind, str] = {
    "churn_risk": "telco_customers",
    "offer_acceptance": "bank_contacts",
}


@dataclass(frozen=True)
class Small:
    """A subsample as `fit_model` and as `cross_fit` take it."""

    frame: pd.DataFrame
    splits: pd.DataFrame
    encoder: FeatureEncoder
    matrix: Floats32
    labels: npt.NDArray[np.bool_]
    folds: npt.NDArray[np.int64]


def small_table(kind: ModelKind, rows: pd.DataFrame) -> Small:
    """Return those rows as a table of their own."""
    frame = rows.reset_index(drop=True)
    splits = make_splits(frame, RULES[TABLE_OF[kind]])
    task = TASKS[kind]
    encoder = FeatureEncoder(task.encoder(frame))
    fold_of = splits.set_index(task.key)["fold"]
    return Small(
        frame=frame,
        splits=splits,
        encoder=encoder,
        matrix=encode_frame(encoder, frame),
        labels=frame[task.label].to_numpy(dtype=bool),
        folds=frame[task.key].map(fold_of).to_numpy(dtype=int),
    )
