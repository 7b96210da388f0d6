"""Rows kept on disk while they are made, so that a killed run goes on where it was."""

import hashlib
import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from churnsaver_assets.common.progress import Progress

Row = dict[str, Any]


class ChunkStore:
    """A folder with one file of JSON lines for each chunk of rows.

    A file is there whole or not at all, so whoever kills the run loses at most the chunk being
    made. Chunks made under other settings are removed.

    Attributes:
        folder: made where it isn't there. Nothing else may be kept in it.

    Args:
        folder: of the chunks.
        settings: everything that the rows depend on; JSON values.
    """

    def __init__(self, folder: Path, settings: Mapping[str, object]) -> None:
        self.folder = folder
        text = json.dumps(settings, sort_keys=True, allow_nan=False)
        mark = hashlib.sha256(text.encode()).hexdigest()
        folder.mkdir(parents=True, exist_ok=True)
        marked = folder / "fingerprint"
        if not marked.exists() or marked.read_text(encoding="utf-8") != mark:
            for stale in (*folder.glob("chunk-*.jsonl"), *folder.glob("*.partial")):
                stale.unlink()
            _write(marked, mark)

    def load(self, index: int) -> list[Row] | None:
        """A chunk's rows; None where it hasn't been made.

        Args:
            index: from 0.

        Raises:
            ValueError: the file isn't what `save` wrote.
        """
        path = self._path(index)
        if not path.exists():
            return None
        try:
            return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
        except ValueError as damage:
            raise ValueError(f"{path} is damaged ({damage}): delete it to make it anew") from damage

    def save(self, index: int, rows: list[Row]) -> None:
        """Keeps a chunk.

        Args:
            index: from 0.
            rows: JSON values.
        """
        lines = (json.dumps(row, allow_nan=False) + "\n" for row in rows)
        _write(self._path(index), "".join(lines))

    def collect(
        self,
        total: int,
        size: int,
        make: Callable[[int, range], list[Row]],
        *,
        progress: Progress | None = None,
        what: str = "rows",
    ) -> list[Row]:
        """All rows, made chunk by chunk where they aren't there yet.

        Args:
            total: rows in all.
            size: rows of a chunk; the last may be shorter.
            make: makes the rows of these positions, given the chunk's index.
            progress: called after each chunk.
            what: the rows, for people.

        Raises:
            ValueError: a chunk hasn't as many rows as it should.
        """
        collected: list[Row] = []
        for index, start in enumerate(range(0, total, size)):
            positions = range(start, min(start + size, total))
            rows = self.load(index)
            made = rows is None
            if rows is None:
                rows = make(index, positions)
            if len(rows) != len(positions):
                raise ValueError(
                    f"chunk {index} has {len(rows)} rows, expected {len(positions)}"
                    + ("" if made else f": delete {self._path(index)} to make it anew")
                )
            if made:
                self.save(index, rows)
            collected += rows
            if progress is not None:
                progress(len(collected), total, what)
        return collected

    def _path(self, index: int) -> Path:
        return self.folder / f"chunk-{index:05d}.jsonl"


def _write(path: Path, text: str) -> None:
    """Renaming is atomic: whoever reads finds the old file, the new one, or none."""
    partial = path.with_name(f"{path.name}.partial")
    with partial.open("w", encoding="utf-8", newline="\n") as stream:
        stream.write(text)
        stream.flush()
        os.fsync(stream.fileno())
    partial.replace(path)
