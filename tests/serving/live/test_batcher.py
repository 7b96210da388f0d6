"""The writer's queue: batches, deadlines, failures that stay with their own request."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from threading import Event
from typing import Any

import pytest

from churnsaver_serving.live.batcher import Batcher
from churnsaver_serving.live.commands import Command, Retain
from churnsaver_serving.live.errors import (
    CommitUnknownError,
    ConflictError,
    LedgerUnavailableError,
    OverloadedError,
    StoppingError,
)
from churnsaver_serving.schemas import RetainRequest
from tests.support.serving.profiles import AT_RISK


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
        if "commit" in names:
            raise CommitUnknownError("commit")
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


@pytest.mark.parametrize(
    ("name", "kind"), [("unavailable", LedgerUnavailableError), ("commit", CommitUnknownError)]
)
def test_failed_ledger_is_not_tried_again_for_each(name: str, kind: type[Exception]) -> None:
    writer = Writer()
    commands = [command(one) for one in ("a", name, "b")]
    answers = run(lambda batcher: behind_a_first(batcher, writer, *commands), writer)
    assert [type(answer) for answer in answers] == [kind] * 3
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


def test_refused_at_its_deadline_while_the_writer_is_busy() -> None:
    writer = Writer()

    async def scenario(batcher: Batcher) -> None:
        writer.gate.clear()
        first = asyncio.ensure_future(batcher.submit(command("first")))
        await asyncio.to_thread(writer.started.wait)
        for _ in range(3):  # with the first the queue is full, and has room again each time
            begun = time.monotonic()
            late = await gather(batcher, command("late"), command("late"), command("over"))
            assert 0.19 <= time.monotonic() - begun < 1.0
            assert [type(answer) for answer in late] == [OverloadedError] * 3
            assert "waited too long" in str(late[0])
            assert "2 requests" not in str(late[0])
            assert "3 requests" in str(late[2])
        assert not first.done()  # it was taken, so it is waited for past its deadline
        writer.gate.set()
        assert await first == "first"
        assert await gather(batcher, *map(command, "abc")) == ["a", "b", "c"]

    run(scenario, writer, deadline_s=0.2, max_queue=3)
    assert [name for batch in writer.batches for name in batch] == ["first", "a", "b", "c"]


def test_held_back_is_refused_at_its_deadline_too() -> None:
    writer = Writer()

    async def scenario(batcher: Batcher) -> None:
        first = await behind_a_first(batcher, writer, command("a"))
        assert first == ["a"]
        writer.gate.clear()
        writer.started.clear()
        both = asyncio.ensure_future(gather(batcher, command("b"), command("b")))
        await asyncio.to_thread(writer.started.wait)
        await asyncio.sleep(0.3)
        writer.gate.set()
        answers = await both
        assert answers[0] == "b"
        assert isinstance(answers[1], OverloadedError)
        assert await batcher.submit(command("c")) == "c"

    run(scenario, writer, deadline_s=0.2)
    assert writer.batches == [["first"], ["a"], ["b"], ["c"]]


def test_every_command_is_either_done_or_refused() -> None:
    """Deadlines about as long as a batch takes: what was refused was never done."""
    writer = Writer()
    names = [f"c{number}" for number in range(400)]

    def slow(commands: Sequence[Command]) -> list[Any]:
        time.sleep(0.01)
        return writer(commands)

    async def main() -> list[Any]:
        batcher = Batcher(slow, max_batch=8, max_queue=1000, deadline_s=0.25)
        batcher.start()
        answers = await gather(batcher, *map(command, names))
        await batcher.stop()
        return answers

    answers = asyncio.run(main())
    done = [name for batch in writer.batches for name in batch]
    refused = [isinstance(answer, OverloadedError) for answer in answers]
    assert any(refused)
    assert done == [name for name, no in zip(names, refused, strict=True) if not no]
    assert [answer for answer in answers if isinstance(answer, str)] == done


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
