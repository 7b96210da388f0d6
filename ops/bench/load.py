"""HTTP load from one process: closed loop for throughput, open loop for latency at a given rate.

A refusal is quicker than a decision, so one of them makes every figure worthless: the first answer
without a status of success ends the run with what the server said.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import numpy as np

_SUCCESS = range(200, 300)


class RefusedError(Exception):
    """An answer without a status of success: says the status and the body."""

    def __init__(self, status: int, body: bytes) -> None:
        super().__init__(f"the server answered {status}: {body.decode(errors='replace')}")


@dataclass(slots=True)
class Load:
    """What a load run saw.

    Attributes:
        seconds: Length of the run.
        latencies_ms: Latency of each request; in the open loop from the moment it was due.
    """

    seconds: float = 0.0
    latencies_ms: list[float] = field(default_factory=list)

    @property
    def per_second(self) -> float:
        """Return how many requests were answered a second."""
        return len(self.latencies_ms) / self.seconds

    def percentiles_ms(self) -> dict[str, float]:
        """Return p50, p95 and p99 of the latency."""
        values = np.percentile(self.latencies_ms, [50, 95, 99])
        return {f"p{at}": round(float(v), 2) for at, v in zip((50, 95, 99), values, strict=True)}


class _Connection(asyncio.Protocol):
    """One keep-alive connection, one request at a time."""

    def __init__(self) -> None:
        self._buffer = b""
        self._waiting: asyncio.Future[None] | None = None
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head, separator, rest = self._buffer.partition(b"\r\n\r\n")
        if not separator:
            return
        length = next(
            int(line.split(b":")[1])
            for line in head.lower().split(b"\r\n")
            if line.startswith(b"content-length:")
        )
        if len(rest) >= length and self._waiting is not None:
            self._buffer = rest[length:]
            waiting, self._waiting = self._waiting, None
            status = int(head[9:12])
            if status in _SUCCESS:
                waiting.set_result(None)
            else:
                waiting.set_exception(RefusedError(status, rest[:length]))

    def connection_lost(self, exc: Exception | None) -> None:
        if self._waiting is not None:
            self._waiting.set_exception(exc or ConnectionError("the server closed the connection"))

    async def post(self, request: bytes) -> None:
        """Send a whole request and wait for its answer.

        Raises:
            RefusedError: The status is none of success.
            ConnectionError: The server closed the connection.
        """
        assert self._transport is not None
        self._waiting = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        await self._waiting

    def close(self) -> None:
        """Close the connection."""
        if self._transport is not None:
            self._transport.close()


def http_post(path: str, body: bytes) -> bytes:
    """Return the bytes of a JSON POST."""
    head = (
        f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


@asynccontextmanager
async def _connected(port: int, count: int) -> AsyncIterator[list[_Connection]]:
    """Open connections, and close them whatever happens."""
    loop = asyncio.get_running_loop()
    pool: list[_Connection] = []
    try:
        for _ in range(count):
            _, connection = await loop.create_connection(_Connection, "127.0.0.1", port)
            pool.append(connection)
        yield pool
    finally:
        for connection in pool:
            connection.close()


async def closed_loop(
    port: int, requests: Iterator[bytes], *, connections: int, seconds: float
) -> Load:
    """Let each connection send its next request as soon as it has its answer.

    Raises:
        RefusedError: The server refused a request.
    """
    load = Load()

    async def client(connection: _Connection, deadline: float) -> None:
        while (sent := time.perf_counter()) < deadline:
            await connection.post(next(requests))
            load.latencies_ms.append((time.perf_counter() - sent) * 1e3)

    async with _connected(port, connections) as pool:
        start = time.perf_counter()
        async with _one_error(), asyncio.TaskGroup() as tasks:
            for connection in pool:
                tasks.create_task(client(connection, start + seconds))
        load.seconds = time.perf_counter() - start
    return load


async def open_loop(
    port: int, requests: Iterator[bytes], *, rate: float, connections: int, seconds: float
) -> Load:
    """Send requests that fall due at a fixed rate whether or not earlier ones were answered.

    Latency counts from when a request was due, so waiting for a free connection counts too.

    Raises:
        RefusedError: The server refused a request.
    """
    load = Load()
    free: asyncio.Queue[_Connection] = asyncio.Queue()

    async def send(due: float) -> None:
        connection = await free.get()
        await connection.post(next(requests))
        load.latencies_ms.append((time.perf_counter() - due) * 1e3)
        free.put_nowait(connection)

    async with _connected(port, connections) as pool:
        for connection in pool:
            free.put_nowait(connection)
        start = time.perf_counter()
        async with _one_error(), asyncio.TaskGroup() as tasks:
            for number in range(int(rate * seconds)):
                due = start + number / rate
                if (wait := due - time.perf_counter()) > 0:
                    await asyncio.sleep(wait)
                tasks.create_task(send(due))
        load.seconds = time.perf_counter() - start
    return load


@asynccontextmanager
async def _one_error() -> AsyncIterator[None]:
    """Raise the first of a task group's errors in place of the group."""
    try:
        yield
    except ExceptionGroup as group:
        raise group.exceptions[0] from None
