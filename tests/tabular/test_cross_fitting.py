"""Training is deterministic and monotone where told; cross-fitting leaks nothing into a fold."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
from scipy.stats import ttest_1samp

from churnsaver_assets.data.tables.splits import RULES, make_splits
from churnsaver_assets.tabular.features import encode_frame
from churnsaver_assets.tabular.metrics import measure
from churnsaver_assets.tabular.tasks import TASKS, ModelKind
from churnsaver_assets.tabular.training import booster_margins, cross_fit, train_booster
from churnsaver_serving.runtime.scoring.calibration import sigmoid
from tests.support.data.small_tables import TABLE_OF

if TYPE_CHECKING:
    from churnsaver_assets.experiments.spec import TabularSpec
    from tests.support.data.small_tables import Small


def train_bytes(small: Small, spec: TabularSpec, seed: int, threads: int = 1) -> bytes:
    booster = train_booster(
        small.matrix, small.labels, spec, seed, columns=small.encoder.columns, threads=threads
    )
    return bytes(booster.save_raw("ubj"))


def test_the_same_seed_gives_the_same_bytes_on_any_number_of_threads(
    small_telco: Small, churn_spec: TabularSpec
) -> None:
    first = train_bytes(small_telco, churn_spec, 42)
    assert train_bytes(small_telco, churn_spec, 42) == first
    assert train_bytes(small_telco, churn_spec, 42, threads=2) == first
    assert train_bytes(small_telco, churn_spec, 43) != first


def test_a_longer_tenure_never_raises_the_risk(small_telco: Small, churn_spec: TabularSpec) -> None:
    def margins(spec: TabularSpec, longer: int) -> np.ndarray:
        booster = train_booster(
            small_telco.matrix, small_telco.labels, spec, 42, columns=small_telco.encoder.columns
        )
        tenure = small_telco.frame["tenure_months"] + longer
        frame = small_telco.frame.assign(tenure_months=tenure)
        return booster_margins(booster, encode_frame(small_telco.encoder, frame))

    assert (margins(churn_spec, 6) <= margins(churn_spec, 0)).all()
    free = churn_spec.model_copy(update={"monotone": {}})
    assert (margins(free, 6) > margins(free, 0)).any()


def test_an_unknown_monotone_column_is_named(small_telco: Small, churn_spec: TabularSpec) -> None:
    spec = churn_spec.model_copy(update={"monotone": {"contract": 1}})
    with pytest.raises(ValueError, match=r"no column contract; the encoder has: .*Two year"):
        train_bytes(small_telco, spec, 42)


def test_labels_of_one_class_are_refused(small_telco: Small, churn_spec: TabularSpec) -> None:
    with pytest.raises(ValueError, match="all of one class"):
        train_booster(
            small_telco.matrix,
            np.zeros(len(small_telco.labels), dtype=bool),
            churn_spec,
            42,
            columns=small_telco.encoder.columns,
        )


def test_folds_that_are_not_the_specs_are_refused(
    small_telco: Small, churn_spec: TabularSpec
) -> None:
    small = small_telco
    with pytest.raises(ValueError, match=r"expected folds 0 to 4, got \[1, 2, 3, 4, 5\]"):
        cross_fit(
            small.matrix,
            small.labels,
            small.folds + 1,
            churn_spec,
            42,
            columns=small.encoder.columns,
        )


def test_a_folds_own_labels_and_rows_do_not_touch_its_predictions(
    small_telco: Small, churn_spec: TabularSpec
) -> None:
    """Neither through a booster, nor a calibrator, nor the choice among calibrators."""
    small = small_telco

    def crossed(labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        result = cross_fit(
            small.matrix, labels, small.folds, churn_spec, 42, columns=small.encoder.columns
        )
        return result.margins, result.probabilities

    before = crossed(small.labels)
    for fold in (0, 3):
        own = small.folds == fold
        after = crossed(np.where(own, ~small.labels, small.labels))
        for was, now in zip(before, after, strict=True):
            assert np.isfinite(was).all()
            np.testing.assert_array_equal(now[own], was[own])
            assert (now[~own] != was[~own]).mean() > 0.99


def test_cross_fitting_repeats_bit_by_bit(small_telco: Small, churn_spec: TabularSpec) -> None:
    small = small_telco
    first, second = (
        cross_fit(
            small.matrix, small.labels, small.folds, churn_spec, 42, columns=small.encoder.columns
        )
        for _ in range(2)
    )
    assert first.margins.tobytes() == second.margins.tobytes()
    assert first.choices == second.choices


@pytest.mark.parametrize("kind", ["churn_risk", "offer_acceptance"])
def test_permuted_labels_cannot_be_predicted(
    kind: ModelKind, small_telco: Small, small_bank: Small, churn_spec: TabularSpec
) -> None:
    """Folds are dealt anew: with other base rates in them, pooled AUC of noise falls below 0.5.

    A fold with few events leaves many to train on, so its scores come out high (Forman & Scholz
    2010, section 3).
    """
    small = small_telco if kind == "churn_risk" else small_bank
    task, rule = TASKS[kind], RULES[TABLE_OF[kind]]
    spec = churn_spec.model_copy(update={"monotone": {}})
    aucs = []
    for seed in range(42, 48):
        labels = np.random.default_rng(seed).permutation(small.labels)
        # Rows of one group may now differ in label: each row is its own group here.
        dealt = small.frame.assign(**{task.label: labels})
        splits = make_splits(dealt, replace(rule, group=rule.key))
        folds = small.frame[task.key].map(splits.set_index(task.key)["fold"]).to_numpy()
        crossed = cross_fit(small.matrix, labels, folds, spec, 42, columns=small.encoder.columns)
        aucs.append(
            [
                measure(labels, values, seed=42, resamples=10).auc.mean
                for values in (crossed.probabilities, sigmoid(crossed.margins))
            ]
        )
        assert crossed.probabilities.mean() == pytest.approx(labels.mean(), abs=0.02)
    # Several: a single permutation lies beyond its own 95 % interval one time in twenty.
    assert (ttest_1samp(aucs, 0.5).pvalue > 0.01).all()


def test_true_labels_are_predicted_and_calibrated(
    small_telco: Small, churn_spec: TabularSpec
) -> None:
    small = small_telco
    crossed = cross_fit(
        small.matrix, small.labels, small.folds, churn_spec, 42, columns=small.encoder.columns
    )
    metrics = measure(small.labels, crossed.probabilities, seed=42, resamples=300)
    raw = measure(small.labels, sigmoid(crossed.margins), seed=42, resamples=300)
    assert metrics.auc.low > 0.75
    # Forty small steps leave the margins far too timid: calibration has to mend that.
    assert raw.ece.mean > 2 * raw.ece_noise_floor.p95
    assert metrics.ece.mean < 0.5 * raw.ece.mean
    assert len(crossed.choices) == churn_spec.folds
