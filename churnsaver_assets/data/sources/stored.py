"""Text sources as one artefact: their files, and beside them where they came from."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import msgspec

from churnsaver_assets.data.errors import SourceCorrupt
from churnsaver_assets.data.sources.raw_text import RawText, files_sha256

_FACTS = "source.json"


def pack_sources(sources: Mapping[str, RawText]) -> dict[str, bytes]:
    """Name to contents: `<source>/files/<file>` and `<source>/source.json`."""
    packed: dict[str, bytes] = {}
    for name, raw in sources.items():
        facts = {
            field.name: getattr(raw, field.name)
            for field in dataclasses.fields(raw)
            if field.name != "files"
        }
        packed[f"{name}/{_FACTS}"] = msgspec.json.encode(facts)
        packed |= {f"{name}/files/{file}": content for file, content in raw.files.items()}
    return packed


def unpack_sources(packed: Mapping[str, bytes]) -> dict[str, RawText]:
    """The sources that `pack_sources` packed.

    Raises:
        SourceCorrupt: the bytes are not those that were packed.
    """
    sources = {}
    for path in sorted(packed):
        if not path.endswith(f"/{_FACTS}"):
            continue
        name = path.removesuffix(f"/{_FACTS}")
        facts = msgspec.json.decode(packed[path])
        files = {
            file: packed[f"{name}/files/{file}"]
            for file in facts["formats"]
            if f"{name}/files/{file}" in packed
        }
        found = files_sha256(files) if len(files) == len(facts["formats"]) else "files missing"
        if found != facts["sha256"]:
            raise SourceCorrupt(
                f"{name}: the stored files were changed: expected sha256 {facts['sha256']}, "
                f"found {found}; load the sources again"
            )
        sources[name] = RawText(files=files, **facts)
    return sources
