"""Training of boosters, and cross-fitting: no row trains or calibrates its own prediction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np

from churnsaver_assets.tabular.calibration import CalibratorChoice, choose_calibrator

if TYPE_CHECKING:
    import xgboost

    from churnsaver_assets.experiments.spec import BoosterSpec
    from churnsaver_serving.runtime.arrays import Bools, Floats, Floats32, Ints


@dataclass(frozen=True)
class CrossFit:
    """Predictions of rows by what never saw them.

    Attributes:
        margins: Out-of-fold log-odds before calibration, shape (n,).
        probabilities: Out-of-fold probabilities, calibrated, shape (n,).
        choices: The calibrator of each fold, chosen and fitted without it.
    """

    margins: Floats
    probabilities: Floats
    choices: tuple[CalibratorChoice, ...]


def train_booster(
    matrix: Floats32,
    labels: Bools,
    spec: BoosterSpec,
    seed: int,
    *,
    columns: Sequence[str],
    threads: int = 1,
) -> xgboost.Booster:
    """Train XGBoost on log loss; the same seed gives the same bytes, on any number of threads.

    Args:
        matrix: Encoded rows, shape (n, columns).
        labels: Labels of both classes, shape (n,).
        spec: Rounds, tree parameters and monotone columns.
        seed: Seed for row and column subsampling.
        columns: The names of the matrix columns.
        threads: Threads within the booster. Tables this small gain little from more than one, and
            on a busy machine lose much: each of many short steps waits for the slowest thread.

    Raises:
        ValueError: The labels are of one class, or the matrix lacks a monotone column.
    """
    import xgboost

    if labels.all() or not labels.any():
        raise ValueError(f"{len(labels)} labels are all of one class: nothing to learn")
    parameters: dict[str, Any] = {
        **spec.params.model_dump(),
        "objective": "binary:logistic",
        "tree_method": "hist",
        "monotone_constraints": _monotone(spec.monotone, columns),
        "nthread": threads,
        "seed": seed,
    }
    data = xgboost.DMatrix(matrix, label=labels.astype(np.float32), nthread=threads)
    return xgboost.train(parameters, data, num_boost_round=spec.rounds)


def booster_margins(booster: xgboost.Booster, matrix: Floats32) -> Floats:
    """Return log-odds, shape (n,), by the same call as `ScoringModel.margin`."""
    raw = booster.inplace_predict(matrix, predict_type="margin")
    return np.asarray(raw, dtype=np.float64)


def cross_fit(
    matrix: Floats32,
    labels: Bools,
    folds: Ints,
    spec: BoosterSpec,
    seed: int,
    *,
    columns: Sequence[str],
) -> CrossFit:
    """Cross-fit boosters and calibrators over given folds, nested.

    In outer fold k the calibrator is chosen and fitted on margins of the other folds' rows, each
    from a booster that saw neither fold k nor the row's own fold; fold k's margins are then those
    of a booster trained on all other folds. A booster without folds j and k serves k as outer and
    j as inner fold and the reverse, so F folds take F (F - 1) / 2 + F boosters, not F^2.

    The choice among calibrators is made within the loop too: what is measured on the probabilities
    holds for the whole procedure, selection included.

    Args:
        matrix: Encoded rows, shape (n, columns).
        labels: Labels, shape (n,).
        folds: Folds from 0 to `spec.folds` - 1, shape (n,).
        spec: Settings of the boosters' training.
        seed: Seed for every booster.
        columns: The names of the matrix columns.

    Raises:
        ValueError: The folds aren't those of the spec, or a part has labels of one class only.
    """
    _check_folds(folds, spec.folds)

    def margins_without(held_out: tuple[int, ...]) -> Floats:
        """Return held-out rows' log-odds from a booster trained on the other folds; else NaN."""
        rows = np.isin(folds, held_out)
        booster = train_booster(matrix[~rows], labels[~rows], spec, seed, columns=columns)
        margins = np.full(len(labels), np.nan)
        margins[rows] = booster_margins(booster, matrix[rows])
        return margins

    single = [(fold,) for fold in range(spec.folds)]
    left_out = [*single, *combinations(range(spec.folds), 2)]
    # One after the other, each on one thread. Side by side in threads of one process they are twice
    # as fast, and once a process that trained so ran out of memory; OpenMP inside a booster spins
    # on a busy machine.
    without = {held_out: margins_without(held_out) for held_out in left_out}

    margins = np.full(len(labels), np.nan)
    probabilities = np.full(len(labels), np.nan)
    choices = []
    for outer in range(spec.folds):
        inner = np.full(len(labels), np.nan)
        for own in set(range(spec.folds)) - {outer}:
            rows = folds == own
            inner[rows] = without[min(own, outer), max(own, outer)][rows]
        test = folds == outer
        choice = choose_calibrator(inner[~test], labels[~test], folds[~test])
        margins[test] = without[outer,][test]
        probabilities[test] = choice.calibrator.transform(margins[test])
        choices.append(choice)
    return CrossFit(margins, probabilities, tuple(choices))


def _monotone(constraints: Mapping[str, int], columns: Sequence[str]) -> tuple[int, ...]:
    unknown = sorted(set(constraints) - set(columns))
    if unknown:
        raise ValueError(
            f"monotone: no column {', '.join(unknown)}; the encoder has: {', '.join(columns)}"
        )
    return tuple(constraints.get(column, 0) for column in columns)


def _check_folds(folds: Ints, expected: int) -> None:
    found = np.unique(folds).tolist()
    if found != list(range(expected)):
        raise ValueError(f"expected folds 0 to {expected - 1}, got {found}")
