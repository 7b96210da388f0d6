"""The sample: deterministic, quick, and with the rates of the real data."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest

from churnsaver_assets.data.samples import bank as sample_bank
from churnsaver_assets.data.samples import hillstrom as sample_hillstrom
from churnsaver_assets.data.samples import telco as sample_telco
from churnsaver_assets.data.samples.tables import sample_tables
from churnsaver_assets.data.tables.build import build_table

if TYPE_CHECKING:
    from churnsaver_serving.runtime.manifest import DataLabel

DRAWS = 10

Drawn = dict[str, pd.DataFrame]


@pytest.fixture(scope="module")
def drawn() -> Drawn:
    """Several samples below each other, so that rates are steadier than in one."""
    draws = [sample_tables(seed) for seed in range(DRAWS)]
    return {
        name: pd.concat([build_table(draw[name]) for draw in draws], ignore_index=True)
        for name in draws[0]
    }


def assert_alike(
    sample: pd.DataFrame, real: pd.DataFrame, column: str, outcome: str, tolerance: float
) -> None:
    """Assert that the values of a column have the same shares and the same outcome rates."""
    shares = [table[column].value_counts(normalize=True) for table in (sample, real)]
    rates = [table.groupby(column)[outcome].mean() for table in (sample, real)]
    assert (shares[0] - shares[1]).abs().max() < tolerance
    assert (rates[0] - rates[1]).abs().max() < tolerance


def test_one_seed_gives_the_same_bytes_and_another_seed_others() -> None:
    first, again, other = sample_tables(), sample_tables(), sample_tables(43)
    assert first == again
    for name, raw in first.items():
        assert raw.sha256 != other[name].sha256


def test_all_samples_take_less_than_two_seconds() -> None:
    start = time.process_time()
    sample_tables()
    assert time.process_time() - start < 2.0


def test_everything_about_it_says_sample() -> None:
    for raw in sample_tables().values():
        assert raw.label == raw.origin == "sample"
        assert "generated sample" in raw.read_from


def test_it_has_the_sizes_it_promises() -> None:
    raws = sample_tables()
    assert raws["telco"].rows == sample_telco.ROWS == 7_043
    assert raws["telco"].content.count(b", ,") == sample_telco.FIRST_MONTH == 11
    assert len(build_table(raws["telco"])) == 7_032
    assert raws["bank"].rows == sample_bank.ROWS
    assert raws["hillstrom"].rows == sample_hillstrom.ROWS


def test_it_repeats_some_bank_rows_as_upstream_does() -> None:
    group = build_table(sample_tables()["bank"])["group"]
    assert group.duplicated().sum() == len(sample_bank.DUPLICATES)


def test_its_duration_leaks_as_the_real_one_does() -> None:
    from sklearn.metrics import roc_auc_score

    bank = sample_bank.generate(np.random.default_rng(42))
    assert roc_auc_score(bank["y"] == "yes", bank["duration"]) > 0.75


@pytest.mark.parametrize(
    ("name", "outcome", "hidden", "low", "high"),
    [
        ("telco", "churned", ["customer_id", "gender"], 0.78, 0.86),
        ("bank", "accepted", ["row", "group"], 0.71, 0.79),
    ],
)
def test_a_model_learns_from_it_about_what_it_learns_from_real_data(
    name: str, outcome: str, hidden: list[str], low: float, high: float
) -> None:
    import xgboost
    from sklearn.metrics import roc_auc_score
    from sklearn.model_selection import StratifiedKFold, cross_val_predict

    table = build_table(sample_tables()[name])
    features = pd.get_dummies(table.drop(columns=[*hidden, outcome])).astype(np.float32)
    model = xgboost.XGBClassifier(
        max_depth=3, n_estimators=100, learning_rate=0.1, n_jobs=2, random_state=42
    )
    folds = StratifiedKFold(3, shuffle=True, random_state=42)
    scores = cross_val_predict(model, features, table[outcome], cv=folds, method="predict_proba")
    assert low < roc_auc_score(table[outcome], scores[:, 1]) < high


@pytest.mark.parametrize(
    ("column", "tolerance"),
    [
        ("contract", 0.02),
        ("internet_service", 0.02),
        ("payment_method", 0.03),
    ],
)
def test_churn_rates_are_the_published_ones(
    telco: pd.DataFrame, data_label: DataLabel, drawn: Drawn, column: str, tolerance: float
) -> None:
    if data_label == "sample":
        pytest.skip("no local mirror")
    sample = drawn["telco"]
    assert_alike(sample, telco, column, "churned", tolerance)


@pytest.mark.parametrize(
    ("column", "tolerance"),
    [
        ("previous_outcome", 0.03),
        ("channel", 0.02),
        ("senior", 0.05),
        ("partner", 0.03),
        ("contact_weekday", 0.03),
    ],
)
def test_acceptance_rates_are_the_published_ones(
    bank: pd.DataFrame, data_label: DataLabel, drawn: Drawn, column: str, tolerance: float
) -> None:
    if data_label == "sample":
        pytest.skip("no local mirror")
    sample = drawn["bank"]
    assert_alike(sample, bank, column, "accepted", tolerance)


def test_acceptance_drifts_as_published(
    bank: pd.DataFrame, data_label: DataLabel, drawn: Drawn
) -> None:
    if data_label == "sample":
        pytest.skip("no local mirror")
    sample = drawn["bank"]

    def by_tenth(table: pd.DataFrame) -> pd.Series:
        size = sample_bank.ROWS if len(table) != len(bank) else len(bank)
        return table.groupby(table["row"] * 10 // size)["accepted"].mean()

    assert (by_tenth(sample) - by_tenth(bank)).abs().max() < 0.02


def test_visit_rates_are_the_published_ones(
    hillstrom: pd.DataFrame, data_label: DataLabel, drawn: Drawn
) -> None:
    if data_label == "sample":
        pytest.skip("no local mirror")
    sample = drawn["hillstrom"]
    for outcome, tolerance in (("visit", 0.01), ("conversion", 0.003), ("spend_usd", 0.3)):
        for column in ("segment", "newbie", "mens"):
            rates = [table.groupby(column)[outcome].mean() for table in (sample, hillstrom)]
            assert (rates[0] - rates[1]).abs().max() < tolerance
