"""A real HTTP server on 127.0.0.1, and sources pinned to what it serves."""

from __future__ import annotations

import dataclasses
import gzip
import hashlib
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

if TYPE_CHECKING:
    from churnsaver_assets.data.sources.table_registry import Source


class Site(ThreadingHTTPServer):
    """Serves `pages`: path to body; anything else is a 404. Counts requests.

    Args:
        pages: what to serve.
        declared_extra: bytes that Content-Length promises beyond the body.
        repeat: how often the body is sent.
        drip_s: pause before each repetition.
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
    """An address that accepts connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    join_downloads()


def closed_address() -> str:
    """An address on which nothing listens."""
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
    """The source as if `content` were its published file (CRLF where upstream has that)."""
    canonical = content.replace(b"\r\n", b"\n") if source.name == "hillstrom" else content
    mirror = mirror_bytes(source, canonical)
    return dataclasses.replace(
        source,
        sha256=sha256(canonical),
        bytes=len(canonical),
        rows=canonical.count(b"\n") - 1,
        mirror_sha256=sha256(mirror),
        mirror_bytes=len(mirror),
        url=url,
        download_sha256=sha256(content),
    )


def mirror_bytes(source: Source, canonical: bytes) -> bytes:
    return gzip.compress(canonical, mtime=0) if source.mirror_path.endswith(".gz") else canonical


def write_mirror(source: Source, canonical: bytes, mirror: Path) -> Path:
    path = mirror / source.mirror_path
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(mirror_bytes(source, canonical))
    return path


def nested_zip(members: tuple[str, ...], content: bytes) -> bytes:
    """The archives that lead to `content`, outermost first in `members`."""
    for member in reversed(members):
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("readme.txt", "other files lie beside it")
            archive.writestr(member, content)
        content = buffer.getvalue()
    return content


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
