"""Fetching a pinned file over HTTP into the cache, with a deadline. No choice of sources here."""

from __future__ import annotations

import hashlib
import io
import logging
import threading
import zipfile
from concurrent.futures import Future, wait
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from churnsaver_assets.data.errors import SourceCorrupt


class Remote(Protocol):
    """A file at a public address."""

    @property
    def name(self) -> str:
        """For messages."""

    @property
    def url(self) -> str:
        """Pinned public address."""

    @property
    def archive_members(self) -> tuple[str, ...]:
        """Way through nested zip archives to the file; empty where `url` is the file."""

    @property
    def download_sha256(self) -> str | None:
        """Of the file, unpacked; None where it is not known beforehand."""

    @property
    def cache_name(self) -> str:
        """Name of its copy in the cache."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeouts:
    """How long a download may take, in seconds.

    Attributes:
        connect: for one connection attempt, and between two chunks of the body.
        answer: until the first response header. Bounds what `connect` does not: name resolution,
            and hosts with several addresses, which are tried one after the other.
        total: until the whole file is here.
    """

    connect: float = 3.0
    answer: float = 5.0
    total: float = 120.0


DEFAULT_TIMEOUTS = Timeouts()


class DownloadFailed(Exception):
    """No file came: nothing answered, or not in time, or with an error status."""


def cached_file(source: Remote, cache: Path) -> Path:
    """Where a download of the source is kept, unpacked, as upstream publishes it."""
    return cache / source.cache_name


def sha256_hex(content: bytes) -> str:
    """SHA-256 in lower-case hex."""
    return hashlib.sha256(content).hexdigest()


def read_cached(source: Remote, cache: Path) -> bytes | None:
    """The cached download, or None where there is none or it no longer has the pinned hash."""
    path = cached_file(source, cache)
    if not path.is_file():
        return None
    content = path.read_bytes()
    return content if sha256_hex(content) == source.download_sha256 else None


def download(source: Remote, cache: Path, timeouts: Timeouts = DEFAULT_TIMEOUTS) -> bytes:
    """The file at the source's address, unpacked and verified; kept in the cache.

    One attempt, no retries.

    Raises:
        DownloadFailed: nothing usable answered in time; the message is the cause.
        SourceCorrupt: something came, but not the pinned file.
    """
    answered = threading.Event()
    result: Future[bytes] = Future()

    def work() -> None:
        try:
            result.set_result(_retrieve(source, cache, timeouts, answered))
        except Exception as error:  # noqa: BLE001 - handed to the waiting caller below
            result.set_exception(error)
        finally:
            answered.set()

    # A daemon, so that a resolver that hangs holds up neither this call nor the interpreter's end.
    threading.Thread(target=work, name=f"download-{source.name}", daemon=True).start()
    if not answered.wait(timeouts.answer):
        raise DownloadFailed(f"no answer within {timeouts.answer:g} s")
    if not wait([result], timeouts.total).done:
        raise DownloadFailed(f"not complete within {timeouts.total:g} s")
    try:
        return result.result()
    except OSError as error:  # the base class of all that requests raises
        raise DownloadFailed(_root_cause(error)) from error


def _retrieve(source: Remote, cache: Path, timeouts: Timeouts, answered: threading.Event) -> bytes:
    import pooch

    def note_answer(response: Any, **_: Any) -> None:  # noqa: ANN401 - requests' hook
        answered.set()
        if not response.ok:
            response.close()

    http = pooch.HTTPDownloader(
        timeout=timeouts.connect, hooks={"response": note_answer}, chunk_size=1 << 16
    )

    def fetch(url: str, output: str, _: object) -> None:
        body = io.BytesIO()
        http(url, body, None)
        content = _unpack(source, body.getvalue())
        found = sha256_hex(content)
        if source.download_sha256 not in {None, found}:
            raise SourceCorrupt(
                f"{source.name}: what {url} serves is not the pinned file: expected sha256 "
                f"{source.download_sha256}, found {found} ({len(content):,} bytes)"
            )
        Path(output).write_bytes(content)

    pooch.get_logger().setLevel(logging.WARNING)
    expected = source.download_sha256
    path = pooch.retrieve(
        source.url,
        known_hash=f"sha256:{expected}" if expected else None,
        fname=cached_file(source, cache).name,
        path=cache,
        downloader=fetch,
    )
    return Path(path).read_bytes()


def _unpack(source: Remote, content: bytes) -> bytes:
    for member in source.archive_members:
        try:
            with zipfile.ZipFile(io.BytesIO(content)) as archive:
                content = archive.read(member)
        except (zipfile.BadZipFile, KeyError) as error:
            raise SourceCorrupt(
                f"{source.name}: expected a zip archive with {member!r} at {source.url}, "
                f"found {len(content):,} bytes with sha256 {sha256_hex(content)} ({error})"
            ) from error
    return content


def _root_cause(error: BaseException) -> str:
    """The innermost cause: 'Name or service not known' rather than four wrappers around it."""
    while (cause := error.__cause__ or error.__context__) is not None:
        error = cause
    return f"{type(error).__name__}: {error}"
