"""Raw files in memory with where they came from, and their stored form."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal

import msgspec

from churnsaver_assets.data.errors import SourceCorrupt
from churnsaver_assets.data.sources.content import sha256_hex

if TYPE_CHECKING:
    from churnsaver_assets.data.sources.source import Format, Kind
    from churnsaver_serving.runtime.manifest import DataLabel

Origin = Literal["mirror", "download", "sample"]
"""The kind of place that files came from."""

_FACTS = "source.json"
_DIGESTS = "stored_sha256"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class RawSource:
    """The verified files of one data set.

    Attributes:
        name: The data set's name in the registry.
        table: The table that its rows go to.
        part: The part of what upstream publishes; empty where it is all of it.
        kind: How far the rows can be trusted.
        files: File name to content.
        formats: File name to layout.
        sha256: SHA-256 that identifies the content: of the one file, or of the list of hashes and
            names where there are several. The same wherever and however packed the files were.
        rows: Number of rows in all files together.
        label: The label of all that is made of the files.
        origin: The kind of place that the files came from.
        read_from: The paths or addresses that were read.
        licence: The files' licence.
        upstream: The publisher's page, in words where the files are generated.
        citation: The publication to cite.
    """

    name: str
    table: str
    part: str
    kind: Kind
    files: Mapping[str, bytes]
    formats: Mapping[str, Format]
    sha256: str
    rows: int
    label: DataLabel
    origin: Origin
    read_from: str
    licence: str
    upstream: str
    citation: str

    @property
    def content(self) -> bytes:
        """Return the content of the only file.

        Raises:
            ValueError: There are several files.
        """
        (content,) = self.files.values()
        return content


def joint_sha256(digests: Mapping[str, str]) -> str:
    """Return the hash that identifies these files together.

    Args:
        digests: File name to SHA-256 of its content.
    """
    if len(digests) == 1:
        return next(iter(digests.values()))
    lines = "".join(f"{digest}  {name}\n" for name, digest in sorted(digests.items()))
    return hashlib.sha256(lines.encode()).hexdigest()


def pack_sources(sources: Mapping[str, RawSource]) -> dict[str, bytes]:
    """Return the stored form: `<source>/files/<file>` and `<source>/source.json` to content."""
    packed: dict[str, bytes] = {}
    for name, raw in sources.items():
        facts: dict[str, object] = {
            field.name: getattr(raw, field.name)
            for field in dataclasses.fields(raw)
            if field.name != "files"
        }
        facts[_DIGESTS] = {file: sha256_hex(content) for file, content in raw.files.items()}
        packed[f"{name}/{_FACTS}"] = msgspec.json.encode(facts)
        packed |= {f"{name}/files/{file}": content for file, content in raw.files.items()}
    return packed


def unpack_sources(packed: Mapping[str, bytes]) -> dict[str, RawSource]:
    """Return the sources in a stored form.

    Raises:
        SourceCorrupt: The bytes are not those that were packed.
    """
    sources = {}
    for path in sorted(packed):
        if not path.endswith(f"/{_FACTS}"):
            continue
        name = path.removesuffix(f"/{_FACTS}")
        facts = msgspec.json.decode(packed[path])
        files = {}
        for file, expected in facts.pop(_DIGESTS).items():
            content = packed.get(f"{name}/files/{file}")
            found = "no such file" if content is None else f"sha256 {sha256_hex(content)}"
            if content is None or found != f"sha256 {expected}":
                raise SourceCorrupt(
                    f"{name}: the stored files were changed: expected {file} with sha256 "
                    f"{expected}, found {found}; materialise the source again"
                )
            files[file] = content
        sources[name] = RawSource(files=files, **facts)
    return sources
