"""Gets sources verified: from the mirror, then the cache, then the address, else an error."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

from churnsaver_assets.common import atomic
from churnsaver_assets.data.errors import DataError, SourceCorrupt, SourceUnavailable, TableError
from churnsaver_assets.data.sources.content import PackingError, canonical, sha256_hex, verified
from churnsaver_assets.data.sources.download import (
    DEFAULT_TIMEOUTS,
    DownloadFailed,
    Timeouts,
    download,
)
from churnsaver_assets.data.sources.environment import MIRROR_VARIABLE, MODE_VARIABLE
from churnsaver_assets.data.sources.raw import Origin, RawSource, joint_sha256

if TYPE_CHECKING:
    from churnsaver_assets.data.sources.source import File, Format, Part, Source

_GZ = ".gz"


@dataclasses.dataclass(frozen=True, slots=True)
class Readers:
    """Functions that read raw files.

    Attributes:
        count: Number of rows in a file, from its content, name and layout; raises `TableError`
            where it is not laid out so.
        read: Reads a source whole; raises `TableError` where it is not laid out as it should be.
    """

    count: Callable[[bytes, str, Format], int]
    read: Callable[[RawSource], object]


_Outcome = bytes | SourceCorrupt | str
"""A file's content, or that it is not the pinned one, or why it did not come."""


def fetch_sources(
    sources: Iterable[Source],
    readers: Readers,
    *,
    mirror: Path | None,
    cache: Path,
    allow_download: bool = True,
    timeouts: Timeouts = DEFAULT_TIMEOUTS,
) -> dict[str, RawSource]:
    """Get sources, verified. Downloads run side by side; a file that two share is fetched once.

    A file that is there and wrong stops everything: going on to the next place would hide it.

    Args:
        sources: The data sets to get.
        readers: Functions to count rows, and to read what no published hash vouches for.
        mirror: Folder of local copies; None for no mirror.
        cache: Folder for downloads; a verified earlier download there counts as one.
        allow_download: False keeps off the network (the cache is still read).
        timeouts: Bounds of each download.

    Returns:
        Name of each source to its files, in the order of `sources`.

    Raises:
        SourceUnavailable: Names all sources that are not to be had, what was tried for each, and
            what to set.
        SourceCorrupt: One or more files are not the pinned ones; takes precedence.
        DataError: The mirror is not a folder.
    """
    sources = tuple(sources)
    if mirror is not None and not mirror.is_dir():
        raise DataError(f"the mirror {mirror} is not a folder; set {MIRROR_VARIABLE} to one")
    found: dict[str, RawSource] = {}
    corrupt: list[SourceCorrupt] = []
    for source in sources:
        try:
            raw = _from_mirror(source, mirror, readers)
        except SourceCorrupt as error:
            corrupt.append(error)
            continue
        if raw is not None:
            found[source.name] = raw
    _raise_together(corrupt)
    wanting = [source for source in sources if source.name not in found]
    fetched = _fetched(wanting, cache, timeouts, allow_download=allow_download)
    _raise_together([one for one in fetched.values() if isinstance(one, SourceCorrupt)])
    missing = [text for source in wanting if (text := _unavailable(source, mirror, cache, fetched))]
    if missing:
        raise SourceUnavailable("\n".join(missing))
    found |= {
        source.name: _from_remote(source, source.remote, fetched, cache, readers)
        for source in wanting
        if source.remote
    }
    return {source.name: found[source.name] for source in sources}


def cached_file(file: File, cache: Path) -> Path:
    """Return the path of a file's download in the cache, the same once its hash is recorded."""
    return cache / f"{hashlib.sha256(file.at.encode()).hexdigest()[:12]}-{file.name}"


def _raise_together(errors: list[SourceCorrupt]) -> None:
    if errors:
        raise SourceCorrupt("\n".join(map(str, errors))) from errors[0]


def _files(part: Part | None) -> tuple[File, ...]:
    return part.files if part else ()


def _in_mirror(file: File, mirror: Path) -> Path | None:
    """Return where the mirror holds a file: as it is named, else packed or plain beside that."""
    named = mirror / file.at
    plain = named.with_name(named.name.removesuffix(_GZ))
    beside = (plain, plain.with_name(f"{plain.name}{_GZ}"), plain.with_suffix(".zip"))
    return next((path for path in (named, *beside) if path.exists()), None)


def _from_mirror(source: Source, mirror: Path | None, readers: Readers) -> RawSource | None:
    if mirror is None or source.mirror is None:
        return None
    paths = [_in_mirror(file, mirror) for file in source.mirror.files]
    held = [path for path in paths if path is not None]
    if len(held) != len(paths):
        return None
    contents = {}
    for file, path in zip(source.mirror.files, held, strict=True):
        try:
            content = path.read_bytes()
        except OSError as error:
            raise SourceCorrupt(
                f"{source.name}: {path} is there but can't be read: {error}"
            ) from error
        contents[file.name] = verified(source, source.mirror, file, content, str(path))
    read_from = ", ".join(map(str, held))
    return _raw(source, source.mirror, contents, readers, origin="mirror", read_from=read_from)


def _fetched(
    sources: Iterable[Source], cache: Path, timeouts: Timeouts, *, allow_download: bool
) -> dict[File, _Outcome]:
    wanted = {
        file: (source, source.remote)
        for source in sources
        if source.remote
        for file in source.remote.files
    }

    def outcome(file: File) -> _Outcome:
        pinned = _pinned(file, cache)
        content = _cached(pinned, cache)
        if content is not None:
            return content
        if not allow_download:
            return "not asked, downloads are off"
        try:
            body = download(file.at, timeouts)
            content = verified(*wanted[file], pinned, body, f"what {file.at} serves")
        except DownloadFailed as error:
            return str(error)
        except SourceCorrupt as error:
            return error
        atomic.write_bytes(cached_file(file, cache), content)
        return content

    with ThreadPoolExecutor(max_workers=max(1, len(wanted))) as pool:
        return dict(zip(wanted, pool.map(outcome, wanted), strict=True))


def _cached(file: File, cache: Path) -> bytes | None:
    """Return the cached download; None where there is none or it no longer has the pinned hash."""
    path = cached_file(file, cache)
    if file.sha256 is None or not path.is_file():
        return None
    try:
        return canonical(file, path.read_bytes())
    except PackingError:
        return None


def _record(file: File, cache: Path) -> Path:
    """Return the path of the hash of a file that nobody has published one for."""
    path = cached_file(file, cache)
    return path.with_name(f"{path.name}.sha256")


def _pinned(file: File, cache: Path) -> File:
    """Return the file with its published or recorded hash, where there is one."""
    record = _record(file, cache)
    if file.sha256 is not None or not record.is_file():
        return file
    return dataclasses.replace(file, sha256=record.read_text().strip())


def _from_remote(
    source: Source, part: Part, fetched: Mapping[File, _Outcome], cache: Path, readers: Readers
) -> RawSource:
    contents = {file.name: one for file in part.files if isinstance(one := fetched[file], bytes)}
    new = [file for file in part.files if _pinned(file, cache).sha256 is None]
    read_from = ", ".join(file.at for file in part.files)
    try:
        raw = _raw(source, part, contents, readers, origin="download", read_from=read_from)
        if new:  # nothing else vouches for them
            readers.read(raw)
    except (TableError, SourceCorrupt) as error:
        for file in new:
            cached_file(file, cache).unlink(missing_ok=True)
        raise SourceCorrupt(
            f"{source.name}: what was served is not the data set: {error}"
        ) from error
    for file in new:
        atomic.write_text(_record(file, cache), f"{sha256_hex(contents[file.name])}\n")
    return raw


def _raw(
    source: Source,
    part: Part,
    contents: Mapping[str, bytes],
    readers: Readers,
    *,
    origin: Origin,
    read_from: str,
) -> RawSource:
    formats = {file.name: file.format for file in part.files}
    rows = sum(readers.count(content, name, formats[name]) for name, content in contents.items())
    fewest, most = part.rows
    if not fewest <= rows <= most:
        raise SourceCorrupt(
            f"{source.name}: {read_from}: expected {fewest:,} to {most:,} rows, found {rows:,}"
        )
    digests = {file.name: file.sha256 or sha256_hex(contents[file.name]) for file in part.files}
    return RawSource(
        name=source.name,
        table=source.table,
        part=part.part,
        kind=part.kind,
        files=contents,
        formats=formats,
        sha256=joint_sha256(digests),
        rows=rows,
        label="real",
        origin=origin,
        read_from=read_from,
        licence=source.licence,
        upstream=source.upstream,
        citation=source.citation,
    )


def _unavailable(
    source: Source, mirror: Path | None, cache: Path, fetched: Mapping[File, _Outcome]
) -> str | None:
    """Return what was tried for a source in vain; None where all of its files came."""
    remote = _files(source.remote)
    failed = {file: one for file in remote if isinstance(one := fetched[file], str)}
    if remote and not failed:
        return None
    local = [file.at for file in _files(source.mirror)]
    tried = [_tried_mirror(source, mirror), *_tried_remote(failed, cache)]
    if not remote:
        tried.append("public address: there is none")
    paths = ", ".join(local)
    others = "name other sources in the profile, or " if source.csv is None else "or "
    return "\n".join(
        [
            f"{source.name}: no source answers. Tried:",
            *(f"  - {one}" for one in tried),
            *([f"  Set {MIRROR_VARIABLE} to a folder that holds {paths},"] if local else []),
            f"  {others}set {MODE_VARIABLE}=sample to work on generated data, labelled so.",
        ]
    )


def _tried_mirror(source: Source, mirror: Path | None) -> str:
    files = _files(source.mirror)
    if mirror is None:
        return "local mirror: none"
    if not files:
        return f"local mirror {mirror}: holds no part of this source"
    lacking = [str(mirror / file.at) for file in files if _in_mirror(file, mirror) is None]
    return f"local mirror: {', '.join(lacking)}: no such file, packed or plain"


def _tried_remote(failed: Mapping[File, str], cache: Path) -> Iterator[str]:
    for file, cause in failed.items():
        yield f"cache: {cached_file(file, cache)}: no verified file"
        yield f"{file.at}: {cause}"
