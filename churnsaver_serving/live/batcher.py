"""Requests into batches: one writer thread takes what is waiting, as much as fits.

No timer: while a batch is written the next one gathers, so batches grow with the load, and a lone
request never waits for company. A batch is one transaction, hence one sync to disk.

A request that no batch has taken by its deadline is refused then, however long the writer is busy;
one that was taken is waited for, since it may be recorded.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from queue import SimpleQueue
from threading import Lock, Thread
from typing import Any

from churnsaver_serving.live.commands import Command
from churnsaver_serving.live.errors import (
    LedgerUnavailableError,
    OverloadedError,
    StoppingError,
)

Process = Callable[[Sequence[Command]], Sequence[Any]]


@dataclass(slots=True, eq=False)
class _Job:
    command: Command
    done: asyncio.Future[Any]
    taken: bool = False


class Batcher:
    """A writer that runs `process` on batches of commands in a thread of its own.

    Args:
        process: Takes commands of which no two share anything in `exclusive`; returns a result or
            an exception for each. It raises where it did nothing at all.
        max_batch: Largest number of commands in one call.
        max_queue: Largest number of commands waiting.
        deadline_s: Longest wait for being taken into a batch.
    """

    def __init__(
        self, process: Process, *, max_batch: int, max_queue: int, deadline_s: float
    ) -> None:
        self._process = process
        self._max_batch = max_batch
        self._max_queue = max_queue
        self._deadline_s = deadline_s
        self._queue: SimpleQueue[_Job | None] = SimpleQueue()
        self._held: deque[_Job] = deque()
        self._waiting = 0  # calls of `submit` that wait; the event loop's
        self._taking = Lock()  # a job is taken by the writer or refused by the loop, never both
        self._stopping = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: Thread | None = None

    def start(self) -> None:
        """Start the writer. Call from the event loop that `submit` will run in."""
        self._loop = asyncio.get_running_loop()
        # A daemon, so that a forced exit needn't wait: what it drops was never acknowledged.
        self._thread = Thread(target=self._run, name="ledger-writer", daemon=True)
        self._thread.start()

    async def stop(self) -> None:
        """Refuse further commands, carry out those that wait, end the writer."""
        self._stopping = True
        if self._thread is not None:
            self._queue.put(None)
            await asyncio.to_thread(self._thread.join)

    async def submit(self, command: Command) -> Any:  # noqa: ANN401 - what `process` returns
        """Have a command carried out.

        Raises:
            StoppingError: The writer is shutting down.
            OverloadedError: Too many wait already, or no batch took this one before its deadline.
                Nothing was done.
            Exception: The error that `process` returned or raised for this command.
        """
        if self._stopping or self._loop is None:
            raise StoppingError("the server is shutting down")
        if self._waiting >= self._max_queue:
            raise OverloadedError(f"{self._waiting} requests are waiting already")
        job = _Job(command, self._loop.create_future())
        expiry = self._loop.call_later(self._deadline_s, self._expire, job)
        self._waiting += 1
        self._queue.put(job)
        try:
            return await job.done
        finally:
            expiry.cancel()
            self._waiting -= 1

    def _expire(self, job: _Job) -> None:
        """Fail the job where nobody has taken it by its deadline; runs in the event loop."""
        with self._taking:
            if not (job.taken or job.done.done()):
                job.done.set_exception(OverloadedError("the request waited too long"))

    def _run(self) -> None:
        """Process batches until the queue ends; runs in the writer's thread."""
        stopping = False
        while not stopping or self._held:
            batch, stopping = self._take(stopping=stopping)
            due = self._claim(batch)
            if due:
                self._resolve(due, self._attempt(due))

    def _claim(self, batch: Sequence[_Job]) -> list[_Job]:
        """Claim those that still wait: neither expired nor given up by the client."""
        with self._taking:
            due = [job for job in batch if not job.done.done()]
            for job in due:
                job.taken = True
        return due

    def _take(self, *, stopping: bool) -> tuple[list[_Job], bool]:
        """Take the next batch, waiting for one; say whether the end of the queue was met.

        Commands that share something with an earlier one are held, in their order.
        """
        batch: list[_Job] = []
        taken: set[Hashable] = set()
        held, self._held = self._held, deque()
        while len(batch) < self._max_batch:
            if held:
                job: _Job | None = held.popleft()
            elif stopping or ((batch or self._held) and self._queue.empty()):
                break
            else:
                job = self._queue.get()
            if job is None:
                stopping = True
            elif not job.done.done():  # a batch isn't filled with what was refused already
                free = taken.isdisjoint(job.command.exclusive)
                taken.update(job.command.exclusive)
                (batch if free else self._held).append(job)
        self._held.extend(held)
        return batch, stopping

    def _attempt(self, jobs: Sequence[_Job]) -> Sequence[Any]:
        """Process jobs together; where that fails, each by itself, so one can't fail the rest."""
        try:
            return self._process([job.command for job in jobs])
        except LedgerUnavailableError as error:
            return [error] * len(jobs)
        except Exception as error:  # noqa: BLE001 - every failure becomes its request's answer
            if len(jobs) == 1:
                return [error]
            return [result for job in jobs for result in self._attempt([job])]

    def _resolve(self, jobs: Sequence[_Job], results: Sequence[Any]) -> None:
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._deliver, jobs, results)

    def _deliver(self, jobs: Sequence[_Job], results: Sequence[Any]) -> None:
        """Hand over results; runs in the event loop."""
        for job, result in zip(jobs, results, strict=True):
            if job.done.done():  # the client has gone
                continue
            if isinstance(result, BaseException):
                job.done.set_exception(result)
            else:
                job.done.set_result(result)
