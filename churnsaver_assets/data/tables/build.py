"""Builds the canonical tables from raw CSV bytes, strictly. The values allowed are in `schemas`."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from churnsaver_assets.data.errors import TableError
from churnsaver_assets.data.sources.registry_tables import CSV_LAYOUTS

if TYPE_CHECKING:
    from churnsaver_assets.data.sources.raw import RawSource

_INTEGER = r"-?\d{1,15}"
_DECIMAL = r"-?\d{1,15}(\.\d{1,15})?"
_YES_NO = MappingProxyType({"Yes": True, "No": False})
_ONE_ZERO = MappingProxyType({"1": True, "0": False})

SENIOR_AGE = 60
NEVER_CONTACTED = 999
"""How Bank's `pdays` says that there was no contact in an earlier campaign."""


def telco_customers(raw: RawSource) -> pd.DataFrame:
    """Return one row per customer of the IBM Telco file.

    Customers in their first month have a blank TotalCharges and can't have churned yet; they are
    dropped (11 of 7,043).

    Raises:
        TableError: Names the file, the line, the column, what was expected and found.
    """
    rows = _read(raw)
    blank = rows.text("TotalCharges").str.strip() == ""
    first_month = rows.integers("tenure") == 0
    if (blank != first_month).any():
        at = int(np.flatnonzero(blank != first_month)[0])
        raise rows.error("TotalCharges", at, "blank exactly where tenure is 0")
    rows = rows.only(~blank)
    return pd.DataFrame(
        {
            "customer_id": rows.text("customerID"),
            "gender": rows.text("gender"),
            "senior_citizen": rows.flags("SeniorCitizen", _ONE_ZERO),
            "partner": rows.flags("Partner", _YES_NO),
            "dependents": rows.flags("Dependents", _YES_NO),
            "tenure_months": rows.integers("tenure"),
            "phone_service": rows.flags("PhoneService", _YES_NO),
            "multiple_lines": rows.text("MultipleLines"),
            "internet_service": rows.text("InternetService"),
            "online_security": rows.text("OnlineSecurity"),
            "online_backup": rows.text("OnlineBackup"),
            "device_protection": rows.text("DeviceProtection"),
            "tech_support": rows.text("TechSupport"),
            "streaming_tv": rows.text("StreamingTV"),
            "streaming_movies": rows.text("StreamingMovies"),
            "contract": rows.text("Contract"),
            "paperless_billing": rows.flags("PaperlessBilling", _YES_NO),
            "payment_method": rows.text("PaymentMethod"),
            "monthly_charges_usd": rows.decimals("MonthlyCharges"),
            "total_charges_usd": rows.decimals("TotalCharges"),
            "churned": rows.flags("Churn", _YES_NO),
        }
    )


def bank_contacts(raw: RawSource) -> pd.DataFrame:
    """Return one row per client of the UCI Bank Marketing file, in its date order.

    Only what a Telco customer has too. `duration` (known only after the call) and the economic
    indicators are left out.

    Raises:
        TableError: Names the file, the line, the column, what was expected and found.
    """
    rows = _read(raw)
    since = rows.integers("pdays").astype(np.float64)
    married = {"married": True, "single": False, "divorced": False, "unknown": False}
    return pd.DataFrame(
        {
            "row": np.arange(len(rows), dtype=np.int64),
            "group": rows.fingerprints(),
            "channel": rows.text("contact"),
            "contact_month": rows.text("month"),
            "contact_weekday": rows.text("day_of_week"),
            "senior": rows.integers("age") >= SENIOR_AGE,
            "partner": rows.flags("marital", married),
            "contacts_this_campaign": rows.integers("campaign"),
            "days_since_previous_campaign": since.where(since != NEVER_CONTACTED),
            "previous_contacts": rows.integers("previous"),
            "previous_outcome": rows.text("poutcome"),
            "accepted": rows.flags("y", {"yes": True, "no": False}),
        }
    )


def hillstrom_emails(raw: RawSource) -> pd.DataFrame:
    """Return one row per customer of Hillstrom's randomised e-mail test.

    Raises:
        TableError: Names the file, the line, the column, what was expected and found.
    """
    rows = _read(raw)
    return pd.DataFrame(
        {
            "customer": np.arange(len(rows), dtype=np.int64),
            "recency_months": rows.integers("recency"),
            "history_segment": rows.text("history_segment"),
            "history_usd": rows.decimals("history"),
            "mens": rows.flags("mens", _ONE_ZERO),
            "womens": rows.flags("womens", _ONE_ZERO),
            "zip_code": rows.text("zip_code"),
            "newbie": rows.flags("newbie", _ONE_ZERO),
            "channel": rows.text("channel"),
            "segment": rows.text("segment"),
            "visit": rows.flags("visit", _ONE_ZERO),
            "conversion": rows.flags("conversion", _ONE_ZERO),
            "spend_usd": rows.decimals("spend"),
        }
    )


_BUILDERS: Mapping[str, Callable[[RawSource], pd.DataFrame]] = MappingProxyType(
    {"telco": telco_customers, "bank": bank_contacts, "hillstrom": hillstrom_emails}
)


def build_table(raw: RawSource) -> pd.DataFrame:
    """Return the canonical table of a raw file; `raw.table` has its name."""
    return _BUILDERS[raw.name](raw)


def header_of(raw: RawSource) -> list[str]:
    """Return the column names in a raw file's first line."""
    header = raw.content.partition(b"\n")[0].decode("utf-8", errors="replace").rstrip("\r")
    return [name.strip('"') for name in header.split(CSV_LAYOUTS[raw.name].separator)]


def count_lines(content: bytes) -> int:
    """Return the number of rows in a raw file, its header not counted."""
    return content.count(b"\n") - 1


class _RawTable:
    """A CSV as text columns, and typed readers that name the line of a value they can't read.

    Args:
        where: Path or address of the file, for messages.
        text: The columns; the index counts data rows from 0.
    """

    def __init__(self, where: str, text: pd.DataFrame) -> None:
        self._where = where
        self._text = text

    def __len__(self) -> int:
        return len(self._text)

    def only(self, kept: pd.Series) -> _RawTable:
        """Return the rows where `kept` holds; they keep their line numbers."""
        return _RawTable(self._where, self._text[kept])

    def error(self, column: str, at: int, expected: str) -> TableError:
        """Return the error for the value at position `at` of a column."""
        found = self._text[column].iloc[at]
        line = self._text.index[at] + 2  # 1-based, after the header
        return TableError(
            f"{self._where}: line {line}, column {column!r}: expected {expected}, found {found!r}"
        )

    def text(self, column: str) -> pd.Series:
        return self._text[column].reset_index(drop=True)

    def integers(self, column: str) -> pd.Series:
        return self._matching(column, _INTEGER, "a whole number").astype(np.int64)

    def decimals(self, column: str) -> pd.Series:
        return self._matching(column, _DECIMAL, "a decimal number").astype(np.float64)

    def flags(self, column: str, values: Mapping[str, bool]) -> pd.Series:
        """Return text as flags; what is not a key of `values` is an error."""
        text = self.text(column)
        known = text.isin(values.keys())
        if not known.all():
            expected = " or ".join(map(repr, values))
            raise self.error(column, int(np.flatnonzero(~known)[0]), expected)
        return text.map(values).astype(bool)

    def fingerprints(self) -> list[str]:
        """Return a hash of each whole raw row: equal rows, and only they, share it."""
        lines = self._text[self._text.columns[0]].str.cat(self._text.iloc[:, 1:], sep="\x1f")
        return [hashlib.blake2b(line.encode(), digest_size=8).hexdigest() for line in lines]

    def _matching(self, column: str, pattern: str, expected: str) -> pd.Series:
        text = self.text(column)
        fits = text.str.fullmatch(pattern)
        if not fits.all():
            raise self.error(column, int(np.flatnonzero(~fits)[0]), expected)
        return text


def _read(raw: RawSource) -> _RawTable:
    import pyarrow as pa
    from pyarrow import csv

    layout = CSV_LAYOUTS[raw.name]
    columns = list(layout.columns)
    found = header_of(raw)
    if found != columns:
        missing = [name for name in columns if name not in found]
        extra = [name for name in found if name not in columns]
        raise TableError(
            f"{raw.read_from}: expected the columns {columns}, found {found} "
            f"(missing: {missing}, unexpected: {extra})"
        )
    try:
        table = csv.read_csv(
            io.BytesIO(raw.content),
            read_options=csv.ReadOptions(use_threads=False),  # or errors lack the line
            parse_options=csv.ParseOptions(delimiter=layout.separator, ignore_empty_lines=False),
            convert_options=csv.ConvertOptions(
                column_types=dict.fromkeys(columns, pa.string()), strings_can_be_null=False
            ),
        )
    except pa.ArrowInvalid as error:
        raise TableError(f"{raw.read_from}: expected {len(columns)} columns: {error}") from error
    if table.num_rows != raw.rows:
        raise TableError(f"{raw.read_from}: expected {raw.rows:,} rows, found {table.num_rows:,}")
    return _RawTable(raw.read_from, table.to_pandas())
