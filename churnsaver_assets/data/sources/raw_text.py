"""A text source's files in memory, and where they came from. Finding them is in `sources`."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

from churnsaver_assets.data.sources.raw import Origin
from churnsaver_assets.data.sources.types import TextFormat, TextKind, TextTable
from churnsaver_serving.runtime.manifest import DataLabel


@dataclass(frozen=True, slots=True, kw_only=True)
class RawText:
    """The verified files of one text source.

    Attributes:
        name: in the registry.
        table: what its rows are.
        part: which part of what upstream publishes this is.
        kind: how far its rows can be trusted.
        files: name to content, as published (packed ones stay packed).
        formats: name to layout.
        sha256: of the file, or of the list of names and hashes where there are several.
        rows: in all files together.
        label: what everything built on it must be called.
        origin: which kind of place it came from.
        read_from: the paths or addresses that were read.
        licence: of the files.
        upstream: the publisher's page.
        citation: how to cite it.
    """

    name: str
    table: TextTable
    part: str
    kind: TextKind
    files: Mapping[str, bytes]
    formats: Mapping[str, TextFormat]
    sha256: str
    rows: int
    label: DataLabel
    origin: Origin
    read_from: str
    licence: str
    upstream: str
    citation: str


def files_sha256(files: Mapping[str, bytes]) -> str:
    """`RawText.sha256` of these files."""
    digests = {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}
    if len(digests) == 1:
        return next(iter(digests.values()))
    lines = "".join(f"{digest}  {name}\n" for name, digest in sorted(digests.items()))
    return hashlib.sha256(lines.encode()).hexdigest()
