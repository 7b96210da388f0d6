"""Evaluations: one protocol for all families, nothing from the future, the declared targets met."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import numpy as np
import pytest

from churnsaver_assets.data.tables.splits import RULES, make_splits
from churnsaver_assets.tabular.evaluation import (
    SERVED,
    UNCALIBRATED,
    Evaluation,
    evaluate_model,
)
from churnsaver_assets.tabular.families import (
    catboost_family,
    logistic_family,
    xgboost_family,
)
from churnsaver_assets.tabular.features import acceptance_with_month_encoder, encode_frame
from churnsaver_assets.tabular.metrics import measure
from churnsaver_assets.tabular.model import FittedModel, fit_model
from churnsaver_assets.tabular.report import base_rate_rows, evaluation_rows
from churnsaver_assets.tabular.temporal import LATEST_BLOCK, evaluate_over_time
from churnsaver_serving.runtime.scoring.calibration import sigmoid
from churnsaver_serving.runtime.scoring.features import FeatureEncoder

if TYPE_CHECKING:
    import pandas as pd

    from churnsaver_assets.experiments.spec import Experiment, TemporalSpec
    from churnsaver_assets.tabular.families import Family, Margins
    from churnsaver_assets.tabular.tasks import ModelKind
    from churnsaver_serving.runtime.arrays import Floats32
    from churnsaver_serving.runtime.manifest import DataLabel
    from tests.support.data.small_tables import Small


@pytest.fixture(scope="module")
def fitted(small_bank: Small, acceptance_spec: TemporalSpec) -> FittedModel:
    return fit_model(small_bank.frame, small_bank.splits, acceptance_spec, 42, "offer_acceptance")


@pytest.fixture(scope="module")
def evaluation(fitted: FittedModel, small_bank: Small, acceptance_spec: TemporalSpec) -> Evaluation:
    return evaluate_model(
        fitted.kind, fitted.model, fitted.predictions, small_bank.frame, acceptance_spec, 42
    )


@pytest.fixture(scope="module", params=["xgboost", "logistic_regression", "catboost"])
def family(
    request: pytest.FixtureRequest, small_bank: Small, acceptance_spec: TemporalSpec
) -> Family:
    families: dict[str, Family] = {
        "xgboost": xgboost_family(acceptance_spec, 42, small_bank.encoder.columns),
        "logistic_regression": logistic_family(),
        "catboost": catboost_family(acceptance_spec.catboost, 42),
    }
    return families[request.param]


def test_every_family_is_measured_on_the_same_rows(
    evaluation: Evaluation, fitted: FittedModel, small_bank: Small
) -> None:
    names = [family.family for family in evaluation.families]
    assert names == [SERVED, UNCALIBRATED, "logistic_regression", "catboost", "xgboost_with_month"]
    for family in evaluation.families:
        assert family.pooled.rows == sum(fold.rows for fold in family.folds)
        assert [fold.rows for fold in family.folds] == np.bincount(small_bank.folds).tolist()
        assert family.pooled.positives == small_bank.labels.sum()
        assert family.pooled.auc.low > 0.6
    assert [family.family for family in evaluation.temporal] == names[1:]
    assert evaluation.served.served_auc_gain is None
    out_of_fold = fitted.predictions["probability"].to_numpy()
    assert evaluation.served.pooled == measure(small_bank.labels, out_of_fold, seed=42)


def test_rivals_and_refits_are_left_out_on_request_and_the_rest_stays(
    evaluation: Evaluation, fitted: FittedModel, small_bank: Small, acceptance_spec: TemporalSpec
) -> None:
    given = (fitted.kind, fitted.model, fitted.predictions, small_bank.frame, acceptance_spec, 42)
    alone = evaluate_model(*given, rivals=False)
    assert alone.families == evaluation.families[:2]
    assert alone.temporal == evaluation.temporal[:1]
    bare = evaluate_model(*given, rivals=False, temporal=False)
    assert bare.families == evaluation.families[:2]
    assert bare.temporal == ()
    assert bare.base_rates == evaluation.base_rates


def test_the_uncalibrated_figures_are_of_the_boosters_margins(
    evaluation: Evaluation, fitted: FittedModel, small_bank: Small
) -> None:
    margins = fitted.predictions["margin"].to_numpy()
    assert evaluation.uncalibrated.pooled == measure(small_bank.labels, sigmoid(margins), seed=42)


def test_base_rates_are_of_blocks_in_date_order(
    evaluation: Evaluation, small_bank: Small, acceptance_spec: TemporalSpec
) -> None:
    blocks = acceptance_spec.temporal_blocks
    assert len(evaluation.base_rates) == blocks
    rows = len(small_bank.labels) // blocks  # a block has as many rows, or one more
    assert evaluation.base_rates[0] == small_bank.labels[:rows].mean()
    assert evaluation.base_rates[2:] == tuple(
        block.base_rate for block in evaluation.temporal[0].blocks
    )
    assert max(evaluation.base_rates) > 5 * min(evaluation.base_rates)


def test_the_month_is_measured_and_not_released(
    evaluation: Evaluation, fitted: FittedModel, small_bank: Small, acceptance_spec: TemporalSpec
) -> None:
    """What selection would have bought: worth a lot on random folds, by the paired gain."""
    released = {field.name for field in fitted.model.encoder.spec.fields}
    encoder = FeatureEncoder(acceptance_with_month_encoder(small_bank.frame))
    assert {field.name for field in encoder.spec.fields} - released == {"contact_month"}
    found = evaluation.families[-1]
    assert found.served_auc_gain is not None
    assert found.served_auc_gain.high < -0.02
    matrix = encode_frame(encoder, small_bank.frame)
    margins = np.empty(len(small_bank.labels))
    for fold in range(5):
        test = small_bank.folds == fold
        family = xgboost_family(acceptance_spec, 42, encoder.columns)
        margins[test] = family(matrix[~test], small_bank.labels[~test])(matrix[test])
    assert found.pooled == measure(small_bank.labels, sigmoid(margins), seed=42)
    assert evaluation.temporal[-1].family == found.family
    assert evaluation.temporal[-1].blocks != evaluation.temporal[0].blocks


def test_rows_of_a_report_say_what_is_released(evaluation: Evaluation) -> None:
    rows = {row["family"]: row["in the release"] for row in evaluation_rows(evaluation)}
    assert [name for name, said in rows.items() if said == "yes"] == [SERVED]
    assert [name for name, said in rows.items() if said != "no"] == [SERVED, UNCALIBRATED]
    (rates,) = base_rate_rows(evaluation)
    assert list(rates.values()) == [f"{rate:.1%}" for rate in evaluation.base_rates]


def test_rivals_predict_rows_they_never_saw(evaluation: Evaluation, small_bank: Small) -> None:
    margins = np.empty(len(small_bank.labels))
    for fold in range(5):
        test = small_bank.folds == fold
        predict = logistic_family()(small_bank.matrix[~test], small_bank.labels[~test])
        margins[test] = predict(small_bank.matrix[test])
    by_hand = measure(small_bank.labels, sigmoid(margins), seed=42)
    assert evaluation.families[2].pooled == by_hand


def test_gains_are_differences_of_auc(evaluation: Evaluation) -> None:
    for family in evaluation.families[1:]:
        assert family.served_auc_gain is not None
        expected = evaluation.served.pooled.auc.mean - family.pooled.auc.mean
        assert family.served_auc_gain.mean == pytest.approx(expected, abs=1e-12)


def test_an_evaluation_survives_json(evaluation: Evaluation) -> None:
    encoded = msgspec.json.encode(evaluation)
    assert msgspec.json.decode(encoded, type=Evaluation) == evaluation


def test_other_rows_or_another_order_are_refused(
    fitted: FittedModel, small_bank: Small, acceptance_spec: TemporalSpec
) -> None:
    for frame in (small_bank.frame.iloc[1:], small_bank.frame.iloc[::-1]):
        with pytest.raises(ValueError, match="hold other rows or another order"):
            evaluate_model(
                fitted.kind, fitted.model, fitted.predictions, frame, acceptance_spec, 42
            )


def test_families_repeat_themselves_and_take_missing_values(
    family: Family, small_bank: Small
) -> None:
    matrix = small_bank.matrix.copy()
    missing = np.random.default_rng(42).random(len(matrix)) < 0.3
    matrix[missing, small_bank.encoder.columns.index("previous_contacts")] = np.nan
    train, test = slice(0, 2000), slice(2000, 2300)
    assert missing[train].any()
    assert missing[test].any()
    first, second = (
        family(matrix[train], small_bank.labels[train])(matrix[test]) for _ in range(2)
    )
    assert first.shape == (300,)
    assert np.isfinite(first).all()
    np.testing.assert_array_equal(first, second)


def test_blocks_expand_and_cover_what_is_tested(
    evaluation: Evaluation, small_bank: Small, acceptance_spec: TemporalSpec
) -> None:
    rows = len(small_bank.labels)
    for family in evaluation.temporal:
        assert [block.block for block in family.blocks] == [2, 3, 4, 5]
        assert [block.rows_before for block in family.blocks] == [
            rows * block // acceptance_spec.temporal_blocks for block in (2, 3, 4, 5)
        ]
        for block in family.blocks:
            before = small_bank.labels[: block.rows_before]
            assert block.base_rate_before == pytest.approx(before.mean())
            # Moving the intercept changes no order.
            ignored, recalibrated = block.metrics["ignored"], block.metrics["recalibrated"]
            assert ignored.auc.mean == pytest.approx(recalibrated.auc.mean, abs=1e-9)
            assert ignored.brier != recalibrated.brier
        assert family.pooled["retrained"].rows == rows - family.blocks[0].rows_before
        mean = np.mean([block.metrics["retrained"].auc.mean for block in family.blocks])
        assert family.mean_block_auc("retrained") == pytest.approx(mean)


def test_each_block_is_predicted_from_the_past_alone() -> None:
    """Which rows are trained on and which are scored, recorded around a real family."""
    rng = np.random.default_rng(42)
    matrix = np.column_stack([np.arange(400), rng.normal(size=400)]).astype(np.float32)
    calls: list[tuple[int, set[tuple[int, int]]]] = []

    def recorded(train: Floats32, labels: np.ndarray) -> Margins:
        predict = logistic_family()(train, labels)
        scored: set[tuple[int, int]] = set()
        calls.append((len(train), scored))

        def margins(rows: Floats32) -> np.ndarray:
            scored.add((int(rows[0, 0]), int(rows[-1, 0])))
            return predict(rows)

        return margins

    evaluate_over_time("lr", recorded, matrix, rng.random(400) < 0.4, blocks=4, seed=42)
    assert calls == [
        (100, {(100, 199), (200, 299)}),  # recalibrated on block 1, tested on block 2
        (200, {(200, 299), (300, 399)}),  # retrained for block 2; recalibrated on it for block 3
        (300, {(300, 399)}),
    ]


def test_recalibration_follows_a_base_rate_that_moved() -> None:
    """Block 0 at log-odds -3, from block 1 on at -1: one block is enough to learn the step."""
    rng = np.random.default_rng(42)
    matrix = rng.normal(size=(6000, 1)).astype(np.float32)
    level = np.where(np.arange(6000) < 2000, -3.0, -1.0)
    labels = rng.random(6000) < sigmoid(matrix[:, 0].astype(np.float64) + level)
    result = evaluate_over_time("lr", logistic_family(), matrix, labels, blocks=3, seed=42)
    metrics = result.pooled
    assert metrics["ignored"].ece.low > 0.1
    assert metrics["recalibrated"].ece.mean <= 1.5 * metrics["recalibrated"].ece_noise_floor.p95
    assert metrics["ignored"].ece.mean > metrics["retrained"].ece.mean


def test_recalibration_cannot_know_the_tested_blocks_own_base_rate() -> None:
    rng = np.random.default_rng(42)
    matrix = rng.normal(size=(6000, 1)).astype(np.float32)
    level = np.where(np.arange(6000) < 4000, -3.0, -1.0)
    labels = rng.random(6000) < sigmoid(matrix[:, 0].astype(np.float64) + level)
    result = evaluate_over_time("lr", logistic_family(), matrix, labels, blocks=3, seed=42)
    assert all(result.pooled[use].ece.low > 0.1 for use in LATEST_BLOCK)


def test_recalibration_needs_three_blocks(small_bank: Small) -> None:
    with pytest.raises(ValueError, match="at least 3 blocks, got 2"):
        evaluate_over_time(
            "lr", logistic_family(), small_bank.matrix, small_bank.labels, blocks=2, seed=42
        )


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["churn_risk", "offer_acceptance"])
def test_the_experiments_models_reach_their_gates(
    kind: ModelKind,
    telco: pd.DataFrame,
    bank: pd.DataFrame,
    data_label: DataLabel,
    experiment: Experiment,
) -> None:
    """Whole tables, the experiment's own spec: what the release gate asks for."""
    frame, table = (telco, "telco_customers") if kind == "churn_risk" else (bank, "bank_contacts")
    spec = getattr(experiment, kind)
    gate = getattr(getattr(experiment.gates, data_label), kind)
    fitted = fit_model(frame, make_splits(frame, RULES[table]), spec, experiment.seed, kind)
    metrics = measure(
        fitted.predictions["label"].to_numpy(),
        fitted.predictions["probability"].to_numpy(),
        seed=experiment.seed,
    )
    assert metrics.auc.mean >= gate.min_auc
    assert metrics.ece.mean <= gate.max_ece
    assert metrics.ece.mean <= 1.5 * metrics.ece_noise_floor.p95
