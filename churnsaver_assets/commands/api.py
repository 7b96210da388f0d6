"""The API in a process of its own on a free port, asked about the example customers over HTTP."""

import json
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from importlib import resources
from pathlib import Path
from typing import Any

from churnsaver_serving.settings import sqlite_url

EXAMPLES = ("at_risk", "in_between", "loyal")
BY_SMS = "by_sms"
"""An example apart: a customer at risk who is written to by SMS."""

_START_SECONDS = 60


class ApiFailed(Exception):
    """The API didn't come up or refused a request: says what it answered."""


@contextmanager
def running_api(
    release: Path, database: Path, log: Path, *, as_of: datetime | None = None
) -> Iterator[str]:
    """Serve a release in a process of its own until the block ends.

    Args:
        release: The directory of the release.
        database: The SQLite file of the ledger; made where it is missing.
        log: The file for the server's output.
        as_of: A time (UTC) at which the server's clock stands still; None for the real clock.

    Yields:
        The server's base address, once it is ready to answer.

    Raises:
        ApiFailed: it ended, or wasn't ready in time.
    """
    port = _free_port()
    environment = os.environ | {
        "CHURNSAVER_RELEASE": str(release),
        "CHURNSAVER_DATABASE_URL": sqlite_url(database),
        "CHURNSAVER_HOST": "127.0.0.1",
        "CHURNSAVER_PORT": str(port),
        # The answers are to be the policy's own, the same at every run.
        "CHURNSAVER_EXPLORATION": "0",
    }
    address = f"http://127.0.0.1:{port}"
    serve = [sys.executable, "-m", "churnsaver_serving", "serve"]
    if as_of is not None:
        serve = [sys.executable, "-m", "churnsaver_assets.commands.api_as_of", as_of.isoformat()]
    with log.open("wb") as output:
        migrated = subprocess.run(
            [sys.executable, "-m", "churnsaver_serving", "migrate"],
            env=environment,
            stdout=output,
            stderr=output,
            check=False,
        )
        if migrated.returncode:
            raise ApiFailed(f"the ledger could not be migrated:\n{log.read_text()[-2000:]}")
        server = subprocess.Popen(serve, env=environment, stdout=output, stderr=subprocess.STDOUT)
        try:
            _wait_until_ready(address, server, log)
            yield address
        finally:
            server.terminate()
            server.wait(timeout=30)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def ask(address: str, example: str) -> dict[str, Any]:
    """Send one of the example bodies to `POST /retain` and return the decoded answer.

    Raises:
        ApiFailed: any status but success.
    """
    body = (resources.files("churnsaver_serving.examples") / f"{example}.json").read_bytes()
    request = urllib.request.Request(  # noqa: S310 - loopback
        f"{address}/retain", data=body, headers={"Content-Type": "application/json"}
    )
    try:
        with urllib.request.urlopen(request, timeout=30) as response:  # noqa: S310 - loopback
            answer: dict[str, Any] = json.load(response)
    except urllib.error.HTTPError as error:
        raise ApiFailed(f"{example}: {error.code} {error.read().decode()}") from error
    except OSError as error:
        raise ApiFailed(f"{example}: no answer ({error})") from error
    return answer


def request_body(example: str) -> Mapping[str, Any]:
    """Return the decoded body of an example."""
    body = (resources.files("churnsaver_serving.examples") / f"{example}.json").read_bytes()
    decoded: Mapping[str, Any] = json.loads(body)
    return decoded


def _wait_until_ready(address: str, server: "subprocess.Popen[bytes]", log: Path) -> None:
    deadline = time.monotonic() + _START_SECONDS
    said = "nothing yet"
    while time.monotonic() < deadline:
        if server.poll() is not None:
            raise ApiFailed(f"the API ended with {server.returncode}:\n{log.read_text()[-2000:]}")
        try:
            with urllib.request.urlopen(f"{address}/readyz", timeout=5):  # noqa: S310 - loopback
                return
        except urllib.error.HTTPError as error:
            said = error.read().decode()
        except OSError as error:
            said = str(error)
        time.sleep(0.1)
    raise ApiFailed(f"the API was not ready within {_START_SECONDS} s; it last said: {said}")
