"""Strict reading of JSON lines, JSON arrays and parquet: what is wrong is named by place."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator, Mapping
from typing import Any

from churnsaver_assets.data.errors import TableError
from churnsaver_assets.data.sources.content import PackingError, unpacked

Row = Mapping[str, Any]
Fields = Mapping[str, type | tuple[type, ...]]
"""Field to the Python type or types that its values may have."""


def _plain(content: bytes, where: str) -> bytes:
    try:
        return unpacked(content)
    except PackingError as error:
        raise TableError(f"{where}: can't be unpacked: {error}") from error


def json_lines(content: bytes, where: str, fields: Fields) -> Iterator[tuple[str, Row]]:
    """Yield each line's place and object.

    Args:
        content: The file's content, packed or plain.
        where: The file's name, for messages.
        fields: Fields that each object must have; it may have more.

    Raises:
        TableError: Names file and line, what was expected and what was found.
    """
    lines = _plain(content, where).split(b"\n")
    if lines and not lines[-1]:
        lines.pop()
    for number, line in enumerate(lines, start=1):
        place = f"{where}, line {number}"
        try:
            row = json.loads(line)
        except ValueError as error:  # UnicodeDecodeError is one, too
            raise TableError(f"{place}: expected a JSON object, found {_short(line)}") from error
        yield place, checked(row, place, fields)


def json_array(content: bytes, where: str, fields: Fields) -> Iterator[tuple[str, Row]]:
    """Yield each entry's place and object, of a file that is one JSON array.

    Raises:
        TableError: Names file and entry, what was expected and what was found.
    """
    try:
        entries = json.loads(_plain(content, where))
    except ValueError as error:
        raise TableError(f"{where}: expected a JSON array, found {error}") from error
    if not isinstance(entries, list):
        raise TableError(f"{where}: expected a JSON array, found {_short(entries)}")
    for number, row in enumerate(entries, start=1):
        place = f"{where}, entry {number}"
        yield place, checked(row, place, fields)


def parquet_rows(content: bytes, where: str, fields: Fields) -> Iterator[tuple[str, Row]]:
    """Yield each row's place and values.

    Args:
        content: The file's content.
        where: The file's name, for messages.
        fields: Columns that must be there; others are left out.

    Raises:
        TableError: Names file and row, what was expected and what was found.
    """
    table = _parquet_table(content, where)
    missing = sorted(set(fields) - set(table.column_names))
    if missing:
        raise TableError(
            f"{where}: expected columns {', '.join(missing)}, found {', '.join(table.column_names)}"
        )
    for number, row in enumerate(table.select(list(fields)).to_pylist(), start=1):
        place = f"{where}, row {number}"
        yield place, checked(row, place, fields)


def parquet_row_count(content: bytes, where: str) -> int:
    """Return the number of rows in a parquet file.

    Raises:
        TableError: The file is not one.
    """
    return int(_parquet_table(content, where).num_rows)


def _parquet_table(content: bytes, where: str) -> Any:  # noqa: ANN401 - pyarrow has no types
    import pyarrow as pa
    from pyarrow import parquet

    try:
        return parquet.read_table(io.BytesIO(content), use_threads=False)
    except (pa.ArrowInvalid, OSError) as error:
        raise TableError(f"{where}: expected a parquet file, found {error}") from error


def checked(row: object, place: str, fields: Fields) -> Row:
    """Return the row, once it has these fields with these types.

    Raises:
        TableError: A field is missing or has another type.
    """
    if not isinstance(row, dict):
        raise TableError(f"{place}: expected an object, found {_short(row)}")
    for name, kind in fields.items():
        if name not in row:
            raise TableError(
                f"{place}: expected field {name!r}, found {', '.join(map(repr, row)) or 'none'}"
            )
        value = row[name]
        if not isinstance(value, kind) or (isinstance(value, bool) and not _holds_bool(kind)):
            kinds = kind if isinstance(kind, tuple) else (kind,)
            raise TableError(
                f"{place}: expected {name!r} to be {' or '.join(one.__name__ for one in kinds)}, "
                f"found {_short(value)}"
            )
    return row


def _holds_bool(kind: type | tuple[type, ...]) -> bool:
    return bool in (kind if isinstance(kind, tuple) else (kind,))


def _short(value: object, most: int = 60) -> str:
    text = repr(value)
    return text if len(text) <= most else f"{text[:most]}..."
