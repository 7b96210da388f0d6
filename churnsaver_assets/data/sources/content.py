"""Judges a file by its content: however it is packed, named, and whatever its line ends are."""

from __future__ import annotations

import gzip
import hashlib
import io
import zipfile
import zlib
from typing import TYPE_CHECKING

from churnsaver_assets.data.errors import SourceCorrupt
from churnsaver_assets.data.sources.variant import differences

if TYPE_CHECKING:
    from churnsaver_assets.data.sources.source import File, Part, Source

_GZIP = b"\x1f\x8b"
_ZIP = b"PK\x03\x04"
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_MOST_LAYERS = 4  # UCI's Bank Marketing has two archives around its table


class PackingError(ValueError):
    """A packed file that can't be unpacked; the message says why."""


def sha256_hex(content: bytes) -> str:
    """Return the SHA-256 in lower-case hex."""
    return hashlib.sha256(content).hexdigest()


def unpacked(content: bytes, members: tuple[str, ...] = ()) -> bytes:
    """Return what gzip and zip layers hold, told by their first bytes; plain content as it is.

    Args:
        content: The file.
        members: Files to look for in zip archives, outermost first. An archive with one file needs
            none.

    Raises:
        PackingError: A layer is broken, or an archive holds several files and none of `members`.
    """
    try:
        for _ in range(_MOST_LAYERS):
            if content.startswith(_GZIP):
                content = gzip.decompress(content)
            elif content.startswith(_ZIP):
                content = _zip_member(content, members)
            else:
                break
    except (OSError, EOFError, zlib.error, zipfile.BadZipFile, RuntimeError) as error:
        raise PackingError(str(error)) from error
    return content


def _zip_member(content: bytes, members: tuple[str, ...]) -> bytes:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        held = [
            name
            for name in archive.namelist()
            if not name.endswith("/") and not name.startswith("__MACOSX/")
        ]
        named = [name for name in members if name in held]
        if not named and len(held) != 1:
            raise PackingError(
                f"expected {members[-1] if members else 'one file'} in the archive, found {held}"
            )
        return archive.read((named or held)[0])


def canonical(file: File, content: bytes) -> bytes | None:
    """Return a file's canonical content; None where it holds something else than is pinned.

    A file that is published packed is returned as published, or, where it was packed anew, plain.
    """
    if file.sha256 in {None, sha256_hex(content)}:
        return content
    plain = unpacked(content, file.members)
    lines = plain.removeprefix(_BYTE_ORDER_MARK).replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    tidied = (lines.rstrip(b"\n") + b"\n").replace(b"\n", file.line_end)
    pins = {file.sha256, file.unpacked_sha256}
    return next((one for one in (plain, tidied) if sha256_hex(one) in pins), None)


def verified(source: Source, part: Part, file: File, content: bytes, where: str) -> bytes:
    """Return a file's canonical content.

    Args:
        source: The data set.
        part: The part that the file belongs to.
        file: The file that is expected.
        content: The bytes that were found.
        where: Path or address of the bytes, for messages.

    Raises:
        SourceCorrupt: The content is not the pinned one. Says which columns differ where it is
            another variant of a table, what was expected and found, and what to do.
    """
    size = f"{len(content):,} bytes with sha256 {sha256_hex(content)}"
    try:
        found = canonical(file, content)
        if found is not None:
            return found
        differ = (
            f": {differences(source.csv, part.rows[0], unpacked(content, file.members))}"
            if source.csv
            else ""
        )
    except PackingError as error:
        differ = f": it can't be unpacked ({error})"
    raise SourceCorrupt(
        f"{source.name}: {where} does not hold the pinned content{differ}. Expected content with "
        f"sha256 {file.sha256} (plain or packed, any line ends), found {size}. Put the "
        f"pinned file in its place (the data set: {source.upstream}), or take it away"
    )
