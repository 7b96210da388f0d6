"""The schemas pass what they should, and name everything that they should not pass, at once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
import pandas as pd
import pytest

from churnsaver_assets.data.samples.tables import sample_tables
from churnsaver_assets.data.tables.build import build_table
from churnsaver_assets.data.tables.schemas import REAL_ROWS, validate
from churnsaver_assets.data.tables.splits import RULES, make_splits
from churnsaver_serving.runtime.customer import Profile

if TYPE_CHECKING:
    from churnsaver_assets.data.schema_report import SchemaReport
    from churnsaver_serving.runtime.manifest import DataLabel

SAMPLE = {raw.table: build_table(raw) for raw in sample_tables().values()}


def failed(report: SchemaReport) -> set[tuple[str, str]]:
    assert report.passed == (len(report.failures) == 0)
    return set(zip(report.failures["column"], report.failures["check"], strict=True))


@pytest.mark.parametrize("name", SAMPLE)
def test_the_sample_fits_the_schemas(name: str) -> None:
    report = validate(name, SAMPLE[name], "sample")
    assert report.passed, report.failures.to_string()


def test_the_tables_of_this_session_fit_the_schemas(
    telco: pd.DataFrame, bank: pd.DataFrame, hillstrom: pd.DataFrame, data_label: DataLabel
) -> None:
    for name, table in zip(SAMPLE, (telco, bank, hillstrom), strict=True):
        report = validate(name, table, data_label)
        assert report.passed, report.failures.to_string()


def test_a_table_still_fits_after_parquet(tmp_path: Any) -> None:
    for name, table in SAMPLE.items():
        table.to_parquet(tmp_path / "table.parquet")
        report = validate(name, pd.read_parquet(tmp_path / "table.parquet"), "sample")
        assert report.passed, report.failures.to_string()


@pytest.mark.parametrize("name", SAMPLE)
def test_real_tables_need_their_published_number_of_rows(name: str) -> None:
    rows = REAL_ROWS[name]
    short = SAMPLE[name].iloc[:100]
    report = validate(name, short, "real")
    assert failed(report) == {("", f"expected {rows:,} rows")}
    assert report.failures["examples"].tolist() == ["100 rows"]


@pytest.mark.parametrize("name", SAMPLE)
def test_an_empty_table_fails(name: str) -> None:
    assert ("", "not empty") in failed(validate(name, SAMPLE[name].iloc[:0], "sample"))


@pytest.mark.parametrize(
    ("name", "column"), [(name, column) for name, table in SAMPLE.items() for column in table]
)
def test_every_column_is_required_and_typed(name: str, column: str) -> None:
    missing = validate(name, SAMPLE[name].drop(columns=column), "sample")
    assert column in set(
        missing.failures.loc[missing.failures["check"] == "column_in_dataframe", "examples"]
    )
    wrong = SAMPLE[name].iloc[:50].copy()
    wrong[column] = [{"not": "a value"}] * 50 if wrong[column].dtype != bool else "yes"
    report = validate(name, wrong.assign(**{column: wrong[column].astype(str)}), "sample")
    assert column in set(report.failures["column"])


@pytest.mark.parametrize(
    ("name", "column"), [(name, column) for name, table in SAMPLE.items() for column in table]
)
def test_nulls_are_refused_except_where_they_mean_never(name: str, column: str) -> None:
    table = SAMPLE[name].copy()
    table[column] = table[column].astype(object)
    table.loc[3, column] = None
    if column == "days_since_previous_campaign":
        table[column] = table[column].astype(float)
        assert validate(name, table, "sample").passed
    else:
        assert column in set(validate(name, table, "sample").failures["column"])


@pytest.mark.parametrize(
    ("name", "column", "value"),
    [
        ("telco_customers", "tenure_months", -1),
        ("telco_customers", "tenure_months", 0),
        ("telco_customers", "tenure_months", 99),
        ("telco_customers", "monthly_charges_usd", -20.0),
        ("telco_customers", "total_charges_usd", 1e6),
        ("telco_customers", "customer_id", "7590-vhveg"),
        ("telco_customers", "contract", "Three year"),
        ("bank_contacts", "contacts_this_campaign", 0),
        ("bank_contacts", "days_since_previous_campaign", 999.0),
        ("bank_contacts", "contact_month", "May"),
        ("bank_contacts", "contact_weekday", "sun"),
        ("hillstrom_emails", "recency_months", 13),
        ("hillstrom_emails", "segment", "E-Mail"),
        ("hillstrom_emails", "spend_usd", -1.0),
    ],
)
def test_values_out_of_range_are_named_with_an_example(name: str, column: str, value: Any) -> None:
    table = SAMPLE[name].copy()
    table.loc[7, column] = value
    failures = validate(name, table, "sample").failures
    row = failures[failures["column"] == column].iloc[0]
    assert row["cases"] == 1
    assert row["examples"] == str(value)


@pytest.mark.parametrize(
    ("name", "changes", "check"),
    [
        ("telco_customers", {"multiple_lines": "No phone service", "phone_service": True}, "multi"),
        ("telco_customers", {"multiple_lines": "No", "phone_service": False}, "multiple_lines"),
        (
            "telco_customers",
            {"internet_service": "DSL", "online_security": "No internet service"},
            "online_security",
        ),
        ("telco_customers", {"internet_service": "No", "streaming_tv": "Yes"}, "streaming_tv"),
        (
            "bank_contacts",
            {"previous_outcome": "nonexistent", "previous_contacts": 2},
            "previous_outcome",
        ),
        (
            "bank_contacts",
            {
                "previous_outcome": "nonexistent",
                "previous_contacts": 0,
                "days_since_previous_campaign": 3.0,
            },
            "days_since",
        ),
        ("bank_contacts", {"row": 100_000}, "row counts up"),
        ("hillstrom_emails", {"visit": False, "conversion": True}, "conversion only"),
        ("hillstrom_emails", {"conversion": False, "spend_usd": 10.0}, "spend_usd above 0"),
        ("hillstrom_emails", {"mens": False, "womens": False}, "every customer"),
        (
            "hillstrom_emails",
            {"history_segment": "1) $0 - $100", "history_usd": 100.0},
            "history_usd lies",
        ),
    ],
)
def test_rows_that_contradict_themselves_are_named(
    name: str, changes: dict[str, Any], check: str
) -> None:
    table = SAMPLE[name].copy()
    for column, value in changes.items():
        table.loc[7, column] = value
    failures = validate(name, table, "sample").failures
    of_rows = failures[(failures["column"] == "") & failures["check"].str.startswith(check)]
    assert of_rows["examples"].tolist() == ["row 7"]
    assert of_rows["cases"].tolist() == [1]


def test_all_failures_are_reported_together() -> None:
    table = SAMPLE["telco_customers"].copy()
    table.loc[:9, "tenure_months"] = 99
    table.loc[3, "contract"] = "Three year"
    table["duration"] = 1
    table.loc[1, "customer_id"] = table.loc[0, "customer_id"]
    table = table.drop(columns="partner")
    failures = validate("telco_customers", table, "sample").failures
    assert {"tenure_months", "contract", "customer_id"} <= set(failures["column"])
    assert {"duration", "partner"} <= set(failures["examples"])
    assert failures.set_index("column").loc["tenure_months", "cases"] == 10


def test_two_outcomes_of_equal_rows_are_named() -> None:
    table = SAMPLE["bank_contacts"].copy()
    table.loc[1, "group"] = table.loc[0, "group"]
    table.loc[1, "accepted"] = not table.loc[0, "accepted"]
    assert ("", "equal rows have one outcome") in failed(validate("bank_contacts", table, "sample"))


def test_splits_have_a_schema() -> None:
    for name, table in SAMPLE.items():
        splits = make_splits(table, RULES[name])
        assert validate("splits", splits, "sample").passed
        bad = splits.assign(fold=splits["fold"].replace(4, 7), split="train")
        checks = {check for _, check in failed(validate("splits", bad, "sample"))}
        assert "both sides are used" in checks
        assert "isin([0, 1, 2, 3, 4])" in checks


def test_an_unknown_table_is_an_error() -> None:
    with pytest.raises(KeyError, match="no schema for 'orders'"):
        validate("orders", SAMPLE["bank_contacts"], "sample")


def test_every_telco_row_is_a_profile_that_the_decision_path_accepts(telco: pd.DataFrame) -> None:
    columns = list(Profile.__struct_fields__)
    for row in telco[columns].to_dict("records"):
        msgspec.convert(row, Profile)
