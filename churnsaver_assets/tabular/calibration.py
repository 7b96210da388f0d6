"""Calibrators: fitted by libraries, exported as the runtime's structs, and chosen among."""

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np

from churnsaver_assets.tabular.metrics import mean_log_loss
from churnsaver_serving.runtime.arrays import Bools, Floats, Ints
from churnsaver_serving.runtime.scoring.calibration import (
    Beta,
    Calibrator,
    Isotonic,
    Platt,
    VennAbers,
    logit,
    sigmoid,
)


def fit_platt(margins: Floats, labels: Bools) -> Platt:
    """Fit Platt scaling with its smoothed targets (Platt 1999, section 2.2).

    A row with target t counts as t of a positive and 1 - t of a negative row, which makes it an
    unpenalised, weighted logistic regression. The slope is kept from falling below 0.

    Args:
        margins: Log-odds, shape (n,).
        labels: Labels of both classes, shape (n,).
    """
    from sklearn.linear_model import LogisticRegression

    positives, negatives = int(labels.sum()), int((~labels).sum())
    target = np.where(labels, (positives + 1) / (positives + 2), 1 / (negatives + 2))
    model = LogisticRegression(C=np.inf, tol=1e-10, max_iter=1000).fit(
        np.concatenate([margins, margins])[:, None],
        np.repeat([True, False], len(margins)),
        sample_weight=np.concatenate([target, 1 - target]),
    )
    slope = float(model.coef_[0, 0])
    if slope <= 0:  # the loss is convex: with slope >= 0 the optimum is then at 0
        return Platt(0.0, _base_margin(target))
    return Platt(slope, float(model.intercept_[0]))


def fit_intercept(margins: Floats, labels: Bools) -> Platt:
    """Recalibrate in the large: the slope stays 1, the mean probability becomes the base rate.

    It serves a drifted base rate: a slope fitted where the ranking failed for a while would throw
    the ranking away. The maximum-likelihood intercept is where both means agree.

    Args:
        margins: Log-odds, shape (n,).
        labels: Labels of both classes, shape (n,).
    """
    from scipy.optimize import brentq

    base = _base_margin(labels.astype(np.float64))
    intercept = brentq(
        lambda shift: float(sigmoid(margins + shift).mean() - labels.mean()),
        base - float(margins.max()),
        base - float(margins.min()) + 1e-9,
    )
    return Platt(1.0, float(intercept))


def fit_beta(margins: Floats, labels: Bools) -> Beta:
    """Fit beta calibration with three parameters (Kull, Silva Filho & Flach 2017), by `betacal`.

    Args:
        margins: Log-odds, shape (n,).
        labels: Labels of both classes, shape (n,).
    """
    from betacal import BetaCalibration

    with warnings.catch_warnings():  # betacal switches every warning off for the whole process
        fitted = BetaCalibration("abm").fit(sigmoid(margins), labels.astype(np.int64))
    a, b, _ = fitted.calibrator_.map_
    # betacal refits with the other parameter alone where one is negative; if that one is negative
    # too, no increasing map beats the constant.
    if min(a, b) < 0 or max(a, b) == 0:
        return Beta(0.0, 0.0, _base_margin(labels.astype(np.float64)))
    return Beta(float(a), float(b), float(fitted.calibrator_.lr_.intercept_[0]))


def fit_isotonic(margins: Floats, labels: Bools) -> Isotonic:
    """Fit isotonic regression (Zadrozny & Elkan 2002), by scikit-learn.

    Its ends are kept 1 / (n + 2) off 0 and 1: n rows without an event don't show a smaller chance
    (Laplace's rule).

    Args:
        margins: Log-odds, shape (n,).
        labels: Labels, shape (n,).
    """
    from sklearn.isotonic import IsotonicRegression

    floor = 1.0 / (len(labels) + 2)
    fitted = IsotonicRegression(y_min=floor, y_max=1 - floor, out_of_bounds="clip").fit(
        margins, labels.astype(np.float64)
    )
    return Isotonic(
        tuple(fitted.X_thresholds_.tolist()), tuple(fitted.y_thresholds_.tolist()), floor
    )


def fit_venn_abers(margins: Floats, labels: Bools) -> VennAbers:
    """Fit inductive Venn-Abers (Vovk, Petej & Fedorova 2015), by `venn_abers`.

    Thresholds at which neither value changes are dropped; the function stays the same.

    Args:
        margins: Log-odds, shape (n,).
        labels: Labels, shape (n,).
    """
    fitted = venn_abers_library(margins, labels)
    p0, p1 = fitted.p0_[:, 1], fitted.p1_[:, 1]
    steps = (p0[1:] != p0[:-1]) | (p1[1:] != p1[:-1])
    kept = np.concatenate([[True], steps])
    return VennAbers(
        tuple(fitted.c_[steps].tolist()), tuple(p0[kept].tolist()), tuple(p1[kept].tolist())
    )


def venn_abers_library(margins: Floats, labels: Bools) -> Any:  # noqa: ANN401 - untyped library
    """Fit `venn_abers.VennAbers`. Only the order of scores matters to it, so margins serve."""
    with np.errstate():  # importing it changes NumPy's error state for the whole process
        from venn_abers import VennAbers as Library
    with warnings.catch_warnings():
        # Its last vertex divides 0 by 0, which it then passes over.
        warnings.filterwarnings("ignore", "All-NaN slice", RuntimeWarning)
        with np.errstate(divide="ignore", invalid="ignore"):
            return Library().fit(np.column_stack([-margins, margins]), labels.astype(np.int64))


# From the fewest parameters to the most: of equal losses the first wins.
CANDIDATES: Mapping[str, Callable[[Floats, Bools], Calibrator]] = MappingProxyType(
    {
        "platt": fit_platt,
        "beta": fit_beta,
        "venn_abers": fit_venn_abers,
        "isotonic": fit_isotonic,
    }
)


@dataclass(frozen=True)
class CalibratorChoice:
    """The candidate of least cross-validated loss.

    Attributes:
        name: The winner's name in `CANDIDATES`.
        calibrator: The winner, fitted on all rows.
        losses: Cross-validated log loss of every candidate, nats per row.
    """

    name: str
    calibrator: Calibrator
    losses: Mapping[str, float]


def choose_calibrator(margins: Floats, labels: Bools, folds: Ints) -> CalibratorChoice:
    """Choose by log loss, cross-validated over the folds, and fit the winner on all rows.

    Log loss, not Brier: a probability becomes a hazard or log-odds in the decision, where 0.001 for
    0.01 is a large error. Log loss punishes it, Brier hardly sees it. Both are proper.

    Args:
        margins: Out-of-fold log-odds, shape (n,).
        labels: Labels, shape (n,).
        folds: The fold of each row, shape (n,); at least two.

    Raises:
        ValueError: There are fewer than two folds, or a training part has one class only.
    """
    values = np.unique(folds)
    if len(values) < 2:  # noqa: PLR2004
        raise ValueError(f"calibrators are chosen over at least 2 folds, got {len(values)}")
    losses = {}
    for name, fit in CANDIDATES.items():
        probabilities = np.empty(len(margins))
        for fold in values:
            test = folds == fold
            if labels[~test].all() or not labels[~test].any():
                raise ValueError(f"without fold {fold} the labels are all of one class")
            probabilities[test] = fit(margins[~test], labels[~test]).transform(margins[test])
        losses[name] = mean_log_loss(labels, probabilities)
    best = min(losses, key=losses.__getitem__)
    return CalibratorChoice(best, CANDIDATES[best](margins, labels), losses)


def _base_margin(targets: Floats) -> float:
    """Return the log-odds of the mean target."""
    return float(logit(np.asarray(targets.mean())))
