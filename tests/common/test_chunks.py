"""Chunks of rows on disk: whole, in order, and of one mark."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from churnsaver_assets.common.chunks import ARRAYS, ROWS, ChunkStore

if TYPE_CHECKING:
    from pathlib import Path

MARK = "seed 42, model abc"


def numbered(index: int, positions: range) -> list[dict[str, Any]]:
    return [{"chunk": index, "row": position} for position in positions]


def never(index: int, positions: range) -> list[dict[str, Any]]:
    raise AssertionError(f"chunk {index} was made again")


@settings(max_examples=30)
@given(total=st.integers(0, 40), size=st.integers(1, 12))
def test_rows_come_whole_and_in_order(
    total: int, size: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    store = ChunkStore(tmp_path_factory.mktemp("chunks"), MARK, ROWS)
    rows = store.collect(total, size, numbered)
    assert [row["row"] for row in rows] == list(range(total))
    assert store.collect(total, size, never) == rows


def test_text_survives_as_it_was(tmp_path: Path) -> None:
    store = ChunkStore(tmp_path, MARK, ROWS)
    rows = [{"text": 'line\u2028one\nline "two" \U0001f600 \x00'}, {"text": ""}]
    store.save(0, rows)
    assert store.load(0) == rows


def test_a_run_cut_short_goes_on_with_the_chunk_it_was_in(tmp_path: Path) -> None:
    made: list[int] = []

    def cut(index: int, positions: range) -> list[dict[str, Any]]:
        if index == 2:
            raise KeyboardInterrupt
        made.append(index)
        return numbered(index, positions)

    with pytest.raises(KeyboardInterrupt):
        ChunkStore(tmp_path, MARK, ROWS).collect(10, 3, cut)
    assert made == [0, 1]

    def go_on(index: int, positions: range) -> list[dict[str, Any]]:
        made.append(index)
        return numbered(index, positions)

    rows = ChunkStore(tmp_path, MARK, ROWS).collect(10, 3, go_on)
    assert made == [0, 1, 2, 3]
    assert [row["row"] for row in rows] == list(range(10))


def test_a_killed_process_leaves_whole_chunks_only(tmp_path: Path) -> None:
    script = """
import os, signal, sys
from pathlib import Path
from churnsaver_assets.common.chunks import ROWS, ChunkStore

def make(index, positions):
    if index == 2:
        os.kill(os.getpid(), signal.SIGKILL)
    return [{"chunk": index, "row": position} for position in positions]

ChunkStore(Path(sys.argv[1]), "seed 42, model abc", ROWS).collect(10, 3, make)
"""
    killed = subprocess.run([sys.executable, "-c", script, str(tmp_path)], check=False)
    assert killed.returncode == -signal.SIGKILL
    store = ChunkStore(tmp_path, MARK, ROWS)
    assert [store.load(index) for index in range(4)] == [
        numbered(0, range(3)),
        numbered(1, range(3, 6)),
        None,
        None,
    ]


def test_another_mark_starts_anew(tmp_path: Path) -> None:
    ChunkStore(tmp_path, MARK, ROWS).collect(4, 2, numbered)
    assert ChunkStore(tmp_path, MARK, ROWS).load(0) is not None
    assert ChunkStore(tmp_path, "seed 43, model abc", ROWS).load(0) is None
    # The first mark's chunks are gone, not mixed in later.
    assert ChunkStore(tmp_path, MARK, ROWS).load(0) is None


def test_half_a_write_is_no_chunk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = ChunkStore(tmp_path, MARK, ROWS)

    def fails(descriptor: int) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(os, "fsync", fails)
    with pytest.raises(OSError, match="disk full"):
        store.save(0, numbered(0, range(3)))
    assert store.load(0) is None


def test_a_damaged_or_short_chunk_says_what_to_do(tmp_path: Path) -> None:
    store = ChunkStore(tmp_path, MARK, ROWS)
    (tmp_path / "chunk-00000.jsonl").write_text('{"row": 0}\n{"ro', encoding="utf-8")
    with pytest.raises(ValueError, match="delete it to make it anew"):
        store.load(0)
    store.save(0, numbered(0, range(2)))
    with pytest.raises(ValueError, match="has 2 rows, expected 3"):
        store.collect(3, 3, numbered)


def test_progress_counts_rows(tmp_path: Path) -> None:
    told: list[tuple[int, int, str]] = []
    ChunkStore(tmp_path, MARK, ROWS).collect(
        5, 2, numbered, progress=lambda *line: told.append(line), what="samples"
    )
    assert told == [(2, 5, "samples"), (4, 5, "samples"), (5, 5, "samples")]


def test_arrays_come_back_bit_for_bit_and_a_cut_file_says_so(tmp_path: Path) -> None:
    states = np.random.default_rng(42).normal(size=(5, 2, 3)).astype(np.float32)
    store = ChunkStore(tmp_path, MARK, ARRAYS)
    store.collect(5, 2, lambda _, positions: states[positions.start : positions.stop])
    kept = ChunkStore(tmp_path, MARK, ARRAYS)
    found = kept.collect(5, 2, lambda index, _: pytest.fail(f"chunk {index} was made again"))
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, states)
    path = tmp_path / "chunk-00001.npy"
    for size in (40, 0):
        path.write_bytes(path.read_bytes()[:size])
        with pytest.raises(ValueError, match="delete it to make it anew"):
            kept.load(1)


def test_without_a_folder_nothing_is_kept() -> None:
    store = ChunkStore(None, MARK, ROWS)
    assert store.collect(3, 2, numbered) == numbered(0, range(2)) + numbered(1, range(2, 3))
    assert store.load(0) is None
