"""Reads a source's files into completions, each layout by its reader, and counts rows."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING

from churnsaver_assets.data.errors import TableError
from churnsaver_assets.data.text import hh_rlhf, oasst, others, shp
from churnsaver_assets.data.text.completions import Reading
from churnsaver_assets.data.text.reading import json_array, json_lines, parquet_row_count

if TYPE_CHECKING:
    from churnsaver_assets.data.sources.raw import RawSource
    from churnsaver_assets.data.sources.source import Format

Reader = Callable[[bytes, str], Reading]

_READERS: Mapping[tuple[str, Format], Reader] = MappingProxyType(
    {
        ("sft_pairs", "oasst_trees"): oasst.read_trees_best,
        ("preference_pairs", "oasst_trees"): oasst.read_trees_ranks,
        ("sft_pairs", "oasst_pairs"): oasst.read_pairs,
        ("preference_pairs", "oasst_preferences"): oasst.read_preferences,
        ("sft_pairs", "oasst_inferred"): oasst.read_inferred,
        ("preference_pairs", "hh_rlhf"): hh_rlhf.read_hh_rlhf,
        ("preference_pairs", "shp2"): shp.read_shp,
        ("preference_pairs", "qa_feedback"): others.read_qa_feedback,
        ("preference_pairs", "qa_preferences"): others.read_qa_preferences,
        ("sft_pairs", "dolly"): others.read_dolly,
        ("sft_pairs", "dolly_cut"): others.read_dolly_cut,
    }
)

FIELDS: Mapping[Format, int] = MappingProxyType(
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
"""Number of fields of a row as published."""


def read_completions(raw: RawSource) -> Reading:
    """Read all completions in a source's files, and count what was left out.

    Raises:
        TableError: A file is not laid out as it should be; names file and place.
    """
    whole = Reading()
    for name, content in raw.files.items():
        one = _READERS[raw.table, raw.formats[name]](content, name)
        whole.completions.extend(one.completions)
        whole.dropped.update(+one.dropped)
    if not whole.completions:
        raise TableError(f"{raw.read_from}: expected usable rows, found none: {+whole.dropped}")
    return whole


def count_rows(content: bytes, name: str, layout: Format) -> int:
    """Return the number of rows in a file: lines, array entries, or parquet rows.

    Raises:
        TableError: The file is not of this kind at all.
    """
    if layout == "qa_feedback":
        return sum(1 for _ in json_array(content, name, {}))
    if layout in {"oasst_trees", "hh_rlhf", "shp2", "dolly"}:
        return sum(1 for _ in json_lines(content, name, {}))
    return parquet_row_count(content, name)
