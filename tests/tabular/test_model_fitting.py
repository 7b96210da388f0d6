"""A fitted model is its files: they reload bit-equal, explain themselves and follow the labels."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import numpy as np
import pytest

from churnsaver_assets.data.errors import DataError
from churnsaver_assets.tabular.calibration import CANDIDATES
from churnsaver_assets.tabular.features import LeakedColumnError
from churnsaver_assets.tabular.model import (
    FittedModel,
    ReloadMismatchError,
    check_reload,
    fit_model,
)
from churnsaver_assets.tabular.tasks import TASKS
from churnsaver_serving.runtime.scoring.calibration import Platt
from churnsaver_serving.runtime.scoring.features import EncoderSpec, NumericField
from churnsaver_serving.runtime.scoring.scores import (
    CALIBRATOR_FILE,
    ENCODER_FILE,
    MODEL_FILE,
    ModelError,
    ScoringModel,
)

if TYPE_CHECKING:
    from churnsaver_assets.experiments.spec import TabularSpec, TemporalSpec
    from tests.support.data.small_tables import Small


@pytest.fixture(scope="module")
def churn(small_telco: Small, churn_spec: TabularSpec) -> FittedModel:
    return fit_model(small_telco.frame, small_telco.splits, churn_spec, 42, "churn_risk")


def test_files_score_bit_for_bit_as_the_model(churn: FittedModel, small_telco: Small) -> None:
    assert set(churn.files) == {MODEL_FILE, CALIBRATOR_FILE, ENCODER_FILE}
    reloaded = ScoringModel.from_files(churn.files)
    table = {name: small_telco.frame[name].tolist() for name in small_telco.frame}
    expected = churn.model.probability(small_telco.matrix)
    assert reloaded.score(table).tobytes() == expected.tobytes()
    assert reloaded.to_files() == churn.files


def test_a_file_that_scores_otherwise_is_refused_with_the_difference(
    churn: FittedModel, small_telco: Small
) -> None:
    other = dict(churn.files) | {CALIBRATOR_FILE: msgspec.json.encode(Platt(1.0, 0.25))}
    largest = np.abs(
        ScoringModel.from_files(other).probability(small_telco.matrix)
        - churn.model.probability(small_telco.matrix)
    ).max()
    with pytest.raises(ReloadMismatchError, match=f"by up to {largest:.3g}"):
        check_reload(churn.model, other, small_telco.matrix)


def test_a_missing_or_broken_file_is_named(churn: FittedModel) -> None:
    with pytest.raises(ModelError, match=r"model\.ubj is missing"):
        ScoringModel.from_files({k: v for k, v in churn.files.items() if k != MODEL_FILE})
    with pytest.raises(ModelError, match=r"model\.ubj is no XGBoost model"):
        ScoringModel.from_files(dict(churn.files) | {MODEL_FILE: churn.files[MODEL_FILE][:100]})


def test_predictions_are_out_of_fold_and_in_the_tables_order(
    churn: FittedModel, small_telco: Small
) -> None:
    table = churn.predictions
    assert list(table) == ["customer_id", "label", "fold", "margin", "probability"]
    assert table["customer_id"].tolist() == small_telco.frame["customer_id"].tolist()
    np.testing.assert_array_equal(table["label"], small_telco.labels)
    np.testing.assert_array_equal(table["fold"], small_telco.folds)
    assert table["probability"].between(0, 1, inclusive="neither").all()
    in_sample = churn.model.margin(small_telco.matrix)
    assert (table["margin"].to_numpy() != in_sample).all()


def test_the_order_of_the_splits_does_not_matter(
    churn: FittedModel, small_telco: Small, churn_spec: TabularSpec
) -> None:
    shuffled = small_telco.splits.sample(frac=1, random_state=1)
    again = fit_model(small_telco.frame, shuffled, churn_spec, 42, "churn_risk")
    assert again.files == churn.files
    assert again.predictions.equals(churn.predictions)


def test_splits_of_other_rows_are_refused(small_telco: Small, churn_spec: TabularSpec) -> None:
    with pytest.raises(DataError, match="customer_id"):
        fit_model(small_telco.frame, small_telco.splits.iloc[1:], churn_spec, 42, "churn_risk")


def test_the_calibrator_has_the_least_loss(churn: FittedModel) -> None:
    assert set(churn.losses) == set(CANDIDATES)
    assert churn.losses[churn.calibrator] == min(churn.losses.values())
    assert len(churn.fold_calibrators) == 5
    tag = msgspec.json.decode(churn.files[CALIBRATOR_FILE])["type"]
    assert tag == churn.calibrator


def test_contributions_sum_to_the_margin(churn: FittedModel, small_telco: Small) -> None:
    rows = small_telco.matrix[:300]
    contributions = churn.model.contributions(rows)
    assert contributions.shape == (300, len(churn.model.encoder.spec.fields) + 1)
    np.testing.assert_allclose(contributions.sum(axis=1), churn.model.margin(rows), atol=1e-5)


def test_permuted_labels_change_p_churn(
    churn: FittedModel, small_telco: Small, churn_spec: TabularSpec
) -> None:
    labels = np.random.default_rng(42).permutation(small_telco.labels)
    frame = small_telco.frame.assign(churned=labels)
    permuted = fit_model(frame, small_telco.splits, churn_spec, 42, "churn_risk")
    before = churn.model.probability(small_telco.matrix)
    after = permuted.model.probability(small_telco.matrix)
    assert np.abs(before - after).mean() > 0.1
    assert np.ptp(after) < 0.5 * np.ptp(before)


def test_a_leaked_column_stops_the_fit(
    small_bank: Small, acceptance_spec: TemporalSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = TASKS["offer_acceptance"]

    def leaky(bank: object) -> EncoderSpec:
        return EncoderSpec((*small_bank.encoder.spec.fields, NumericField("duration")))

    monkeypatch.setitem(
        fit_model.__globals__,
        "TASKS",
        {"offer_acceptance": type(task)(task.title, task.key, task.label, task.event, leaky)},
    )
    frame = small_bank.frame.assign(duration=100)
    with pytest.raises(LeakedColumnError, match="duration"):
        fit_model(frame, small_bank.splits, acceptance_spec, 42, "offer_acceptance")
