"""A real HTTP server on 127.0.0.1, and sources pinned to what it serves."""

from __future__ import annotations

import dataclasses
import gzip
import io
import socket
import threading
import time
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING

from churnsaver_assets.data.sources.content import sha256_hex
from churnsaver_assets.data.sources.source import CsvLayout, Part
from churnsaver_assets.data.sources.variant import values_digest

if TYPE_CHECKING:
    from churnsaver_assets.data.sources.source import File, Source


class Site(ThreadingHTTPServer):
    """A server of `pages`; any other path is a 404. Counts requests.

    Args:
        pages: Path to body.
        declared_extra: Number of bytes that Content-Length promises beyond the body.
        repeat: Number of times that the body is sent.
        drip_s: Pause before each repetition, in seconds.
    """

    daemon_threads = True

    def __init__(
        self,
        pages: Mapping[str, bytes],
        *,
        declared_extra: int = 0,
        repeat: int = 1,
        drip_s: float = 0.0,
    ) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.pages = pages
        self.declared_extra = declared_extra
        self.repeat = repeat
        self.drip_s = drip_s
        self.requests = 0

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    server: Site

    def do_GET(self) -> None:
        self.server.requests += 1
        body = self.server.pages.get(self.path)
        if body is None:
            self.send_error(404)
            return
        length = len(body) * self.server.repeat + self.server.declared_extra
        self.send_response(200)
        self.send_header("Content-Length", str(length))
        self.end_headers()
        for _ in range(self.server.repeat):
            time.sleep(self.server.drip_s)
            self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - overridden
        """Keep the test output quiet."""


@contextmanager
def serving(
    pages: Mapping[str, bytes], *, declared_extra: int = 0, repeat: int = 1, drip_s: float = 0.0
) -> Iterator[Site]:
    with Site(pages, declared_extra=declared_extra, repeat=repeat, drip_s=drip_s) as site:
        thread = threading.Thread(target=site.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield site
        finally:
            site.shutdown()
            thread.join()


@contextmanager
def hanging() -> Iterator[str]:
    """Yield an address that accepts connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    join_downloads()


def closed_address() -> str:
    """Return an address on which nothing listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    return f"http://127.0.0.1:{port}"


def join_downloads() -> None:
    """Wait for downloads that were given up on, so that none outlives its test."""
    for thread in threading.enumerate():
        if thread.name.startswith("download-"):
            thread.join(10)
            assert not thread.is_alive()


def pinned(source: Source, content: bytes, url: str) -> Source:
    """Return the source as if `content`, comma-separated, were its published file."""
    canonical = content.replace(b"\r\n", b"\n")
    header, *lines = [line.split(",") for line in canonical.decode().splitlines()]
    assert source.mirror is not None
    assert source.remote is not None
    rows = (len(lines), len(lines))
    local, remote = (
        dataclasses.replace(part.files[0], sha256=sha256_hex(canonical), line_end=b"\n")
        for part in (source.mirror, source.remote)
    )
    columns = {name: values_digest(line[at] for line in lines) for at, name in enumerate(header)}
    return dataclasses.replace(
        source,
        mirror=Part(files=(local,), rows=rows),
        remote=Part(files=(dataclasses.replace(remote, at=url),), rows=rows),
        csv=CsvLayout(separator=",", columns=columns),
    )


def mirror_file(source: Source) -> File:
    """Return the only file of the source's part in the mirror."""
    assert source.mirror is not None
    (file,) = source.mirror.files
    return file


def remote_file(source: Source) -> File:
    """Return the only file of the source's public part."""
    assert source.remote is not None
    (file,) = source.remote.files
    return file


def write_mirror(source: Source, canonical: bytes, mirror: Path) -> Path:
    """Write a source's file into a mirror, packed where its name says so; returns its path."""
    path = mirror / mirror_file(source).at
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(canonical, mtime=0) if path.suffix == ".gz" else canonical)
    return path


def nested_zip(members: tuple[str, ...], content: bytes) -> bytes:
    """Return the archives that lead to `content`, outermost first in `members`."""
    for member in reversed(members):
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("readme.txt", "other files lie beside it")
            archive.writestr(member, content)
        content = buffer.getvalue()
    return content
