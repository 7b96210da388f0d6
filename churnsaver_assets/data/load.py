"""Loads data sets by name, as the environment asks: real ones, or the sample where named."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from churnsaver_assets.data.errors import DataError
from churnsaver_assets.data.sources.download import DEFAULT_TIMEOUTS, Timeouts
from churnsaver_assets.data.sources.environment import data_mode, default_cache, default_mirror
from churnsaver_assets.data.sources.fetch import Readers, fetch_sources
from churnsaver_assets.data.sources.registry_tables import TABLE_SOURCES
from churnsaver_assets.data.sources.registry_texts import TEXT_SOURCES
from churnsaver_assets.data.tables.build import build_table, count_lines
from churnsaver_assets.data.text.loaders import count_rows, read_completions

if TYPE_CHECKING:
    from churnsaver_assets.data.sources.raw import RawSource
    from churnsaver_assets.data.sources.source import Format, Source
    from churnsaver_serving.runtime.manifest import DataLabel

SOURCES: Mapping[str, Source] = MappingProxyType({**TABLE_SOURCES, **TEXT_SOURCES})


def load_sources(
    names: Iterable[str], *, mode: DataLabel | None = None, allow_download: bool = True
) -> dict[str, RawSource]:
    """Load data sets, tables' and texts' alike.

    Args:
        names: Names from the registries; repeated names count once.
        mode: Overrides `data_mode()`.
        allow_download: False keeps off the network (the cache is still read).

    Raises:
        SourceUnavailable: One or more sources are not to be had; says what was tried for each.
        SourceCorrupt: A file is there, but is not the pinned one.
        DataError: A name is unknown, or a variable of the environment can't be used.
    """
    names = tuple(dict.fromkeys(names))
    unknown = sorted(set(names) - set(SOURCES))
    if unknown:
        raise DataError(f"unknown data sets {unknown}; expected some of {sorted(SOURCES)}")
    if (mode or data_mode()) == "sample":
        return _sample(names)
    return fetch(
        [SOURCES[name] for name in names],
        mirror=default_mirror(),
        cache=default_cache(),
        allow_download=allow_download,
    )


def fetch(
    sources: Iterable[Source],
    *,
    mirror: Path | None,
    cache: Path,
    allow_download: bool = True,
    timeouts: Timeouts = DEFAULT_TIMEOUTS,
) -> dict[str, RawSource]:
    """Get sources verified, from the mirror, the cache or their addresses: see `fetch_sources`."""
    return fetch_sources(
        sources,
        Readers(count=_count, read=_read),
        mirror=mirror,
        cache=cache,
        allow_download=allow_download,
        timeouts=timeouts,
    )


def _sample(names: Iterable[str]) -> dict[str, RawSource]:
    from churnsaver_assets.data.samples.tables import sample_tables
    from churnsaver_assets.data.samples.text import sample_texts

    names = tuple(names)
    tables = sample_tables() if set(names) & set(TABLE_SOURCES) else {}
    texts = sample_texts() if set(names) & set(TEXT_SOURCES) else {}
    made = {**tables, **texts}
    return {name: made[name] for name in names}


def _count(content: bytes, name: str, layout: Format) -> int:
    return count_lines(content) if layout == "csv" else count_rows(content, name, layout)


def _read(raw: RawSource) -> None:
    if raw.name in TABLE_SOURCES:
        build_table(raw)
    else:
        read_completions(raw)
