"""The data catalog: what each data set is, where it came from, and under which licence."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import pandas as pd

from churnsaver_assets.data.sources.registry_tables import TABLE_SOURCES
from churnsaver_assets.data.tables.build import header_of
from churnsaver_assets.data.text.loaders import FIELDS

if TYPE_CHECKING:
    from churnsaver_assets.data.sources.raw import RawSource


def build_catalog(sources: Iterable[RawSource]) -> pd.DataFrame:
    """Return the catalog of data sets, one row each, sorted by name."""
    entries = [_entry(raw) for raw in sources]
    return pd.DataFrame(sorted(entries, key=lambda entry: str(entry["name"])))


def _entry(raw: RawSource) -> dict[str, str | int]:
    real_part = raw.label == "real" and raw.part
    return {
        "name": raw.name,
        "label": raw.label,
        "origin": raw.origin,
        "read_from": raw.read_from,
        "sha256": raw.sha256,
        "bytes": sum(map(len, raw.files.values())),
        "rows": raw.rows,
        "columns": (
            len(header_of(raw))
            if raw.name in TABLE_SOURCES
            else max(FIELDS[layout] for layout in raw.formats.values())
        ),
        "table": raw.table,
        "licence": raw.licence,
        "upstream": f"{raw.upstream} ({raw.part})" if real_part else raw.upstream,
        "citation": raw.citation,
    }
