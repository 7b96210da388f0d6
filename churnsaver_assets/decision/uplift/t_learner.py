"""The two-model approach (T-learner): a model of the outcome for each arm by itself."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from churnsaver_serving.runtime.scoring.boosters import load_booster

if TYPE_CHECKING:
    import xgboost

    from churnsaver_assets.decision.uplift.outcomes import Randomised
    from churnsaver_assets.experiments.baselines_spec import TwoModelSpec
    from churnsaver_serving.runtime.arrays import Floats


class TLearner:
    """One XGBoost model for each arm (an `OutcomeModel`).

    Künzel, Sekhon, Bickel and Yu 2019, section 2.

    Args:
        boosters: Fitted models, control first, K + 1 of them, objective `binary:logistic`.
    """

    def __init__(self, boosters: Sequence[xgboost.Booster]) -> None:
        self._boosters = tuple(boosters)

    def rates(self, matrix: Floats) -> Floats:
        """Return the probability of the outcome under each arm, shape (n, K + 1)."""
        return np.column_stack(
            [
                np.asarray(booster.inplace_predict(matrix), dtype=np.float64)
                for booster in self._boosters
            ]
        )

    def to_bytes(self) -> list[bytes]:
        """Return each arm's model in UBJSON."""
        return [bytes(booster.save_raw("ubj")) for booster in self._boosters]

    @classmethod
    def from_bytes(cls, models: Sequence[bytes]) -> TLearner:
        """Load the learner that `to_bytes` wrote.

        Raises:
            BoosterError: Bytes that are no booster.
        """
        return cls([load_booster(model) for model in models])


def fit_t_learner(data: Randomised, spec: TwoModelSpec, seed: int) -> TLearner:
    """Train a model on each arm's rows; the same seed gives the same bytes.

    Args:
        data: The randomised rows, of all arms.
        spec: Number of rounds and tree parameters.
        seed: Seed for the boosters.
    """
    import xgboost

    parameters = {
        **spec.model_dump(exclude={"rounds"}),
        "objective": "binary:logistic",
        "tree_method": "hist",
        "nthread": 1,
        "seed": seed,
    }
    boosters = []
    for arm in range(data.arms):
        own = data.arm == arm
        rows = xgboost.DMatrix(
            data.matrix[own], label=data.outcome[own].astype(np.float32), nthread=1
        )
        boosters.append(xgboost.train(parameters, rows, num_boost_round=spec.rounds))
    return TLearner(boosters)
