"""The writer's queue: batches, deadlines, failures that stay with their own request."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from threading import Event
from typing import Any

import pytest
from serving_profiles import AT_RISK

from churnsaver_serving.live.batcher import Batcher
from churnsaver_serving.live.commands import Command, Retain
from churnsaver_serving.live.errors import (
    ConflictError,
    LedgerUnavailableError,
    OverloadedError,
    StoppingError,
)
from churnsaver_serving.schemas import RetainRequest


def command(name: str, key: str | None = None) -> Retain:
    return Retain(RetainRequest(name, AT_RISK), key)


class Writer:
    """Answers with customer ids, in batches that it remembers; waits while `gate` is closed."""

    def __init__(self) -> None:
        self.batches: list[list[str]] = []
        self.gate = Event()
        self.gate.set()
        self.started = Event()

    def __call__(self, commands: Sequence[Command]) -> list[Any]:
        names = [one.request.customer_id for one in commands if isinstance(one, Retain)]
        self.batches.append(names)
        self.started.set()
        assert self.gate.wait(10)
        if "unavailable" in names:
            raise LedgerUnavailableError("no ledger")
        if "poison" in names:
            raise ZeroDivisionError("poison")
        return [ConflictError("field", name) if name == "conflict" else name for name in names]


def run(
    scenario: Callable[[Batcher], Awaitable[Any]],
    writer: Writer,
    *,
    max_batch: int = 64,
    max_queue: int = 100,
    deadline_s: float = 10.0,
) -> Any:
    async def main() -> Any:
        batcher = Batcher(writer, max_batch=max_batch, max_queue=max_queue, deadline_s=deadline_s)
        batcher.start()
        try:
            return await scenario(batcher)
        finally:
            writer.gate.set()
            await batcher.stop()

    return asyncio.run(main())


async def gather(batcher: Batcher, *commands: Retain) -> list[Any]:
    return await asyncio.gather(*map(batcher.submit, commands), return_exceptions=True)


async def behind_a_first(batcher: Batcher, writer: Writer, *commands: Retain) -> list[Any]:
    """Submit a first command and, while the writer is busy with it, the others."""
    writer.gate.clear()
    first = asyncio.ensure_future(batcher.submit(command("first")))
    await asyncio.to_thread(writer.started.wait)
    others = asyncio.ensure_future(gather(batcher, *commands))
    await asyncio.sleep(0.05)
    writer.gate.set()
    assert await first == "first"
    return await others


def test_what_gathers_meanwhile_is_one_batch() -> None:
    writer = Writer()
    names = [f"c{number}" for number in range(10)]
    answers = run(lambda batcher: behind_a_first(batcher, writer, *map(command, names)), writer)
    assert answers == names
    assert writer.batches == [["first"], names]


def test_batches_have_a_greatest_size() -> None:
    writer = Writer()
    names = [f"c{number}" for number in range(10)]
    answers = run(
        lambda batcher: behind_a_first(batcher, writer, *map(command, names)), writer, max_batch=4
    )
    assert answers == names
    assert [len(batch) for batch in writer.batches] == [1, 4, 4, 2]


def test_nothing_shared_within_a_batch() -> None:
    writer = Writer()
    commands = [
        command("a", "k1"),
        command("b", "k1"),
        command("a", "k2"),
        command("c"),
        command("b", "k2"),
    ]
    answers = run(lambda batcher: behind_a_first(batcher, writer, *commands), writer)
    assert answers == ["a", "b", "a", "c", "b"]
    assert writer.batches == [["first"], ["a", "c"], ["b", "a"], ["b"]]


def test_poison_fails_alone() -> None:
    writer = Writer()
    commands = [command(name) for name in ("a", "poison", "b", "conflict")]
    answers = run(lambda batcher: behind_a_first(batcher, writer, *commands), writer)
    assert answers[0] == "a"
    assert isinstance(answers[1], ZeroDivisionError)
    assert answers[2] == "b"
    assert isinstance(answers[3], ConflictError)


def test_unavailable_ledger_is_not_tried_again_for_each() -> None:
    writer = Writer()
    commands = [command(name) for name in ("a", "unavailable", "b")]
    answers = run(lambda batcher: behind_a_first(batcher, writer, *commands), writer)
    assert all(isinstance(answer, LedgerUnavailableError) for answer in answers)
    assert len(writer.batches) == 2


def test_full_queue_refuses_at_once() -> None:
    writer = Writer()
    commands = [command(f"c{number}") for number in range(5)]
    answers = run(lambda batcher: behind_a_first(batcher, writer, *commands), writer, max_queue=3)
    assert answers[:2] == ["c0", "c1"]  # with the first, three are waiting
    assert all(isinstance(answer, OverloadedError) for answer in answers[2:])
    assert writer.batches == [["first"], ["c0", "c1"]]


def test_room_in_the_queue_comes_back() -> None:
    writer = Writer()

    async def scenario(batcher: Batcher) -> None:
        for number in range(10):
            assert await batcher.submit(command(f"c{number}")) == f"c{number}"

    run(scenario, writer, max_queue=1)


def test_past_its_deadline_nothing_is_done() -> None:
    writer = Writer()

    async def scenario(batcher: Batcher) -> Any:
        writer.gate.clear()
        first = asyncio.ensure_future(batcher.submit(command("first")))
        await asyncio.to_thread(writer.started.wait)
        late = asyncio.ensure_future(gather(batcher, command("late")))
        await asyncio.sleep(0.3)
        writer.gate.set()
        await first
        return await late

    answers = run(scenario, writer, deadline_s=0.1)
    assert isinstance(answers[0], OverloadedError)
    assert writer.batches == [["first"]]


def test_client_that_has_gone() -> None:
    writer = Writer()

    async def scenario(batcher: Batcher) -> None:
        writer.gate.clear()
        first = asyncio.ensure_future(batcher.submit(command("first")))
        await asyncio.to_thread(writer.started.wait)
        gone = asyncio.ensure_future(batcher.submit(command("gone")))
        stays = asyncio.ensure_future(batcher.submit(command("stays")))
        await asyncio.sleep(0.05)
        gone.cancel()
        first.cancel()
        writer.gate.set()
        assert await stays == "stays"

    run(scenario, writer)
    assert writer.batches == [["first"], ["stays"]]


def test_stopping_answers_what_waits() -> None:
    writer = Writer()

    async def scenario(batcher: Batcher) -> None:
        writer.gate.clear()
        waiting = asyncio.ensure_future(
            gather(batcher, command("a"), command("b"), command("b", "again"), command("c"))
        )
        await asyncio.to_thread(writer.started.wait)
        stopping = asyncio.ensure_future(batcher.stop())
        await asyncio.sleep(0.05)
        with pytest.raises(StoppingError):
            await batcher.submit(command("late"))
        writer.gate.set()
        await stopping
        assert await waiting == ["a", "b", "b", "c"]

    run(scenario, writer)
