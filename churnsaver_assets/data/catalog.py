"""The data catalog: what each data set is, where it came from, and under which licence."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

import pandas as pd

from churnsaver_assets.data.sources.table_registry import SOURCES
from churnsaver_assets.data.tables.build import header_of

if TYPE_CHECKING:
    from churnsaver_assets.data.sources.raw import RawFile


def catalog_entry(raw: RawFile) -> dict[str, str | int]:
    """One row of the catalog: facts about the raw file and its publisher."""
    source = SOURCES[raw.source]
    generated = raw.label == "sample"
    return {
        "name": raw.source,
        "label": raw.label,
        "origin": raw.origin,
        "read_from": raw.read_from,
        "sha256": raw.sha256,
        "bytes": len(raw.content),
        "rows": raw.rows,
        "columns": len(header_of(raw)),
        "table": source.table,
        "licence": "MIT, as this repository" if generated else source.licence,
        "upstream": (
            f"generated after published rates of {source.upstream}"
            if generated
            else source.upstream
        ),
        "citation": source.citation,
    }


def build_catalog(
    raw_files: Iterable[RawFile], more: Iterable[Mapping[str, str | int]] = ()
) -> pd.DataFrame:
    """The catalog of these files, one row each, sorted by name.

    Args:
        raw_files: of the tables.
        more: further entries with the same columns, such as `text.catalog` makes.
    """
    entries = [*(catalog_entry(raw) for raw in raw_files), *more]
    return pd.DataFrame(sorted(entries, key=lambda entry: str(entry["name"])))
