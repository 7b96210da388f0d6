"""From a source to verified raw bytes: mirror, then pinned address, else an error. No parsing."""

from __future__ import annotations

import gzip
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

from churnsaver_assets.data.errors import DataError, SourceCorrupt, SourceUnavailable
from churnsaver_assets.data.sources.download import (
    DEFAULT_TIMEOUTS,
    DownloadFailed,
    Timeouts,
    cached_file,
    download,
    read_cached,
    sha256_hex,
)
from churnsaver_assets.data.sources.environment import (
    MIRROR_VARIABLE,
    MODE_VARIABLE,
    data_mode,
    default_cache,
    default_mirror,
)
from churnsaver_assets.data.sources.raw import Origin, RawFile
from churnsaver_assets.data.sources.table_registry import SOURCES, Dataset, Source

if TYPE_CHECKING:
    from churnsaver_serving.runtime.manifest import DataLabel


def resolve(
    source: Source,
    mirror: Path | None,
    cache: Path,
    *,
    allow_download: bool = True,
    timeouts: Timeouts = DEFAULT_TIMEOUTS,
) -> RawFile:
    """Get one source's file, verified.

    Args:
        source: what to get.
        mirror: folder of local copies; None for no mirror.
        cache: folder for downloads; a verified earlier download there counts as one.
        allow_download: False keeps off the network (the cache is still read).
        timeouts: for the download.

    Raises:
        SourceUnavailable: no place has the file; says what was tried, why it failed, what to set.
        SourceCorrupt: a place has a file that is not the pinned one. The next place is not tried.
    """
    tried: list[str] = []
    if mirror is None:
        tried.append("local mirror: none")
    else:
        content = _read_mirror(source, mirror)
        if content is not None:
            path = mirror / source.mirror_path
            return _raw_file(source, content, "mirror", str(path))
        tried.append(f"local mirror: {mirror / source.mirror_path}: no such file")
    content = read_cached(source, cache)
    if content is None:
        tried.append(f"cache: {cached_file(source, cache)}: no verified file")
        if not allow_download:
            tried.append(f"{source.url}: not asked, downloads are off")
            raise SourceUnavailable(_unavailable(source, tried))
        try:
            content = download(source, cache, timeouts)
        except DownloadFailed as error:
            tried.append(f"{source.url}: {error}")
            raise SourceUnavailable(_unavailable(source, tried)) from error
    if source.download_sha256 != source.sha256:
        content = content.replace(b"\r\n", b"\n")
    return _raw_file(source, content, "download", source.url)


def resolve_all(
    sources: Iterable[Source] = tuple(SOURCES.values()),
    *,
    mirror: Path | None,
    cache: Path,
    allow_download: bool = True,
    timeouts: Timeouts = DEFAULT_TIMEOUTS,
) -> dict[Dataset, RawFile]:
    """`resolve` for several sources at once, so that the verdict takes as long as the slowest.

    Raises:
        SourceUnavailable: one or more sources are not to be had; names them all.
        SourceCorrupt: one or more files are not the pinned ones; takes precedence.
    """
    sources = tuple(sources)
    with ThreadPoolExecutor(max_workers=max(1, len(sources))) as pool:
        pending = [
            pool.submit(
                resolve, source, mirror, cache, allow_download=allow_download, timeouts=timeouts
            )
            for source in sources
        ]
    errors = [error for one in pending if (error := one.exception()) is not None]
    for error in errors:
        if not isinstance(error, SourceCorrupt | SourceUnavailable):
            raise error
    for kind in (SourceCorrupt, SourceUnavailable):
        matching = [error for error in errors if isinstance(error, kind)]
        if matching:
            raise kind("\n".join(map(str, matching))) from matching[0]
    return {(raw := one.result()).source: raw for one in pending}


def load_raw_files(
    names: Iterable[Dataset] = tuple(SOURCES),
    *,
    mode: DataLabel | None = None,
    allow_download: bool = True,
) -> Mapping[Dataset, RawFile]:
    """The raw files as the environment asks for them: real ones, or the sample where named.

    Args:
        names: which data sets.
        mode: overrides `data_mode()`.
        allow_download: passed on to `resolve_all`.

    Raises:
        DataError: see `resolve_all`, `data_mode` and `default_mirror`.
    """
    names = tuple(names)
    unknown = sorted(set(names) - set(SOURCES))
    if unknown:
        raise DataError(f"unknown data sets {unknown}; expected some of {sorted(SOURCES)}")
    if (mode or data_mode()) == "sample":
        from churnsaver_assets.data.samples.tables import sample_files

        sample = sample_files()
        return {name: sample[name] for name in names}
    return resolve_all(
        [SOURCES[name] for name in names],
        mirror=default_mirror(),
        cache=default_cache(),
        allow_download=allow_download,
    )


def _read_mirror(source: Source, mirror: Path) -> bytes | None:
    path = mirror / source.mirror_path
    if not mirror.is_dir():
        raise DataError(f"the mirror {mirror} is not a folder; set {MIRROR_VARIABLE} to one")
    if not path.exists():
        return None
    try:
        content = path.read_bytes()
    except OSError as error:
        raise SourceCorrupt(f"{source.name}: {path} is there but can't be read: {error}") from error
    found = sha256_hex(content)
    if found != source.mirror_sha256:
        raise SourceCorrupt(
            f"{source.name}: {path} is not the pinned file; replace or delete it. Expected "
            f"{source.mirror_bytes:,} bytes with sha256 {source.mirror_sha256}, found "
            f"{len(content):,} bytes with sha256 {found}"
        )
    return gzip.decompress(content) if path.suffix == ".gz" else content


def _raw_file(source: Source, content: bytes, origin: Origin, read_from: str) -> RawFile:
    found = sha256_hex(content)
    if found != source.sha256:  # the pins of the packed and the canonical file contradict
        raise SourceCorrupt(
            f"{source.name}: {read_from} unpacked: expected {source.bytes:,} bytes with sha256 "
            f"{source.sha256}, found {len(content):,} bytes with sha256 {found}"
        )
    return RawFile(
        source=source.name,
        content=content,
        sha256=found,
        rows=source.rows,
        origin=origin,
        label="real",
        read_from=read_from,
    )


def _unavailable(source: Source, tried: list[str]) -> str:
    return "\n".join(
        [
            f"{source.name}: no source answers. Tried:",
            *(f"  - {one}" for one in tried),
            f"  Set {MIRROR_VARIABLE} to a folder that holds {source.mirror_path},",
            f"  or {MODE_VARIABLE}=sample to work on generated data, labelled so.",
        ]
    )
