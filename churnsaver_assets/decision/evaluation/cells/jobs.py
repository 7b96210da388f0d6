"""Cells played by a pool of processes, each kept on disk once it is done."""

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from multiprocessing import get_context
from pathlib import Path

import msgspec

from churnsaver_assets.common.chunks import ROWS, ChunkStore
from churnsaver_assets.common.fingerprint import fingerprint
from churnsaver_assets.decision.evaluation.cells.cell import Cell, Ground
from churnsaver_assets.decision.evaluation.cells.played import CellResult
from churnsaver_assets.decision.evaluation.cells.playing import play_cell

# Numerical libraries start as many threads as there are cores in every process.
_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")

Progress = Callable[[str], None]
"""Called with a line that says what is being done."""


class Cells:
    """Plays cells on a ground, in this process or in others; finished ones are not played again.

    Args:
        ground: All that the cells share.
        pool: The processes, as from `processes`; None to play in this one.
        folder: The folder in which finished cells are kept; None keeps nothing.
        mark: The fingerprint of all that a cell's result depends on beside the cell; cells of
            another mark are played anew.
        progress: Called with a line for each cell.
    """

    def __init__(
        self,
        ground: Ground,
        pool: ProcessPoolExecutor | None,
        *,
        folder: Path | None = None,
        mark: str = "",
        progress: Progress = lambda _: None,
    ) -> None:
        self.ground = ground
        self._pool = pool
        self._folder, self._mark = folder, mark
        self._progress = progress

    def play(self, what: str, cells: Sequence[Cell]) -> list[CellResult]:
        """Play cells, and return their results in that order.

        Args:
            what: The name of these cells, for people and for the folder.
            cells: The cells.
        """
        folder = None if self._folder is None else self._folder / what.replace(" ", "_")
        store = ChunkStore(folder, fingerprint(self._mark, cells), ROWS)
        done: dict[int, CellResult] = {}
        for index in range(len(cells)):
            if (kept := store.load(index)) is not None:
                done[index] = msgspec.convert(kept[0], CellResult)
        if done:
            self._progress(f"{what}: {len(done)} of {len(cells)} from before")
        for index, result in self._played({i: c for i, c in enumerate(cells) if i not in done}):
            store.save(index, [msgspec.to_builtins(result)])
            done[index] = result
            self._progress(
                f"{what}: {len(done)} of {len(cells)}, {result.seconds:.0f} CPU seconds: "
                f"{said(result.cell)}"
            )
        return [done[index] for index in range(len(cells))]

    def _played(self, cells: dict[int, Cell]) -> Iterator[tuple[int, CellResult]]:
        if self._pool is None:
            for index, cell in cells.items():
                yield index, play_cell(self.ground, cell)
            return
        # The ground goes with each cell: the pool keeps only a few of them on their way at a time,
        # and no process is left with the ground of an earlier call.
        futures: dict[Future[CellResult], int] = {
            self._pool.submit(play_cell, self.ground, cell): index for index, cell in cells.items()
        }
        try:
            for future in as_completed(futures):
                yield futures[future], future.result()
        finally:
            for future in futures:
                future.cancel()


def said(cell: Cell) -> str:
    """Say what a cell's conditions are, in a few words."""
    capacity = "" if cell.daily_contacts is None else f", {cell.daily_contacts:.2%} a day"
    truth = "" if cell.truth == "model" else ", truth of another family"
    outcomes = "" if str(cell.outcomes) == "prompt" else f", {cell.outcomes}"
    return (
        f"{cell.start_month:%Y-%m}, {cell.arrival}, ${cell.budget_usd:.2f}"
        f"{capacity}{outcomes}{truth}"
    )


@contextmanager
def processes(workers: int) -> Iterator[ProcessPoolExecutor]:
    """Start processes with one thread each; fresh ones, because torch does not survive a fork."""
    before = {name: os.environ.get(name) for name in _THREADS}
    os.environ.update(dict.fromkeys(_THREADS, "1"))
    try:
        with ProcessPoolExecutor(workers, get_context("spawn")) as pool:
            yield pool
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
