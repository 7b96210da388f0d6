"""A server in a process of its own, as `python -m churnsaver_serving serve` starts it."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Self

import httpx

import churnsaver_serving

ROOT = Path(churnsaver_serving.__file__).parents[1]
_START_S = 60.0


def cli(*arguments: str, env: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """Run a command of the package to its end."""
    return subprocess.run(
        [sys.executable, "-m", "churnsaver_serving", *arguments],
        cwd=ROOT,
        env=_environment(env),
        capture_output=True,
        text=True,
        timeout=_START_S,
        check=False,
    )


class ServerProcess:
    """A running server.

    Args:
        log: file that its output goes to.
        env: The server's CHURNSAVER_ variables.
    """

    def __init__(self, log: Path, env: dict[str, str]) -> None:
        self.url = f"http://127.0.0.1:{_free_port()}"
        self.log = log
        self._env = env

    def __enter__(self) -> Self:
        port = self.url.rpartition(":")[2]
        with self.log.open("ab") as out:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "churnsaver_serving", "serve", "--port", port],
                cwd=ROOT,
                env=_environment(self._env),
                stdout=out,
                stderr=out,
            )
        deadline = time.monotonic() + _START_S
        while time.monotonic() < deadline and self._process.poll() is None:
            try:
                if httpx.get(f"{self.url}/healthz").status_code == 200:
                    return self
            except httpx.TransportError:
                time.sleep(0.05)
        self.stop()
        raise RuntimeError(f"the server didn't start:\n{self.log.read_text()}")

    def __exit__(self, *_: object) -> None:
        self.stop()

    def kill(self) -> None:
        """SIGKILL: no chance to finish anything."""
        self._process.kill()
        self._process.wait()

    def terminate(self) -> None:
        """SIGTERM: asked to finish; returns at once."""
        self._process.send_signal(signal.SIGTERM)

    def wait(self) -> int:
        """Its exit status."""
        return self._process.wait(timeout=_START_S)

    def stop(self) -> None:
        """End it, one way or the other."""
        if self._process.poll() is None:
            self.terminate()
            self.wait()


def _environment(env: dict[str, str]) -> dict[str, str]:
    inherited = {
        name: value for name, value in os.environ.items() if not name.startswith("CHURNSAVER_")
    }
    return inherited | {"OMP_NUM_THREADS": "1"} | env


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port
