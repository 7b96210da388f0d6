"""Strict parsing: what is wrong is named by file, line and column; what is right is exact."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from churnsaver_assets.data.errors import TableError
from churnsaver_assets.data.samples.tables import sample_tables
from churnsaver_assets.data.sources.registry_tables import CSV_LAYOUTS, TABLE_SOURCES
from churnsaver_assets.data.tables.build import build_table, header_of
from churnsaver_assets.data.tables.schemas import validate

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd

    from churnsaver_assets.data.sources.raw import RawSource
    from churnsaver_serving.runtime.manifest import DataLabel

ROWS = 30
DAMAGED = 17
SAMPLE = sample_tables()

# Raw columns that the canonical table takes as they are; the schema judges their values.
UNPARSED = {
    "telco": {
        "customerID": "customer_id",
        "gender": "gender",
        "MultipleLines": "multiple_lines",
        "InternetService": "internet_service",
        "OnlineSecurity": "online_security",
        "OnlineBackup": "online_backup",
        "DeviceProtection": "device_protection",
        "TechSupport": "tech_support",
        "StreamingTV": "streaming_tv",
        "StreamingMovies": "streaming_movies",
        "Contract": "contract",
        "PaymentMethod": "payment_method",
    },
    "bank": {
        "contact": "channel",
        "month": "contact_month",
        "day_of_week": "contact_weekday",
        "poutcome": "previous_outcome",
    },
    "hillstrom": {
        "history_segment": "history_segment",
        "zip_code": "zip_code",
        "channel": "channel",
        "segment": "segment",
    },
}
# Raw columns that the canonical table leaves out.
UNUSED = {
    "telco": set[str](),
    "bank": {
        "job",
        "education",
        "default",
        "housing",
        "loan",
        "duration",
        "emp.var.rate",
        "cons.price.idx",
        "cons.conf.idx",
        "euribor3m",
        "nr.employed",
    },
    "hillstrom": set[str](),
}
COLUMNS = [(name, column) for name in CSV_LAYOUTS for column in CSV_LAYOUTS[name].columns]


def holding(raw: RawSource, content: bytes) -> RawSource:
    """Return the raw file with other content."""
    return replace(raw, files={f"{raw.name}.csv": content})


def short(name: str, rows: int = ROWS) -> RawSource:
    """Return the first rows of the sample as a raw file of its own."""
    raw = SAMPLE[name]
    lines = raw.content.splitlines(keepends=True)[: rows + 1]
    return replace(holding(raw, b"".join(lines)), rows=rows, read_from=f"{name}.csv")


def edited(raw: RawSource, column: str, value: str) -> RawSource:
    """Return the file with one value of line `DAMAGED` replaced."""
    separator = CSV_LAYOUTS[raw.name].separator
    lines = raw.content.decode().splitlines()
    fields = lines[DAMAGED - 1].split(separator)
    fields[header_of(raw).index(column)] = value
    lines[DAMAGED - 1] = separator.join(fields)
    return holding(raw, ("\n".join(lines) + "\n").encode())


@pytest.mark.parametrize(("name", "column"), COLUMNS)
@pytest.mark.parametrize("value", ["?", "", "1e3", "nan", "12.5.1"])
def test_a_bad_value_in_any_column_is_named(name: str, column: str, value: str) -> None:
    raw = short(name)
    if column in UNUSED[name]:
        table = build_table(edited(raw, column, value))
        assert table.drop(columns="group").equals(build_table(raw).drop(columns="group"))
    elif column in UNPARSED[name]:
        report = validate(
            TABLE_SOURCES[name].table, build_table(edited(raw, column, value)), "sample"
        )
        assert UNPARSED[name][column] in set(report.failures["column"])
    else:
        with pytest.raises(TableError) as caught:
            build_table(edited(raw, column, value))
        message = str(caught.value)
        assert f"{name}.csv: line {DAMAGED}, column {column!r}: expected " in message
        assert f"found {value!r}" in message


@pytest.mark.parametrize(("name", "column"), COLUMNS)
def test_a_missing_or_renamed_column_is_named(name: str, column: str) -> None:
    raw = short(name)
    header, lines = raw.content.decode().split("\n", 1)
    separator = CSV_LAYOUTS[name].separator
    names = ["renamed" if found == column else found for found in header.split(separator)]
    content = f"{separator.join(names)}\n{lines}".encode()
    with pytest.raises(TableError) as caught:
        build_table(holding(raw, content))
    assert f"missing: [{column!r}], unexpected: ['renamed']" in str(caught.value)


@pytest.mark.parametrize("name", TABLE_SOURCES)
def test_an_extra_column_is_named(name: str) -> None:
    raw = short(name)
    separator = CSV_LAYOUTS[name].separator.encode()
    header, *lines = raw.content.splitlines()
    content = b"\n".join([header + separator + b"more", *(line + separator for line in lines)])
    with pytest.raises(TableError, match=r"missing: \[\], unexpected: \['more'\]"):
        build_table(holding(raw, content))


@given(name=st.sampled_from(sorted(TABLE_SOURCES)), line=st.integers(1, ROWS), extra=st.booleans())
def test_a_ragged_line_is_named(name: str, line: int, *, extra: bool) -> None:
    raw = short(name)
    separator = CSV_LAYOUTS[name].separator.encode()
    lines = raw.content.splitlines()
    lines[line] = lines[line] + separator + b"x" if extra else lines[line].rpartition(separator)[0]
    columns = len(header_of(raw))
    found = columns + 1 if extra else columns - 1
    with pytest.raises(TableError, match=rf"Row #{line + 1}: Expected {columns}.* got {found}"):
        build_table(holding(raw, b"\n".join(lines)))


@pytest.mark.parametrize("name", TABLE_SOURCES)
@pytest.mark.parametrize("found", [0, ROWS - 1])
def test_a_short_file_says_how_many_rows_were_expected(name: str, found: int) -> None:
    raw = replace(short(name, found), rows=ROWS)
    with pytest.raises(TableError, match=f"expected {ROWS} rows, found {found}"):
        build_table(raw)


def test_an_empty_file_is_refused() -> None:
    with pytest.raises(TableError, match="expected the columns"):
        build_table(holding(short("telco"), b""))


def test_bytes_that_are_no_text_are_refused() -> None:
    raw = short("telco")
    with pytest.raises(TableError, match="invalid UTF8"):
        build_table(holding(raw, raw.content.replace(b"Male", b"\xff\xfe", 1)))


def test_a_blank_total_is_accepted_only_in_the_first_month() -> None:
    with pytest.raises(TableError, match=r"line 17, column 'TotalCharges': expected blank exactly"):
        build_table(edited(short("telco"), "TotalCharges", " "))


def test_customers_in_their_first_month_are_dropped(telco: pd.DataFrame) -> None:
    assert len(telco) == 7_032
    assert telco["tenure_months"].min() == 1


def test_published_rows_and_rates(
    telco: pd.DataFrame, bank: pd.DataFrame, hillstrom: pd.DataFrame, data_label: DataLabel
) -> None:
    if data_label == "sample":
        pytest.skip("no local mirror")
    assert (len(telco), len(bank), len(hillstrom)) == (7_032, 41_188, 64_000)
    assert telco["churned"].sum() == 1_869
    assert round(bank["accepted"].mean(), 4) == 0.1127
    visits = hillstrom.groupby("segment")["visit"].mean().round(4)
    assert visits.to_dict() == {
        "Womens E-Mail": 0.1514,
        "Mens E-Mail": 0.1828,
        "No E-Mail": 0.1062,
    }


def test_published_churn_rate_of_the_whole_file(
    raw_files: Mapping[str, RawSource], data_label: DataLabel
) -> None:
    if data_label == "sample":
        pytest.skip("no local mirror")
    lines = raw_files["telco"].content.decode().splitlines()[1:]
    assert len(lines) == 7_043
    assert round(np.mean([line.endswith(",Yes") for line in lines]), 4) == 0.2654


def test_duration_and_the_economy_never_reach_bank_contacts(bank: pd.DataFrame) -> None:
    assert list(bank.columns) == [
        "row",
        "group",
        "channel",
        "contact_month",
        "contact_weekday",
        "senior",
        "partner",
        "contacts_this_campaign",
        "days_since_previous_campaign",
        "previous_contacts",
        "previous_outcome",
        "accepted",
    ]


def test_the_date_order_of_bank_is_kept(bank: pd.DataFrame) -> None:
    assert (bank["row"] == np.arange(len(bank))).all()
    month = bank["contact_month"]
    runs = month[month != month.shift()].tolist()
    first_year = ["may", "jun", "jul", "aug", "oct", "nov", "dec"]
    later_years = ["mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov"]
    assert runs == [*first_year, *later_years, "dec", *later_years]


def test_equal_bank_rows_and_only_they_share_a_group() -> None:
    raw = short("bank")
    lines = raw.content.splitlines(keepends=True)
    twice = build_table(replace(holding(raw, b"".join([*lines, lines[5]])), rows=ROWS + 1))
    assert twice["group"].nunique() == ROWS
    assert twice["group"].iloc[-1] == twice["group"].iloc[4]


def test_never_contacted_is_missing_not_999(bank: pd.DataFrame) -> None:
    days = bank["days_since_previous_campaign"]
    assert days.max() < 60
    assert days.isna().mean() > 0.9


def test_line_ends_do_not_matter() -> None:
    for name in TABLE_SOURCES:
        raw = short(name)
        with_crlf = holding(raw, raw.content.replace(b"\n", b"\r\n"))
        assert build_table(with_crlf).equals(build_table(raw))
