"""Runs a Pandera schema over a table and reports all that fails."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pandas as pd

if TYPE_CHECKING:
    import pandera.pandas as pa

_EXAMPLES = 5


@dataclass(frozen=True, slots=True)
class SchemaReport:
    """The result of checking a table against its schema.

    Attributes:
        table: The table's name.
        rows: Rows validated.
        failures: One row per failed check: `column` (empty for checks of whole rows or of the
            table), `check`, `cases` (rows that fail; 0 where the check is not about rows),
            `examples` (failing values, or row labels for checks of whole rows).
    """

    table: str
    rows: int
    failures: pd.DataFrame

    @property
    def passed(self) -> bool:
        """Return whether no check failed."""
        return len(self.failures) == 0


def report(schema: pa.DataFrameSchema, frame: pd.DataFrame) -> SchemaReport:
    """Run all checks of a schema and collect what fails.

    Args:
        schema: The schema, named as its table is.
        frame: The table to check.
    """
    from pandera.errors import SchemaErrors

    failures = pd.DataFrame(columns=["column", "check", "cases", "examples"])
    try:
        with warnings.catch_warnings():
            # pandera 0.35 concatenates failure cases in a way that pandas deprecates.
            warnings.filterwarnings("ignore", category=FutureWarning, module=r"pandera\.")
            schema.validate(frame, lazy=True)
    except SchemaErrors as errors:
        failures = _failures(errors.failure_cases, len(frame))
    return SchemaReport(schema.name, len(frame), failures)


def _failures(cases: pd.DataFrame, table_rows: int) -> pd.DataFrame:
    """Return Pandera's failure cases as `SchemaReport.failures`."""
    rows = []
    by_check = cases.assign(
        column=cases["column"].where(cases["schema_context"] == "Column", "")
    ).groupby(["column", "check"], sort=False, dropna=False)
    for (column, check), group in by_check:
        labels = group["index"].dropna().unique()
        values = group["failure_case"].astype(str).unique()
        if len(labels) and not column:  # pandera lists every cell of the row
            values = [f"row {label}" for label in labels]
        elif str(check).endswith(" rows") and not len(labels):
            values = [f"{table_rows:,} rows"]
        rows.append(
            {
                "column": column,
                "check": str(check),
                "cases": len(labels),
                "examples": ", ".join(values[:_EXAMPLES]),
            }
        )
    return pd.DataFrame(rows)
