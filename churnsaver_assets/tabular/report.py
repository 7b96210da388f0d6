"""An evaluation as people read it: rows of a table, and pictures."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from churnsaver_assets.tabular.evaluation import SERVED, UNCALIBRATED
from churnsaver_assets.tabular.features import encode_frame
from churnsaver_assets.tabular.plots import (
    importance_png,
    reliability_png,
    roc_png,
    shap_importance,
    temporal_png,
)
from churnsaver_assets.tabular.tasks import TASKS
from churnsaver_assets.tabular.temporal import LATEST_BLOCK

if TYPE_CHECKING:
    import pandas as pd

    from churnsaver_assets.tabular.evaluation import Evaluation
    from churnsaver_serving.runtime.scoring.scores import ScoringModel

Row = dict[str, str]

_IN_RELEASE = {SERVED: "yes", UNCALIBRATED: "its booster, without the calibrator"}


def evaluation_rows(evaluation: Evaluation) -> list[Row]:
    """Return one row per family: pooled out-of-fold figures with their 95 % intervals."""
    return [
        {
            "family": family.family,
            "in the release": _IN_RELEASE.get(family.family, "no"),
            "AUC": f"{family.pooled.auc:.4f}",
            "AUC gain of the served model": (
                "-" if family.served_auc_gain is None else f"{family.served_auc_gain:.4f}"
            ),
            "ECE": f"{family.pooled.ece:.4f}",
            "ECE noise floor": f"{family.pooled.ece_noise_floor.mean:.4f}",
            "Brier": f"{family.pooled.brier:.4f}",
            "log loss": f"{family.pooled.log_loss:.4f}",
            "AUC of the folds": ", ".join(f"{fold.auc.mean:.3f}" for fold in family.folds),
        }
        for family in evaluation.families
    ]


def temporal_rows(evaluation: Evaluation) -> list[Row]:
    """Return one row per family and use of the latest block; none where nothing was refitted."""
    return [
        {
            "family": family.family,
            "latest block": use,
            "mean AUC within a block": f"{family.mean_block_auc(use):.4f}",
            "AUC, pooled": f"{family.pooled[use].auc:.4f}",
            "ECE, pooled": f"{family.pooled[use].ece:.4f}",
            "last block: AUC": f"{family.blocks[-1].metrics[use].auc:.4f}",
            "last block: ECE": f"{family.blocks[-1].metrics[use].ece:.4f}",
            "AUC of the blocks": ", ".join(
                f"{block.metrics[use].auc.mean:.3f}" for block in family.blocks
            ),
        }
        for family in evaluation.temporal
        for use in LATEST_BLOCK
    ]


def base_rate_rows(evaluation: Evaluation) -> list[Row]:
    """Return the base rate of each block in date order, in one row; none where there is no date."""
    rates = {f"block {block}": f"{rate:.1%}" for block, rate in enumerate(evaluation.base_rates)}
    return [rates] if rates else []


def pictures(
    evaluation: Evaluation,
    model: ScoringModel,
    predictions: pd.DataFrame,
    frame: pd.DataFrame,
    *,
    seed: int,
) -> dict[str, bytes]:
    """Draw the evaluation's pictures, name to PNG.

    Args:
        evaluation: The figures that stand in the pictures.
        model: The served model, for the importance of its features.
        predictions: Out-of-fold predictions, as from `fit_model`.
        frame: The table that the model was fitted on.
        seed: Seed for the bands' resampling.
    """
    task = TASKS[evaluation.kind]
    labels = predictions["label"].to_numpy(dtype=np.bool_)
    probabilities = predictions["probability"].to_numpy(dtype=np.float64)
    pooled = evaluation.served.pooled
    importance = shap_importance(model, encode_frame(model.encoder, frame), seed=seed)
    images = {
        "roc": roc_png(labels, probabilities, pooled, title=task.title, seed=seed),
        "reliability": reliability_png(
            labels, probabilities, pooled, title=task.title, event=task.event, seed=seed
        ),
        "importance": importance_png(importance, title=task.title),
    }
    if evaluation.temporal:
        images["temporal"] = temporal_png(evaluation.temporal[0], title=task.title)
    return images
