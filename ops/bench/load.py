"""HTTP load from one process: closed loop for throughput, open loop for latency at a given rate."""

import asyncio
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np


@dataclass(slots=True)
class Load:
    """What a load run saw.

    Attributes:
        seconds: length of the run.
        latencies_ms: of each answered request; in the open loop from the moment it was due.
        failures: status to count, for everything but 200.
    """

    seconds: float = 0.0
    latencies_ms: list[float] = field(default_factory=list)
    failures: dict[int, int] = field(default_factory=dict)

    @property
    def per_second(self) -> float:
        """Successful answers a second."""
        return len(self.latencies_ms) / self.seconds

    def percentiles_ms(self) -> dict[str, float]:
        """p50, p95 and p99 of the latency."""
        values = np.percentile(self.latencies_ms, [50, 95, 99])
        return {f"p{at}": round(float(v), 2) for at, v in zip((50, 95, 99), values, strict=True)}

    def note(self, status: int, milliseconds: float) -> None:
        """Count one answer."""
        if status == 200:
            self.latencies_ms.append(milliseconds)
        else:
            self.failures[status] = self.failures.get(status, 0) + 1


class _Connection(asyncio.Protocol):
    """One keep-alive connection, one request at a time."""

    def __init__(self) -> None:
        self._buffer = b""
        self._waiting: asyncio.Future[int] | None = None
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
            waiting.set_result(int(head[9:12]))

    def connection_lost(self, exc: Exception | None) -> None:
        if self._waiting is not None:
            self._waiting.set_exception(exc or ConnectionError("the server closed the connection"))

    async def post(self, request: bytes) -> int:
        """Send a whole request; the status of its answer."""
        assert self._transport is not None
        self._waiting = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        return await self._waiting

    def close(self) -> None:
        """Close the connection."""
        if self._transport is not None:
            self._transport.close()


def http_post(path: str, body: bytes) -> bytes:
    """The bytes of a JSON POST."""
    head = (
        f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


async def _connect(port: int, count: int) -> list[_Connection]:
    loop = asyncio.get_running_loop()
    pairs = [await loop.create_connection(_Connection, "127.0.0.1", port) for _ in range(count)]
    return [protocol for _, protocol in pairs]


async def closed_loop(
    port: int, requests: Iterator[bytes], *, connections: int, seconds: float
) -> Load:
    """Each connection sends its next request as soon as it has its answer."""
    load, pool = Load(), await _connect(port, connections)
    start = time.perf_counter()
    deadline = start + seconds

    async def client(connection: _Connection) -> None:
        while (sent := time.perf_counter()) < deadline:
            status = await connection.post(next(requests))
            load.note(status, (time.perf_counter() - sent) * 1e3)

    await asyncio.gather(*(client(connection) for connection in pool))
    load.seconds = time.perf_counter() - start
    for connection in pool:
        connection.close()
    return load


async def open_loop(
    port: int, requests: Iterator[bytes], *, rate: float, connections: int, seconds: float
) -> Load:
    """Requests fall due at a fixed rate whether or not earlier ones were answered.

    Latency counts from when a request was due, so waiting for a free connection counts too.
    """
    load, pool = Load(), await _connect(port, connections)
    free: asyncio.Queue[_Connection] = asyncio.Queue()
    for connection in pool:
        free.put_nowait(connection)

    async def send(due: float) -> None:
        connection = await free.get()
        status = await connection.post(next(requests))
        load.note(status, (time.perf_counter() - due) * 1e3)
        free.put_nowait(connection)

    start = time.perf_counter()
    pending: list[asyncio.Task[None]] = []
    for number in range(int(rate * seconds)):
        due = start + number / rate
        if (wait := due - time.perf_counter()) > 0:
            await asyncio.sleep(wait)
        pending.append(asyncio.create_task(send(due)))
    await asyncio.gather(*pending)
    load.seconds = time.perf_counter() - start
    for connection in pool:
        connection.close()
    return load
