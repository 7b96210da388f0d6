"""Validation of the uplift learners on Hillstrom's randomised e-mail test.

Learnt on one half, judged on the other. Telco and Bank Marketing have no randomised treatment, so
this is where the learners' code meets real effects.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import numpy as np

from churnsaver_assets.common.estimates import Interval
from churnsaver_assets.data.tables.splits import join_splits
from churnsaver_assets.decision.uplift.forest import fit_forest
from churnsaver_assets.decision.uplift.outcomes import CONTROL, OutcomeModel, Randomised, uplift
from churnsaver_assets.decision.uplift.qini import qini_estimate
from churnsaver_assets.decision.uplift.t_learner import fit_t_learner

if TYPE_CHECKING:
    import pandas as pd

    from churnsaver_assets.experiments.baselines_spec import UpliftSpec
    from churnsaver_serving.runtime.arrays import Floats


SEGMENTS = ("No E-Mail", "Womens E-Mail", "Mens E-Mail")
"""The arms; control first."""

OUTCOME = "visit"


class QiniResult(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The quality of a learner's ranking of customers by the effect of one treatment.

    Attributes:
        learner: Name of the learner, `uplift_tree` or `two_model_uplift`.
        treatment: The e-mail that is compared with none.
        rows: Number of held-out rows that got either.
        effect: Mean effect of the treatment among them, in probability of a visit.
        qini: Qini coefficient; 0 for a random ranking.
    """

    learner: str
    treatment: str
    rows: int
    effect: float
    qini: Interval


class UpliftValidation(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Results of every learner on every treatment, and of a random ranking.

    Attributes:
        outcome: Column that the treatments are to raise.
        results: Results, one for each learner and treatment; learner `random` scores by chance.
    """

    outcome: str
    results: tuple[QiniResult, ...]


def validate_uplift(
    frame: pd.DataFrame, splits: pd.DataFrame, spec: UpliftSpec, seed: int
) -> UpliftValidation:
    """Learn all arms on the training half, and rank the held-out half for each treatment.

    Args:
        frame: The table hillstrom_emails.
        splits: Splits of the table's rows, half train and half holdout.
        spec: The learners and the bootstrap.
        seed: Seed for learners, bootstrap and the random ranking.

    Raises:
        DataError: Table and splits don't hold the same customers.
        ValueError: The training half lacks an arm, or an arm's visits.
    """
    joined = join_splits(frame, splits)
    matrix = hillstrom_matrix(joined)
    arm = joined["segment"].map({name: at for at, name in enumerate(SEGMENTS)}).to_numpy(np.int64)
    outcome = joined[OUTCOME].to_numpy(np.bool_)
    train = (joined["split"] == "train").to_numpy()
    data = Randomised(matrix[train], arm[train], outcome[train])
    learners: dict[str, OutcomeModel] = {
        "uplift_tree": fit_forest(data, spec.forest, seed),
        "two_model_uplift": fit_t_learner(data, spec.two_model, seed),
    }
    scores = {name: uplift(model, matrix[~train]) for name, model in learners.items()}
    rng = np.random.default_rng(seed)
    scores["random"] = rng.random((int((~train).sum()), len(SEGMENTS) - 1))
    held_arm, held_outcome = arm[~train], outcome[~train]
    results = []
    for treatment in range(1, len(SEGMENTS)):
        own = (held_arm == treatment) | (held_arm == CONTROL)
        treated, visited = held_arm[own] == treatment, held_outcome[own]
        effect = float(visited[treated].mean() - visited[~treated].mean())
        results += [
            QiniResult(
                learner=name,
                treatment=SEGMENTS[treatment],
                rows=int(own.sum()),
                effect=effect,
                qini=qini_estimate(
                    visited,
                    score[own, treatment - 1],
                    treated,
                    seed=seed,
                    resamples=spec.resamples,
                ),
            )
            for name, score in scores.items()
        ]
    return UpliftValidation(OUTCOME, tuple(results))


def hillstrom_matrix(frame: pd.DataFrame) -> Floats:
    """Return the features known of customers before the e-mail, shape (n, 10)."""
    return np.column_stack(
        [
            *(
                frame[name].to_numpy(np.float64)
                for name in ("recency_months", "history_usd", "mens", "womens", "newbie")
            ),
            *((frame["zip_code"] == name).to_numpy(np.float64) for name in ("Urban", "Rural")),
            *(
                (frame["channel"] == name).to_numpy(np.float64)
                for name in ("Phone", "Web", "Multichannel")
            ),
        ]
    )
