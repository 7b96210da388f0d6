"""Entries of the data catalog for text sources, in the columns that the tables' entries have."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from churnsaver_assets.data.sources.raw_text import RawText
    from churnsaver_assets.data.sources.types import TextFormat

_COLUMNS: Mapping[TextFormat, int] = MappingProxyType(
    {
        "oasst_trees": 3,
        "oasst_pairs": 14,
        "oasst_preferences": 10,
        "oasst_inferred": 5,
        "hh_rlhf": 2,
        "shp2": 14,
        "qa_feedback": 9,
        "qa_preferences": 6,
        "dolly": 4,
        "dolly_cut": 4,
    }
)
"""Fields of a row as published."""


def text_catalog_entries(sources: Iterable[RawText]) -> list[dict[str, str | int]]:
    """One entry for each source; hand them to `catalog.build_catalog` as `more`."""
    return [_entry(raw) for raw in sources]


def _entry(raw: RawText) -> dict[str, str | int]:
    generated = raw.label == "sample"
    return {
        "name": raw.name,
        "label": raw.label,
        "origin": raw.origin,
        "read_from": raw.read_from,
        "sha256": raw.sha256,
        "bytes": sum(map(len, raw.files.values())),
        "rows": raw.rows,
        "columns": max(_COLUMNS[layout] for layout in raw.formats.values()),
        "table": raw.table,
        "licence": raw.licence,
        "upstream": (
            f"generated in the layout of {raw.upstream}"
            if generated
            else f"{raw.upstream} ({raw.part})"
        ),
        "citation": raw.citation,
    }
