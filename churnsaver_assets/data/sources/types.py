"""What is written down about a text source: parts, files, layouts. The facts: `registry`."""

import hashlib
from dataclasses import dataclass
from typing import Literal

TextTable = Literal["sft_pairs", "preference_pairs"]
"""Which table a source's rows go to."""

TextFormat = Literal[
    "oasst_trees",
    "oasst_pairs",
    "oasst_preferences",
    "oasst_inferred",
    "hh_rlhf",
    "shp2",
    "qa_feedback",
    "qa_preferences",
    "dolly",
    "dolly_cut",
]
"""How a file is laid out; each has its reader in `loaders`."""

TextKind = Literal["human", "inferred", "degraded"]
"""`human`: as people wrote and judged it. `inferred`: a classifier put prompt and reply together.
`degraded`: columns are missing or texts were cut. The last two are never held out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MirrorText:
    """A file of the local mirror.

    Attributes:
        path: relative to the mirror folder.
        sha256: of the file as it lies there.
        bytes: its size.
        format: its layout.
    """

    path: str
    sha256: str
    bytes: int
    format: TextFormat


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteText:
    """A file at a public address, as `download.Remote` wants it.

    Attributes:
        name: its name among all text files; the cache's, too.
        url: pinned to a revision.
        download_sha256: of the file; None where nobody has published one. Then the hash of the
            first download is recorded beside it in the cache and holds from there on, and what
            vouches for that first download is its layout and its number of rows alone.
        format: its layout.
    """

    name: str
    url: str
    download_sha256: str | None
    format: TextFormat
    archive_members: tuple[str, ...] = ()

    @property
    def cache_name(self) -> str:
        """Name of its copy in the cache, the same once its hash has been recorded."""
        return f"{hashlib.sha256(self.url.encode()).hexdigest()[:12]}-{self.name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class TextPart:
    """Files that together are one part of what upstream publishes, or all of it.

    Attributes:
        part: which part, in words.
        kind: how far its rows can be trusted.
        files: all of them, or the part is not there.
        rows: fewest and most rows that the files hold together (trees, where they hold trees).
    """

    part: str
    kind: TextKind
    files: tuple[MirrorText, ...] | tuple[RemoteText, ...]
    rows: tuple[int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class TextSource:
    """One text data set. The mirror is asked first, then the public address.

    Attributes:
        name: in settings and tables.
        table: what its rows are.
        mirror: the part in the local mirror; None where it holds none.
        remote: the public files; None where there are none.
        licence: as upstream states it.
        upstream: the publisher's page.
        citation: how to cite it.
    """

    name: str
    table: TextTable
    mirror: TextPart | None = None
    remote: TextPart | None = None
    licence: str
    upstream: str
    citation: str
