"""Metadata helpers: pictures and tables as the Dagster UI shows them."""

import base64
from collections.abc import Mapping, Sequence

import pandas as pd
from dagster import (
    MetadataValue,
    TableColumn,
    TableMetadataValue,
    TableRecord,
    TableSchema,
)


def picture(png: bytes, title: str) -> MetadataValue:
    """Embed a PNG in Markdown: there is no metadata type for plots."""
    return MetadataValue.md(f"![{title}](data:image/png;base64,{base64.b64encode(png).decode()})")


Row = Mapping[str, str | int | float | bool]


def table(rows: Sequence[Row]) -> TableMetadataValue:
    """Show rows as a table; its columns are the first row's keys."""
    names = list(rows[0]) if rows else []
    return MetadataValue.table(
        records=[TableRecord(dict(row)) for row in rows],
        schema=TableSchema([TableColumn(name, "string") for name in names]),
    )


def frame_metadata(frame: pd.DataFrame) -> dict[str, MetadataValue]:
    """Return row count, column schema and the first rows of a table."""
    head = [
        {name: str(value) for name, value in row.items()}
        for row in frame.head(5).to_dict("records")
    ]
    return {
        "dagster/row_count": MetadataValue.int(len(frame)),
        "dagster/column_schema": MetadataValue.table_schema(
            TableSchema([TableColumn(name, str(kind)) for name, kind in frame.dtypes.items()])
        ),
        "first rows": table(head),
    }
