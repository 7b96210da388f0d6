"""The guards see what they should, by name and by value."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from churnsaver_assets.data.samples.tables import sample_tables
from churnsaver_assets.data.tables.build import build_table
from churnsaver_assets.data.tables.leaks import leaked_columns, outcome_copies

ALLOWED = {
    "telco": {"customer_id", "churned"},
    "bank": {"row", "group", "accepted"},
    "hillstrom": {"customer", "visit", "conversion", "spend_usd"},
}


@pytest.mark.parametrize("name", ALLOWED)
def test_canonical_tables_leak_only_their_keys_and_outcomes(name: str) -> None:
    table = build_table(sample_tables()[name])
    assert set(leaked_columns(table)) == ALLOWED[name]


@pytest.mark.parametrize(
    "column",
    ["duration", "Duration", "Churn Score", "CLTV", "churn_reason", "Churn Value", "y", "fold"],
)
def test_leaks_are_found_whatever_their_spelling(column: str) -> None:
    assert list(leaked_columns(["tenure_months", column])) == [column]


def test_encoded_names_are_judged_by_their_field() -> None:
    assert list(leaked_columns(["contract=One year", "duration=long"])) == ["duration=long"]


def test_features_of_both_models_pass(telco: pd.DataFrame, bank: pd.DataFrame) -> None:
    for table, name in ((telco, "telco"), (bank, "bank")):
        features = table.drop(columns=list(ALLOWED[name]))
        assert leaked_columns(features) == {}
        outcome = telco["churned"] if name == "telco" else bank["accepted"]
        assert outcome_copies(features, outcome) == {}


def test_a_renamed_outcome_is_found_by_its_values(telco: pd.DataFrame) -> None:
    rng = np.random.default_rng(42)
    churned = telco["churned"].to_numpy()
    features = pd.DataFrame(
        {
            "flag": churned,
            "reversed": 1.0 - churned,
            "noisy": churned + rng.normal(0, 0.2, len(churned)),
            "text": np.where(churned, "left", "stayed"),
            "partly_missing": np.where(churned, 1.0, np.nan),
            "honest": rng.normal(size=len(churned)) + churned,
        }
    )
    found = outcome_copies(features, churned)
    assert set(found) == {"flag", "reversed", "noisy", "text", "partly_missing"}
    assert min(found.values()) >= 0.95
