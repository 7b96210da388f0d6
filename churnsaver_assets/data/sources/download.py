"""Fetches a file over HTTP, with deadlines. No choice of sources here, no judging of content."""

from __future__ import annotations

import threading
from concurrent.futures import Future, wait
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeouts:
    """Bounds of a download, in seconds.

    Attributes:
        connect: Longest wait for one connection attempt, and between two chunks of the body.
        answer: Longest wait for the first response header. Bounds what `connect` does not: name
            resolution, and hosts with several addresses, which are tried one after the other.
        total: Longest wait for the whole file. The largest one has 34 MB.
    """

    connect: float = 3.0
    answer: float = 5.0
    total: float = 900.0


DEFAULT_TIMEOUTS = Timeouts()
_CHUNK_BYTES = 1 << 16


class DownloadFailed(Exception):
    """No file came: nothing answered, or not in time, or with an error status."""


def download(url: str, timeouts: Timeouts = DEFAULT_TIMEOUTS) -> bytes:
    """Return the body at an address. One attempt, no retries.

    Raises:
        DownloadFailed: Nothing usable answered in time; the message is the cause.
    """
    answered = threading.Event()
    result: Future[bytes] = Future()

    def work() -> None:
        try:
            result.set_result(_retrieve(url, timeouts, answered))
        except Exception as error:  # noqa: BLE001 - handed to the waiting caller below
            result.set_exception(error)
        finally:
            answered.set()

    # A daemon, so that a resolver that hangs holds up neither this call nor the interpreter's end.
    threading.Thread(target=work, name=f"download-{url}", daemon=True).start()
    if not answered.wait(timeouts.answer):
        raise DownloadFailed(f"no answer within {timeouts.answer:g} s")
    if not wait([result], timeouts.total).done:
        raise DownloadFailed(f"not complete within {timeouts.total:g} s")
    try:
        return result.result()
    except OSError as error:  # the base class of all that requests raises
        raise DownloadFailed(_root_cause(error)) from error


def _retrieve(url: str, timeouts: Timeouts, answered: threading.Event) -> bytes:
    import requests

    def note_answer(*_: Any, **__: Any) -> None:  # noqa: ANN401 - requests' hook
        answered.set()

    with requests.get(
        url, stream=True, timeout=timeouts.connect, hooks={"response": note_answer}
    ) as response:
        response.raise_for_status()
        return b"".join(response.iter_content(_CHUNK_BYTES))


def _root_cause(error: BaseException) -> str:
    """Return the innermost cause: 'Name or service not known', not four wrappers around it."""
    while (cause := error.__cause__ or error.__context__) is not None:
        error = cause
    return f"{type(error).__name__}: {error}"
