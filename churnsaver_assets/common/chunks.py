"""Chunks of rows kept on disk while they are made, so that a killed run goes on where it was."""

import io
import json
from collections.abc import Callable, Sequence
from itertools import chain
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

import numpy as np

from churnsaver_assets.common.atomic import PARTIAL, write_bytes, write_text
from churnsaver_assets.common.progress import Progress
from churnsaver_serving.runtime.arrays import Floats32

Row = dict[str, Any]
Chunk = TypeVar("Chunk")

_MARK_FILE = "fingerprint"


class Codec(Protocol[Chunk]):
    """A file format for chunks.

    Attributes:
        suffix: The ending of the files' names.
    """

    suffix: str

    def encode(self, chunk: Chunk) -> bytes:
        """Return a chunk as bytes."""
        ...

    def decode(self, data: bytes) -> Chunk:
        """Return the chunk that the bytes hold.

        Raises:
            ValueError: These aren't bytes that `encode` made.
        """
        ...

    def rows(self, chunk: Chunk) -> int:
        """Return how many rows a chunk has."""
        ...

    def join(self, chunks: Sequence[Chunk]) -> Chunk:
        """Return the chunks' rows as one."""
        ...


class _JsonLines:
    suffix = ".jsonl"

    def encode(self, chunk: list[Row]) -> bytes:
        return "".join(json.dumps(row, allow_nan=False) + "\n" for row in chunk).encode()

    def decode(self, data: bytes) -> list[Row]:
        return [json.loads(line) for line in data.decode().splitlines()]

    def rows(self, chunk: list[Row]) -> int:
        return len(chunk)

    def join(self, chunks: Sequence[list[Row]]) -> list[Row]:
        return list(chain.from_iterable(chunks))


class _Arrays:
    suffix = ".npy"

    def encode(self, chunk: Floats32) -> bytes:
        buffer = io.BytesIO()
        np.save(buffer, chunk, allow_pickle=False)
        return buffer.getvalue()

    def decode(self, data: bytes) -> Floats32:
        try:
            chunk: Floats32 = np.load(io.BytesIO(data), allow_pickle=False)
        except EOFError as error:
            raise ValueError(str(error)) from error
        return chunk

    def rows(self, chunk: Floats32) -> int:
        return len(chunk)

    def join(self, chunks: Sequence[Floats32]) -> Floats32:
        return np.concatenate(chunks)


ROWS: Codec[list[Row]] = _JsonLines()
"""JSON lines, one a row."""
ARRAYS: Codec[Floats32] = _Arrays()
"""NumPy files; the first axis counts the rows."""


class ChunkStore(Generic[Chunk]):
    """A folder with one file for each chunk of rows.

    A file is there whole or not at all, so whoever kills the run loses at most the chunk being
    made. Chunks of another mark are removed.

    Attributes:
        folder: The folder of the chunks, or None where none are kept.

    Args:
        folder: The folder, made where it is missing. Nothing else may be kept in it. None keeps
            nothing.
        mark: The fingerprint of everything that the rows depend on.
        codec: The format of the files.
    """

    def __init__(self, folder: Path | None, mark: str, codec: Codec[Chunk]) -> None:
        self.folder, self._codec = folder, codec
        if folder is None:
            return
        marked = folder / _MARK_FILE
        if not marked.exists() or marked.read_text(encoding="utf-8") != mark:
            for stale in (*folder.glob(f"chunk-*{codec.suffix}"), *folder.glob(f"*{PARTIAL}")):
                stale.unlink()
            write_text(marked, mark)

    def load(self, index: int) -> Chunk | None:
        """Return a chunk; None where it hasn't been made.

        Args:
            index: The chunk's number, from 0.

        Raises:
            ValueError: The file isn't what `save` wrote.
        """
        path = self._path(index)
        if path is None or not path.exists():
            return None
        try:
            return self._codec.decode(path.read_bytes())
        except ValueError as damage:
            raise ValueError(f"{path} is damaged ({damage}): delete it to make it anew") from damage

    def save(self, index: int, chunk: Chunk) -> None:
        """Keep a chunk.

        Args:
            index: The chunk's number, from 0.
            chunk: The rows.
        """
        path = self._path(index)
        if path is not None:
            write_bytes(path, self._codec.encode(chunk))

    def collect(
        self,
        total: int,
        size: int,
        make: Callable[[int, range], Chunk],
        *,
        progress: Progress | None = None,
        what: str = "rows",
    ) -> Chunk:
        """Return all rows, made chunk by chunk where they aren't there yet.

        Args:
            total: The number of rows.
            size: The number of rows of a chunk; the last may be shorter.
            make: The function that makes the rows of these positions, given the chunk's index.
            progress: The function that is told of each chunk.
            what: The name of the rows, for people.

        Raises:
            ValueError: A chunk hasn't as many rows as it should.
        """
        collected: list[Chunk] = []
        for index, start in enumerate(range(0, total, size)):
            positions = range(start, min(start + size, total))
            kept = self.load(index)
            chunk = make(index, positions) if kept is None else kept
            if (rows := self._codec.rows(chunk)) != len(positions):
                raise ValueError(
                    f"chunk {index} has {rows} rows, expected {len(positions)}"
                    + ("" if kept is None else f": delete {self._path(index)} to make it anew")
                )
            if kept is None:
                self.save(index, chunk)
            collected.append(chunk)
            if progress is not None:
                progress(positions.stop, total, what)
        return self._codec.join(collected)

    def _path(self, index: int) -> Path | None:
        if self.folder is None:
            return None
        return self.folder / f"chunk-{index:05d}{self._codec.suffix}"
