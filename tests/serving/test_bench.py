"""The benchmark's peer takes what the API takes, and its load generator counts no refusal."""

import asyncio
from collections.abc import Callable
from typing import Any, get_args

import msgspec
import pytest
from pydantic import BaseModel

from churnsaver_assets.commands.api import EXAMPLES, request_body
from churnsaver_serving.schemas import RetainRequest
from ops.bench.fastapi_peer import RetainBody
from ops.bench.load import RefusedError, closed_loop, http_post, open_loop

_ANSWER = b"HTTP/1.1 %d X\r\nContent-Length: %d\r\n\r\n%s"


def fields_of(model: Any) -> dict[str, Any]:
    """Return the fields of a body by name, those of bodies within it below theirs."""
    if issubclass(model, BaseModel):
        hints = {name: field.annotation for name, field in model.model_fields.items()}
    else:
        hints = {field.name: field.type for field in msgspec.structs.fields(model)}
    return {name: next(map(fields_of, bodies(hint)), {}) for name, hint in hints.items()}


def bodies(hint: Any) -> list[Any]:
    """Return the bodies that an annotation allows."""
    if isinstance(hint, type) and issubclass(hint, (BaseModel, msgspec.Struct)):
        return [hint]
    return [body for inner in get_args(hint) for body in bodies(inner)]


def test_the_peer_takes_the_same_fields() -> None:
    expected = fields_of(RetainRequest)
    assert {"first_name", "time_zone", "tone"} <= set(expected["message"])
    assert fields_of(RetainBody) == expected


@pytest.mark.parametrize("example", EXAMPLES)
def test_the_peer_reads_the_examples_as_the_api_does(example: str) -> None:
    body = request_body(example)
    ours = msgspec.convert(body, RetainRequest)
    assert RetainBody.model_validate(body).request() == ours


async def against(answers: list[tuple[int, bytes]], loop: Callable[..., Any]) -> Any:
    """Run a loop against a server that gives these answers in turn, the last of them ever after."""
    served = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        served.append(asyncio.current_task())
        try:
            while await reader.readuntil(b"}"):
                status, body = answers.pop(0) if len(answers) > 1 else answers[0]
                writer.write(_ANSWER % (status, len(body), body))
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        try:
            requests = iter(lambda: http_post("/retain", b"{}"), b"")
            return await asyncio.wait_for(loop(port, requests), 5)
        finally:
            await asyncio.gather(*served)
            await asyncio.sleep(0)


def closed(port: int, requests: Any) -> Any:
    return closed_loop(port, requests, connections=2, seconds=0.2)


def opened(port: int, requests: Any) -> Any:
    return open_loop(port, requests, connections=2, rate=100, seconds=0.2)


@pytest.mark.parametrize("loop", [closed, opened])
def test_every_answer_of_success_is_counted(loop: Callable[..., Any]) -> None:
    load = asyncio.run(against([(200, b"{}"), (201, b"{}")], loop))
    assert len(load.latencies_ms) >= 20
    assert load.per_second > 50


@pytest.mark.parametrize("loop", [closed, opened])
def test_one_refusal_ends_the_run_with_what_the_server_said(loop: Callable[..., Any]) -> None:
    answers = [(200, b"{}")] * 7 + [(422, b'{"detail": "message: not permitted"}'), (200, b"{}")]
    with pytest.raises(RefusedError, match=r'422: \{"detail": "message: not permitted"\}'):
        asyncio.run(against(answers, loop))
