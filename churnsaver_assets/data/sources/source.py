"""Types for the facts about a data set: its parts, their files and layouts."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Format = Literal[
    "csv",
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
"""A file's layout: a table with a header, or that of a text data set."""

Kind = Literal["human", "inferred", "degraded"]
"""How far rows can be trusted. `human`: as people wrote, judged or recorded them. `inferred`: a
classifier put prompt and reply together. `degraded`: columns are missing or texts were cut. Texts
of the last two kinds are never held out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class File:
    """One file of a data set, pinned by its content.

    Attributes:
        name: The file's name among those of its source; the same wherever it was read.
        at: Path relative to the mirror folder, or public address, pinned to a revision.
        format: The file's layout.
        sha256: SHA-256 of the canonical content: unpacked, without a byte order mark and with
            `line_end` between lines; of the published bytes where those are packed (then
            `unpacked_sha256` pins the content, too). None where nobody has published a hash. Then
            the hash of the first download is recorded beside it in the cache and holds from there
            on, and what vouches for that first download is its layout and number of rows alone.
        unpacked_sha256: SHA-256 of what a packed file holds, where it is known; the same content
            in another packing is accepted.
        members: Path through nested zip archives to the file, outermost first.
        line_end: Line ends of the canonical content.
    """

    name: str
    at: str
    format: Format
    sha256: str | None
    unpacked_sha256: str | None = None
    members: tuple[str, ...] = ()
    line_end: bytes = b"\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """Files that together are one part of what upstream publishes, or all of it.

    Attributes:
        part: The part in words; empty where it is all that upstream publishes.
        kind: How far the rows can be trusted.
        files: The files; where one is missing, the part is not there.
        rows: Fewest and most rows that the files hold together (trees, where they hold trees;
            header lines are not counted).
    """

    part: str = ""
    kind: Kind = "human"
    files: tuple[File, ...]
    rows: tuple[int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class CsvLayout:
    """Layout of a table's CSV file.

    Attributes:
        separator: Character between the fields of a line.
        columns: Columns in order; name to the `values_digest` of the published values.
    """

    separator: str
    columns: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """One data set. The mirror is asked first, then the public address.

    Attributes:
        name: The data set's name in settings, tables and assets.
        table: The table that its rows go to.
        mirror: The part in the local mirror; None where it holds none.
        remote: The part at public addresses; None where there is none.
        csv: Layout of the file of a table; None for texts.
        licence: The licence that upstream states.
        upstream: The publisher's page.
        citation: The publication to cite.
    """

    name: str
    table: str
    mirror: Part | None = None
    remote: Part | None = None
    csv: CsvLayout | None = None
    licence: str
    upstream: str
    citation: str
