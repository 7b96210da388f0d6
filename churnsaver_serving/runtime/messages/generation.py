"""Live text: a model that writes while the request waits, in one thread and behind a deadline."""

import asyncio
import time
from collections import Counter
from concurrent.futures import Future
from queue import SimpleQueue
from threading import Thread
from typing import Protocol

from churnsaver_serving.runtime.context import MessageContext
from churnsaver_serving.runtime.messages.composer import GeneratedText


class Writer(Protocol):
    """A model that writes bodies.

    Attributes:
        checkpoint: SHA-256 of the model.
    """

    checkpoint: str

    def write(self, context: MessageContext) -> str:
        """Write a body for the context, as the model ended it itself.

        Raises:
            Exception: No body was finished.
        """


class Generation:
    """A thread that asks a writer, one context at a time.

    A request waits until its deadline and no longer, whatever the writer does. What is asked for
    is dropped unwritten where its deadline passes while others are written; what is late is
    dropped too.

    Args:
        writer: The writer that is asked.

    Attributes:
        counts: Answers by what came of them: "written", "late", "failed".
    """

    def __init__(self, writer: Writer) -> None:
        self.counts: Counter[str] = Counter()
        self._writer = writer
        self._queue: SimpleQueue[tuple[MessageContext, Future[str]] | None] = SimpleQueue()
        # A daemon: a writer that hangs must not keep the server from ending.
        self._thread = Thread(target=self._run, name="live-writer", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self) -> None:
        """Let the thread end, once it has written what it writes."""
        self._queue.put(None)

    async def write(self, context: MessageContext, deadline: float) -> GeneratedText:
        """Have a body written.

        Args:
            context: The context to write for.
            deadline: The time to give up, on the clock of `time.monotonic`.

        Returns:
            The text, or without one why: "late", "failed".
        """
        asked: Future[str] = Future()
        self._queue.put((context, asked))
        body, failure = None, None
        try:
            async with asyncio.timeout(max(deadline - time.monotonic(), 0.0)):
                body = await asyncio.wrap_future(asked)
        except TimeoutError:
            failure = "late"
        except Exception:  # noqa: BLE001 - whatever a model does, the bank has an answer
            failure = "failed"
        self.counts[failure or "written"] += 1
        return GeneratedText(context, body, self._writer.checkpoint, failure)

    def _run(self) -> None:
        while (job := self._queue.get()) is not None:
            context, asked = job
            # False where the deadline has passed meanwhile, which cancelled it.
            if asked.set_running_or_notify_cancel():
                try:
                    asked.set_result(self._writer.write(context))
                except Exception as error:  # noqa: BLE001 - raised where it is waited for
                    asked.set_exception(error)
