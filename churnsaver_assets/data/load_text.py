"""From the names of text sources to their verified files: mirror, then public address, or error."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

from churnsaver_assets.data.errors import DataError, SourceCorrupt, SourceUnavailable, TableError
from churnsaver_assets.data.sources.download import (
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
from churnsaver_assets.data.sources.raw_text import RawText, files_sha256
from churnsaver_assets.data.sources.text_registry import TEXT_SOURCES
from churnsaver_assets.data.sources.types import MirrorText, RemoteText, TextPart, TextSource
from churnsaver_assets.data.text.loaders import count_rows, read_completions

if TYPE_CHECKING:
    from churnsaver_assets.data.sources.raw import Origin
    from churnsaver_serving.runtime.manifest import DataLabel

TEXT_TIMEOUTS = Timeouts(total=900.0)
"""The largest file has 34 MB."""

Fetched = bytes | SourceCorrupt | str
"""A file's content, or that it is not the pinned one, or why it did not come."""


def load_text_sources(
    names: Iterable[str], *, mode: DataLabel | None = None, allow_download: bool = True
) -> Mapping[str, RawText]:
    """The text sources as the environment asks for them: real ones, or the sample where named.

    Args:
        names: from the registry; repeated names count once.
        mode: overrides `data_mode()`.
        allow_download: False keeps off the network (the cache is still read).

    Raises:
        SourceUnavailable: one or more sources are not to be had; says what was tried for each.
        SourceCorrupt: a file is there, but is not the pinned one.
        DataError: a name is unknown, or see `data_mode` and `default_mirror`.
    """
    names = tuple(dict.fromkeys(names))
    unknown = sorted(set(names) - set(TEXT_SOURCES))
    if unknown:
        raise DataError(f"unknown text sources {unknown}; expected some of {sorted(TEXT_SOURCES)}")
    if (mode or data_mode()) == "sample":
        from churnsaver_assets.data.samples.text import sample_sources

        sample = sample_sources()
        return {name: sample[name] for name in names}
    return resolve_texts(
        [TEXT_SOURCES[name] for name in names],
        mirror=default_mirror(),
        cache=default_cache(),
        allow_download=allow_download,
    )


def resolve_texts(
    sources: Iterable[TextSource],
    *,
    mirror: Path | None,
    cache: Path,
    allow_download: bool = True,
    timeouts: Timeouts = TEXT_TIMEOUTS,
) -> dict[str, RawText]:
    """Get these sources, verified. Downloads run side by side; a file is fetched once.

    Args:
        sources: what to get.
        mirror: folder of local copies; None for no mirror.
        cache: folder for downloads; a verified earlier download there counts as one.
        allow_download: False keeps off the network.
        timeouts: for each file.

    Raises:
        SourceUnavailable: names all sources that are not to be had.
        SourceCorrupt: one or more files are not the pinned ones; takes precedence.
    """
    sources = tuple(sources)
    if mirror is not None and not mirror.is_dir():
        raise DataError(f"the mirror {mirror} is not a folder; set {MIRROR_VARIABLE} to one")
    found: dict[str, RawText] = {}
    corrupt: list[SourceCorrupt] = []
    for source in sources:
        try:
            raw = _from_mirror(source, mirror)
        except SourceCorrupt as error:
            corrupt.append(error)
            continue
        if raw is not None:
            found[source.name] = raw
    if corrupt:
        raise SourceCorrupt("\n".join(map(str, corrupt))) from corrupt[0]
    wanting = [source for source in sources if source.name not in found]
    files = {file: None for source in wanting for file in _remote_files(source)}
    with ThreadPoolExecutor(max_workers=max(1, len(files))) as pool:
        pending = {
            file: pool.submit(_fetch, file, cache, timeouts, allow_download=allow_download)
            for file in files
        }
    fetched = {file: one.result() for file, one in pending.items()}
    corrupt = [one for one in fetched.values() if isinstance(one, SourceCorrupt)]
    if corrupt:
        raise SourceCorrupt("\n".join(map(str, corrupt))) from corrupt[0]
    missing = [
        text for source in wanting if (text := _unavailable(source, mirror, fetched)) is not None
    ]
    if missing:
        raise SourceUnavailable("\n".join(missing))
    found |= {source.name: _from_remote(source, fetched, cache) for source in wanting}
    return {source.name: found[source.name] for source in sources}


def _remote_files(source: TextSource) -> tuple[RemoteText, ...]:
    files = source.remote.files if source.remote else ()
    return tuple(file for file in files if isinstance(file, RemoteText))


def _mirror_files(source: TextSource) -> tuple[MirrorText, ...]:
    files = source.mirror.files if source.mirror else ()
    return tuple(file for file in files if isinstance(file, MirrorText))


def _from_mirror(source: TextSource, mirror: Path | None) -> RawText | None:
    files = _mirror_files(source)
    if mirror is None or source.mirror is None:
        return None
    if not all((mirror / file.path).exists() for file in files):
        return None
    contents = {}
    for file in files:
        path = mirror / file.path
        try:
            content = path.read_bytes()
        except OSError as error:
            raise SourceCorrupt(
                f"{source.name}: {path} is there but can't be read: {error}"
            ) from error
        digest = sha256_hex(content)
        if digest != file.sha256:
            raise SourceCorrupt(
                f"{source.name}: {path} is not the pinned file; replace or delete it. Expected "
                f"{file.bytes:,} bytes with sha256 {file.sha256}, found {len(content):,} bytes "
                f"with sha256 {digest}"
            )
        contents[file.path] = content
    read_from = ", ".join(str(mirror / file.path) for file in files)
    return _raw_text(source, source.mirror, contents, "mirror", read_from)


def _record(file: RemoteText, cache: Path) -> Path:
    """Where the hash of a file that nobody has published one for is kept."""
    path = cached_file(file, cache)
    return path.with_name(f"{path.name}.sha256")


def _pinned(file: RemoteText, cache: Path) -> RemoteText:
    """The file with its published or recorded hash, where there is one."""
    record = _record(file, cache)
    if file.download_sha256 is not None or not record.is_file():
        return file
    return dataclasses.replace(file, download_sha256=record.read_text().strip())


def _fetch(file: RemoteText, cache: Path, timeouts: Timeouts, *, allow_download: bool) -> Fetched:
    pinned = _pinned(file, cache)
    content = read_cached(pinned, cache)
    if content is not None:
        return content
    if not allow_download:
        return "not asked, downloads are off"
    try:
        return download(pinned, cache, timeouts)
    except DownloadFailed as error:
        return str(error)
    except SourceCorrupt as error:
        return error


def _from_remote(source: TextSource, fetched: Mapping[RemoteText, Fetched], cache: Path) -> RawText:
    files = _remote_files(source)
    contents = {file.name: one for file in files if isinstance(one := fetched[file], bytes)}
    new = [file for file in files if _pinned(file, cache).download_sha256 is None]
    if source.remote is None:
        raise DataError(f"{source.name}: no public files")
    try:
        read_from = ", ".join(file.url for file in files)
        raw = _raw_text(source, source.remote, contents, "download", read_from)
        if new:  # nothing else vouches for them
            read_completions(raw)
    except (TableError, SourceCorrupt) as error:
        for file in new:
            cached_file(file, cache).unlink(missing_ok=True)
        raise SourceCorrupt(f"{source.name}: what was served is not the data set: {error}") from (
            error
        )
    for file in new:
        _record(file, cache).write_text(f"{sha256_hex(contents[file.name])}\n")
    return raw


def _raw_text(
    source: TextSource,
    part: TextPart,
    contents: Mapping[str, bytes],
    origin: Origin,
    read_from: str,
) -> RawText:
    formats = {
        file.path if isinstance(file, MirrorText) else file.name: file.format for file in part.files
    }
    rows = sum(count_rows(content, name, formats[name]) for name, content in contents.items())
    fewest, most = part.rows
    if not fewest <= rows <= most:
        raise SourceCorrupt(
            f"{source.name}: {read_from}: expected {fewest:,} to {most:,} rows, found {rows:,}"
        )
    return RawText(
        name=source.name,
        table=source.table,
        part=part.part,
        kind=part.kind,
        files=dict(contents),
        formats=formats,
        sha256=files_sha256(contents),
        rows=rows,
        label="real",
        origin=origin,
        read_from=read_from,
        licence=source.licence,
        upstream=source.upstream,
        citation=source.citation,
    )


def _unavailable(
    source: TextSource, mirror: Path | None, fetched: Mapping[RemoteText, Fetched]
) -> str | None:
    """What was tried for a source in vain; None where all of its files came."""
    remote = _remote_files(source)
    failed = {file: one for file in remote if isinstance(one := fetched[file], str)}
    if remote and not failed:
        return None
    local = _mirror_files(source)
    tried = [f"{file.url}: {failed[file]}" for file in remote if file in failed]
    if mirror is None:
        tried.insert(0, "local mirror: none")
    elif not local:
        tried.insert(0, f"local mirror {mirror}: holds no part of this source")
    else:
        lacking = [str(mirror / one.path) for one in local if not (mirror / one.path).exists()]
        tried.insert(0, f"local mirror: {', '.join(lacking)}: no such file")
    if not remote:
        tried.append("public address: there is none")
    paths = ", ".join(file.path for file in local)
    return "\n".join(
        [
            f"{source.name}: no source answers. Tried:",
            *(f"  - {one}" for one in tried),
            *([f"  Set {MIRROR_VARIABLE} to a folder that holds {paths},"] if paths else []),
            f"  name other sources in the profile, or set {MODE_VARIABLE}=sample to work on",
            "  generated data, labelled so.",
        ]
    )
