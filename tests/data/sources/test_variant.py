"""Another variant of a table is refused with what differs: columns, rows, or values, and which."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from churnsaver_assets.data.errors import SourceCorrupt
from churnsaver_assets.data.load import fetch
from churnsaver_assets.data.sources.registry_tables import TABLE_SOURCES
from churnsaver_assets.data.sources.variant import differences, values_digest
from tests.support.data.site import closed_address, pinned, write_mirror

if TYPE_CHECKING:
    from churnsaver_assets.data.sources.raw import RawSource
    from churnsaver_assets.data.sources.source import Source
    from churnsaver_serving.runtime.manifest import DataLabel

Table = list[list[str]]
Edit = Callable[[Table], Table]


@pytest.fixture(scope="module")
def telco_file(raw_files: Mapping[str, RawSource], data_label: DataLabel) -> tuple[Source, Table]:
    """Return the Telco source with its published table: real, or the sample as if published."""
    content = raw_files["telco"].content
    source = TABLE_SOURCES["telco"]
    if data_label == "sample":
        source = pinned(source, content, closed_address())
    return source, list(csv.reader(io.StringIO(content.decode(), newline="")))


def written(table: Table, **changed: str) -> bytes:
    target = io.StringIO(newline="")
    csv.writer(target, lineterminator="\n", **changed).writerows(table)  # type: ignore[arg-type]
    return target.getvalue().encode()


def column(table: Table, name: str, edit: Callable[[str], str]) -> Table:
    at = table[0].index(name)
    header, *rows = table
    return [header, *([*row[:at], edit(row[at]), *row[at + 1 :]] for row in rows)]


def without(table: Table, *names: str) -> Table:
    kept = [at for at, name in enumerate(table[0]) if name not in names]
    return [[row[at] for at in kept] for row in table]


def renamed(table: Table, names: Mapping[str, str]) -> Table:
    header, *rows = table
    return [[names.get(name, name) for name in header], *rows]


def with_score(table: Table) -> Table:
    header, *rows = table
    return [[*header, "Churn Score"], *([*row, "50"] for row in rows)]


CASES: dict[str, tuple[Edit, list[str]]] = {
    "a column is missing": (
        lambda table: without(table, "TotalCharges"),
        ["columns missing: 'TotalCharges'", "the number of rows agrees"],
    ),
    "a column too many": (
        with_score,
        ["columns that should not be there: 'Churn Score'", "the number of rows agrees"],
    ),
    "renamed by letters": (
        lambda table: renamed(table, {"customerID": "Customer ID", "tenure": "Tenure"}),
        ["columns renamed: 'customerID' is called 'Customer ID', 'tenure' is called 'Tenure'"],
    ),
    "renamed, told by its values": (
        lambda table: renamed(table, {"tenure": "months"}),
        ["columns renamed: 'tenure' is called 'months'"],
    ),
    "rows are missing": (
        lambda table: table[:-11],
        ["the columns agree", "rows, found "],
    ),
    "values differ": (
        lambda table: column(table, "Contract", lambda value: value.replace("-", " ")),
        ["the columns agree", "the number of rows agrees", "1 of 21 columns: 'Contract'"],
    ),
    "rows in another order": (
        lambda table: [table[0], *table[:0:-1]],
        ["the columns agree; the number of rows agrees", "values agree: rows are in another order"],
    ),
    "columns in another order": (
        lambda table: [row[::-1] for row in table],
        ["the columns agree but for their order", "each column's values agree"],
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_what_differs_is_said(case: str, telco_file: tuple[Source, Table], tmp_path: Path) -> None:
    edit, expected = CASES[case]
    source, table = telco_file
    path = write_mirror(source, written(edit(table)), tmp_path)
    with pytest.raises(SourceCorrupt) as caught:
        fetch([source], mirror=tmp_path, cache=tmp_path / "cache", allow_download=False)
    message = str(caught.value)
    assert message.startswith(f"telco: {path} does not hold the pinned content: ")
    for said in expected:
        assert said in message
    assert "Expected content with sha256" in message
    assert f"Put the pinned file in its place (the data set: {source.upstream})" in message


def test_the_number_of_rows_is_said(telco_file: tuple[Source, Table]) -> None:
    source, table = telco_file
    assert source.csv is not None
    rows = len(table) - 1
    said = differences(source.csv, rows, written(table[:-11]))
    assert said == f"the columns agree; expected {rows:,} rows, found {rows - 11:,}"


@pytest.mark.parametrize("changed", [{"delimiter": ";"}, {"delimiter": "\t"}])
def test_other_separators_are_seen_through(
    changed: dict[str, str], telco_file: tuple[Source, Table]
) -> None:
    source, table = telco_file
    assert source.csv is not None
    said = differences(source.csv, len(table) - 1, written(table, **changed))
    assert "fields are separated or quoted in another way" in said


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "none of its columns is there"),
        (b"<html>moved</html>", "it begins with '<html>moved</html>'"),
        (b"x" * 200_000, "it can't be read as CSV"),
        (b"\x89PNG\r\n\x1a\n\x00\x00", "none of its columns is there"),
    ],
)
def test_another_kind_of_file_is_called_that(
    content: bytes, said: str, telco_file: tuple[Source, Table]
) -> None:
    source, _ = telco_file
    assert source.csv is not None
    assert said in differences(source.csv, 7_043, content)


def test_a_digest_is_of_the_values_whatever_their_order() -> None:
    assert values_digest(["b", "a"]) == values_digest(["a", "b"])
    assert values_digest(["a", "b"]) != values_digest(["ab"])
    assert values_digest(["a", "a"]) != values_digest(["a"])
