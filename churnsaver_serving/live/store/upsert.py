"""Rows written whether or not there are any of their keys, on both databases."""

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite


def put(connection: sa.Connection, table: sa.Table, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write rows in place of those with the same primary keys, if there are any."""
    if rows:
        connection.execute(_statement(table, connection.dialect.name, adds=False), rows)


def add(connection: sa.Connection, table: sa.Table, rows: Sequence[Mapping[str, Any]]) -> None:
    """Add rows' numbers to those with the same primary keys; missing ones count from 0."""
    if rows:
        connection.execute(_statement(table, connection.dialect.name, adds=True), rows)


@cache
def _statement(table: sa.Table, dialect: str, *, adds: bool) -> sa.Insert:
    insert = sqlite.insert(table) if dialect == "sqlite" else postgresql.insert(table)
    changed = {
        column.name: column + insert.excluded[column.name] if adds else insert.excluded[column.name]
        for column in table.columns
        if not column.primary_key
    }
    return insert.on_conflict_do_update(
        index_elements=list(table.primary_key.columns), set_=changed
    )
