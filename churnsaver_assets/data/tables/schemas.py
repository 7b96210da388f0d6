"""Pandera schemas of the canonical tables, and a report of what fails. No parsing here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from churnsaver_assets.data.schema_report import SchemaReport, report
from churnsaver_assets.data.tables.splits import FOLDS
from churnsaver_serving.runtime.customer import INTERNET_EXTRAS
from churnsaver_serving.runtime.limits.rules import WEEKDAYS

if TYPE_CHECKING:
    import pandera.pandas as pa

    from churnsaver_serving.runtime.manifest import DataLabel

MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")

HISTORY_SEGMENTS_USD = MappingProxyType(
    {
        "1) $0 - $100": (0, 100),
        "2) $100 - $200": (100, 200),
        "3) $200 - $350": (200, 350),
        "4) $350 - $500": (350, 500),
        "5) $500 - $750": (500, 750),
        "6) $750 - $1,000": (750, 1_000),
        "7) $1,000 +": (1_000, 100_000),
    }
)
"""Hillstrom's segments with their bounds: lower included, upper not."""

REAL_ROWS: Mapping[str, int] = MappingProxyType(
    {"telco_customers": 7_032, "bank_contacts": 41_188, "hillstrom_emails": 64_000}
)
"""Rows of each canonical table of real data; fewer than the file's where some are unusable."""


def schema(name: str, label: DataLabel) -> pa.DataFrameSchema:
    """Return the schema of a canonical table or of any table's splits (name "splits").

    Real tables must also have exactly the published number of rows.

    Raises:
        KeyError: No such table.
    """
    import pandera.pandas as pa

    if name not in _SCHEMAS:
        raise KeyError(f"no schema for {name!r}; there are {sorted(_SCHEMAS)}")
    columns, rules = _SCHEMAS[name]()
    checks = [pa.Check(rule, name=text, error=text) for text, rule in rules.items()]
    if label == "real" and name in REAL_ROWS:
        expected = REAL_ROWS[name]
        text = f"expected {expected:,} rows"
        checks.append(pa.Check(lambda frame: len(frame) == expected, name=text, error=text))
    checks.append(pa.Check(lambda frame: len(frame) > 0, name="not empty", error="not empty"))
    return pa.DataFrameSchema(columns, checks=checks, strict=name != "splits", name=name)


def validate(name: str, frame: pd.DataFrame, label: DataLabel) -> SchemaReport:
    """Run all checks of a table's schema and collect what fails.

    Args:
        name: Name of a canonical table, or "splits".
        frame: The table to check.
        label: The table's label; "real" also checks the published row count.
    """
    return report(schema(name, label), frame)


Columns = dict[str, Any]
Rules = dict[str, Callable[[pd.DataFrame], Any]]


def _telco_customers() -> tuple[Columns, Rules]:
    import pandera.pandas as pa

    extra = ("No", "Yes", "No internet service")
    columns = {
        "customer_id": pa.Column(str, pa.Check.str_matches(r"^\d{4}-[A-Z]{5}$"), unique=True),
        "gender": _one_of("Female", "Male"),
        "senior_citizen": pa.Column(bool),
        "partner": pa.Column(bool),
        "dependents": pa.Column(bool),
        "tenure_months": pa.Column("int64", pa.Check.in_range(1, 72)),
        "phone_service": pa.Column(bool),
        "multiple_lines": _one_of("No", "Yes", "No phone service"),
        "internet_service": _one_of("DSL", "Fiber optic", "No"),
        **{name: _one_of(*extra) for name in INTERNET_EXTRAS},
        "contract": _one_of("Month-to-month", "One year", "Two year"),
        "paperless_billing": pa.Column(bool),
        "payment_method": _one_of(
            "Electronic check",
            "Mailed check",
            "Bank transfer (automatic)",
            "Credit card (automatic)",
        ),
        "monthly_charges_usd": pa.Column(float, pa.Check.in_range(15, 125)),
        "total_charges_usd": pa.Column(float, pa.Check.in_range(15, 9_000)),
        "churned": pa.Column(bool),
    }
    rules: Rules = {
        "multiple_lines is 'No phone service' exactly without phone_service": lambda frame: (
            (frame["multiple_lines"] == "No phone service") != frame["phone_service"]
        ),
        "a customer has phone or internet": lambda frame: (
            frame["phone_service"] | (frame["internet_service"] != "No")
        ),
    }
    for name in INTERNET_EXTRAS:
        rules[f"{name} is 'No internet service' exactly where internet_service is 'No'"] = partial(
            _no_internet_agrees, name
        )
    return columns, rules


def _no_internet_agrees(extra: str, frame: pd.DataFrame) -> pd.Series:
    return (frame[extra] == "No internet service") == (frame["internet_service"] == "No")


def _bank_contacts() -> tuple[Columns, Rules]:
    import pandera.pandas as pa

    columns = {
        "row": pa.Column("int64", pa.Check.ge(0), unique=True),
        "group": pa.Column(str, pa.Check.str_matches(r"^[0-9a-f]{16}$")),
        "channel": _one_of("cellular", "telephone"),
        "contact_month": _one_of(*MONTHS),
        "contact_weekday": _one_of(*WEEKDAYS[:5]),  # working days only
        "senior": pa.Column(bool),
        "partner": pa.Column(bool),
        "contacts_this_campaign": pa.Column("int64", pa.Check.in_range(1, 60)),
        "days_since_previous_campaign": pa.Column(float, pa.Check.in_range(0, 60), nullable=True),
        "previous_contacts": pa.Column("int64", pa.Check.in_range(0, 10)),
        "previous_outcome": _one_of("nonexistent", "failure", "success"),
        "accepted": pa.Column(bool),
    }
    rules: Rules = {
        "previous_outcome is 'nonexistent' exactly without previous_contacts": lambda frame: (
            (frame["previous_outcome"] == "nonexistent") == (frame["previous_contacts"] == 0)
        ),
        "days_since_previous_campaign only with previous_contacts": lambda frame: (
            frame["days_since_previous_campaign"].isna() | (frame["previous_contacts"] > 0)
        ),
        "row counts up from 0 (date order)": lambda frame: frame["row"] == np.arange(len(frame)),
        "equal rows have one outcome": lambda frame: (
            frame.groupby("group")["accepted"].transform("nunique") == 1
        ),
    }
    return columns, rules


def _hillstrom_emails() -> tuple[Columns, Rules]:
    import pandera.pandas as pa

    lower = {name: bounds[0] for name, bounds in HISTORY_SEGMENTS_USD.items()}
    upper = {name: bounds[1] for name, bounds in HISTORY_SEGMENTS_USD.items()}
    columns = {
        "customer": pa.Column("int64", pa.Check.ge(0), unique=True),
        "recency_months": pa.Column("int64", pa.Check.in_range(1, 12)),
        "history_segment": _one_of(*HISTORY_SEGMENTS_USD),
        "history_usd": pa.Column(float, pa.Check.in_range(0, 5_000)),
        "mens": pa.Column(bool),
        "womens": pa.Column(bool),
        "zip_code": _one_of("Urban", "Surburban", "Rural"),  # upstream's spelling
        "newbie": pa.Column(bool),
        "channel": _one_of("Phone", "Web", "Multichannel"),
        "segment": _one_of("Womens E-Mail", "Mens E-Mail", "No E-Mail"),
        "visit": pa.Column(bool),
        "conversion": pa.Column(bool),
        "spend_usd": pa.Column(float, pa.Check.in_range(0, 1_000)),
    }
    rules: Rules = {
        "history_usd lies in its history_segment": lambda frame: (
            (frame["history_usd"] >= frame["history_segment"].map(lower))
            & (frame["history_usd"] < frame["history_segment"].map(upper))
        ),
        "every customer bought mens or womens": lambda frame: frame["mens"] | frame["womens"],
        "conversion only after a visit": lambda frame: ~frame["conversion"] | frame["visit"],
        "spend_usd above 0 exactly with a conversion": lambda frame: (
            (frame["spend_usd"] > 0) == frame["conversion"]
        ),
    }
    return columns, rules


def _splits() -> tuple[Columns, Rules]:
    import pandera.pandas as pa

    columns = {
        "fold": pa.Column("int64", pa.Check.isin(list(range(FOLDS)))),
        "split": _one_of("train", "holdout"),
    }
    rules: Rules = {
        "first column is a unique key": lambda frame: bool(frame.iloc[:, 0].is_unique),
        "every fold is used": lambda frame: frame["fold"].nunique() == FOLDS,
        "both sides are used": lambda frame: frame["split"].nunique() == 2,  # noqa: PLR2004
    }
    return columns, rules


def _one_of(*values: str) -> pa.Column:
    import pandera.pandas as pa

    return pa.Column(str, pa.Check.isin(list(values)))


_SCHEMAS: Mapping[str, Callable[[], tuple[Columns, Rules]]] = MappingProxyType(
    {
        "telco_customers": _telco_customers,
        "bank_contacts": _bank_contacts,
        "hillstrom_emails": _hillstrom_emails,
        "splits": _splits,
    }
)
