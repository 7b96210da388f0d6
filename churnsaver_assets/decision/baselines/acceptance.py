"""Acceptance of each offer, learnt from a randomised log: a logistic regression for each offer."""

import msgspec
import numpy as np

from churnsaver_assets.decision.baselines.log import RandomisedLog
from churnsaver_serving.runtime.arrays import Floats
from churnsaver_serving.runtime.calibration import sigmoid


class LoggedAcceptance(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A model of log-odds that are linear in the standardised features, for each of O offers.

    Attributes:
        centre: Mean of each feature, length F.
        scale: Standard deviation of each feature, length F.
        weights: O x F.
        intercepts: Intercepts, length O.
    """

    centre: tuple[float, ...]
    scale: tuple[float, ...]
    weights: tuple[tuple[float, ...], ...]
    intercepts: tuple[float, ...]

    def rates(self, matrix: Floats) -> Floats:
        """Return the probability to accept each offer, shape (n, O), from features of (n, F)."""
        standard = (matrix - np.asarray(self.centre)) / np.asarray(self.scale)
        return sigmoid(standard @ np.asarray(self.weights).T + np.asarray(self.intercepts))


def fit_acceptance(log: RandomisedLog) -> LoggedAcceptance:
    """Fit each offer's regression on the rows that got it.

    Raises:
        ValueError: An offer was always or never accepted.
    """
    from sklearn.linear_model import LogisticRegression

    centre, scale = log.matrix.mean(axis=0), log.matrix.std(axis=0)
    scale = np.where(scale > 0.0, scale, 1.0)
    standard = (log.matrix - centre) / scale
    weights, intercepts = [], []
    for arm in range(1, int(log.arm.max()) + 1):
        own = log.arm == arm
        model = LogisticRegression(max_iter=1000).fit(standard[own], log.accepted[own])
        weights.append(tuple(model.coef_[0].tolist()))
        intercepts.append(float(model.intercept_[0]))
    return LoggedAcceptance(
        tuple(centre.tolist()), tuple(scale.tolist()), tuple(weights), tuple(intercepts)
    )
