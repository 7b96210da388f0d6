"""Live text: the deadline holds whatever the writer does."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from threading import Event
from typing import Any

import pytest

from churnsaver_serving.runtime.context import MessageContext
from churnsaver_serving.runtime.messages.composer import GeneratedText
from churnsaver_serving.runtime.messages.generation import Generation, Writer

FIBER = MessageContext("fiber", "new", 10, "warm", "email")
CHECKPOINT = "e" * 64


class Sleeper:
    """Writes after a while."""

    checkpoint = CHECKPOINT

    def __init__(self, seconds: float = 0.0) -> None:
        self.seconds = seconds
        self.written: list[MessageContext] = []
        self.ready = Event()

    def write(self, context: MessageContext) -> str:
        time.sleep(self.seconds)
        self.written.append(context)
        self.ready.set()
        return "We would love to keep you."


class Broken:
    checkpoint = CHECKPOINT

    def write(self, _: MessageContext) -> str:
        raise ZeroDivisionError


def run(writer: Writer, scenario: Callable[[Generation], Awaitable[Any]]) -> Generation:
    live = Generation(writer)

    async def main() -> None:
        live.start()
        try:
            await scenario(live)
        finally:
            live.stop()

    asyncio.run(main())
    return live


async def ask(live: Generation, seconds: float) -> tuple[GeneratedText, float]:
    """Return the text, and how long it took."""
    began = time.monotonic()
    text = await live.write(FIBER, began + seconds)
    return text, time.monotonic() - began


def test_text_in_time() -> None:
    async def scenario(live: Generation) -> None:
        text, _ = await ask(live, 10.0)
        assert text == GeneratedText(FIBER, "We would love to keep you.", CHECKPOINT)

    assert run(Sleeper(), scenario).counts == {"written": 1}


def test_late_text_is_dropped_at_the_deadline() -> None:
    writer = Sleeper(0.6)

    async def scenario(live: Generation) -> None:
        text, took = await ask(live, 0.1)
        assert text == GeneratedText(FIBER, None, CHECKPOINT, "late")
        assert 0.1 <= took < 0.5
        assert not writer.written
        # It is written all the same, and answers nobody: the next one gets its own.
        assert writer.ready.wait(5)
        writer.seconds = 0.0
        text, _ = await ask(live, 5.0)
        assert text.body is not None

    assert run(writer, scenario).counts == {"late": 1, "written": 1}
    assert len(writer.written) == 2


def test_what_waited_past_its_deadline_is_not_written() -> None:
    writer = Sleeper(0.3)

    async def scenario(live: Generation) -> None:
        asked = [ask(live, seconds) for seconds in (5.0, 0.1, 0.1, 5.0)]
        answers = await asyncio.gather(*asked)
        assert [text.failure for text, _ in answers] == [None, "late", "late", None]
        assert max(took for text, took in answers if text.failure) < 0.28

    assert run(writer, scenario).counts == {"written": 2, "late": 2}
    assert len(writer.written) == 2


def test_deadline_that_has_passed_already() -> None:
    async def scenario(live: Generation) -> None:
        text, took = await ask(live, -1.0)
        assert text.failure == "late"
        assert took < 0.2

    run(Sleeper(5.0), scenario)


def test_broken_writer_is_counted() -> None:
    async def scenario(live: Generation) -> None:
        for _ in range(3):
            text, _ = await ask(live, 5.0)
            assert text == GeneratedText(FIBER, None, CHECKPOINT, "failed")

    assert run(Broken(), scenario).counts == {"failed": 3}


def test_client_that_has_gone_is_not_written_for() -> None:
    writer = Sleeper(0.2)

    async def scenario(live: Generation) -> None:
        first = asyncio.ensure_future(ask(live, 5.0))
        await asyncio.sleep(0.05)
        gone = asyncio.ensure_future(ask(live, 5.0))
        await asyncio.sleep(0.05)
        gone.cancel()
        with pytest.raises(asyncio.CancelledError):
            await gone
        await first
        await ask(live, 5.0)

    run(writer, scenario)
    assert len(writer.written) == 2
