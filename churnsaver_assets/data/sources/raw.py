"""A raw file in memory, and where it came from. Finding one is in `sources`."""

from dataclasses import dataclass
from typing import Literal

from churnsaver_assets.data.sources.table_registry import Dataset
from churnsaver_serving.runtime.manifest import DataLabel

Origin = Literal["mirror", "download", "sample"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RawFile:
    """A verified raw file in memory.

    Attributes:
        source: the data set.
        content: the canonical uncompressed CSV, the same from mirror and download.
        sha256: of `content`.
        rows: data rows that `content` must hold.
        origin: which kind of place it came from.
        label: what everything built on it must be called.
        read_from: the path or address that was read.
    """

    source: Dataset
    content: bytes
    sha256: str
    rows: int
    origin: Origin
    label: DataLabel
    read_from: str
