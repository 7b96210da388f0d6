"""Benchmark of `POST /retain`: one worker of ours beside one of the FastAPI peer, in turns.

Closed loop for throughput, open loop at 200 requests a second for latency. All serve the same
release to the same customers, each with a fresh SQLite ledger whose commits are synced to disk.
Ours runs again with one commit a request, as the peer does: it tells how much is group commit.
"""

import asyncio
import json
import os
import platform
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

import uvloop
from rich.console import Console
from rich.table import Table
from upath import UPath

from churnsaver_assets.commands.api import EXAMPLES, request_body
from churnsaver_serving.runtime.release import load_release
from ops.bench.fastapi_peer import largest_difference, peer_release
from ops.bench.load import Load, closed_loop, http_post, open_loop

ROUNDS = 3
CONNECTIONS = 64
SECONDS = 8
WARM_UP_SECONDS = 2
RATE = 200
PORT = 18080

ONE_COMMIT = "churnsaver_one_commit_per_request"

# Each is one uvicorn worker with uvloop and httptools, without an access log.
_OURS = ("churnsaver_serving", "serve", "--port", str(PORT))
_COMMANDS = {
    "churnsaver": _OURS,
    ONE_COMMIT: _OURS,
    "fastapi": (
        *("uvicorn", "--factory", "ops.bench.fastapi_peer:create_app", "--port", str(PORT)),
        *("--loop", "uvloop", "--http", "httptools", "--no-access-log", "--log-level", "warning"),
    ),
}
_SETTINGS = {ONE_COMMIT: {"CHURNSAVER_MAX_BATCH": "1"}}
_TITLES = {
    "churnsaver": "churnsaver",
    ONE_COMMIT: "churnsaver, one commit a request",
    "fastapi": "fastapi peer",
}
_LOG_WIDTH = 120


@contextmanager
def server(app: str, home: Path, release: Path) -> Iterator[int]:
    """One of the servers, on a ledger of its own."""
    environment = os.environ | {
        "CHURNSAVER_HOME": str(home),
        "CHURNSAVER_RELEASE": str(release),
        "CHURNSAVER_ALLOW_SAMPLE": "1",
        # Neither budget nor capacity shall bind: every request is to do all of the work.
        "CHURNSAVER_BUDGET_USD": "1e9",
        "CHURNSAVER_DAILY_CAPACITY": "1000000000",
        "CHURNSAVER_LOG_LEVEL": "warning",
        "OMP_NUM_THREADS": "1",
        **_SETTINGS.get(app, {}),
    }
    subprocess.run(
        [sys.executable, "-m", "churnsaver_serving", "migrate"],
        env=environment,
        check=True,
        stdout=subprocess.DEVNULL,
    )
    process = subprocess.Popen([sys.executable, "-m", *_COMMANDS[app]], env=environment)
    try:
        _wait(process)
        yield PORT
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=30)


def _wait(process: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise SystemExit(f"the server ended with {process.returncode}")
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{PORT}/readyz", timeout=2):
                return
        except OSError:
            time.sleep(0.1)
    raise SystemExit("the server was not ready within 60 s")


def requests() -> Iterator[bytes]:
    """The example customers in turn, each time with an id never seen before."""
    bodies = [dict(request_body(name)) for name in EXAMPLES]
    for number in count():
        body = bodies[number % len(bodies)] | {"customer_id": f"bench-{number}"}
        yield http_post("/retain", json.dumps(body).encode())


async def measure(app: str, port: int) -> tuple[Load, Load]:
    """Throughput and latency of a running server."""
    source = requests()
    warm_up = await closed_loop(port, source, connections=CONNECTIONS, seconds=WARM_UP_SECONDS)
    full = await closed_loop(port, source, connections=CONNECTIONS, seconds=SECONDS)
    await asyncio.sleep(1)
    steady = await open_loop(port, source, rate=RATE, connections=CONNECTIONS, seconds=SECONDS)
    _require_answers(app, {"warm-up": warm_up, "full load": full, f"{RATE}/s": steady})
    return full, steady


def _require_answers(app: str, loads: dict[str, Load]) -> None:
    """A refusal is quicker than a decision, so one of them makes the figures worthless."""
    refused = {name: load.failures for name, load in loads.items() if load.failures}
    if refused:
        raise SystemExit(f"void: {app} answered other than 200, by status: {refused}")


def summary(runs: list[tuple[Load, Load]]) -> dict[str, Any]:
    """Median over the rounds."""
    full, steady = [run[0] for run in runs], [run[1] for run in runs]
    return {
        "decisions_per_second": round(statistics.median(load.per_second for load in full), 1),
        "decisions_per_second_rounds": [round(load.per_second, 1) for load in full],
        "full_load_ms": _median(full),
        f"at_{RATE}rps_ms": _median(steady),
    }


def _median(loads: list[Load]) -> dict[str, float]:
    each = [load.percentiles_ms() for load in loads]
    return {name: round(statistics.median(one[name] for one in each), 2) for name in each[0]}


def main() -> int:
    """Run the benchmark and write `bench_retain.json`."""
    console = Console(width=None if sys.stdout.isatty() else _LOG_WIDTH)
    home = Path(os.environ.get("CHURNSAVER_HOME", ".churnsaver"))
    release = home / "releases" / (home / "releases" / "CURRENT").read_text().strip()
    runs: dict[str, list[tuple[Load, Load]]] = {name: [] for name in _COMMANDS}
    with tempfile.TemporaryDirectory(dir=home) as folder:
        loaded = load_release(UPath(release))
        difference = largest_difference(loaded, peer_release(loaded, Path(folder)))
        console.print(f"largest difference of the two apps' scores: {difference:.1e}")
        if difference > 1e-5:
            raise SystemExit("the peer does not serve the same models")
        for turn in range(ROUNDS):
            for app in _COMMANDS:
                place = Path(folder) / f"{app}-{turn}"
                place.mkdir()
                with server(app, place, release) as port:
                    runs[app].append(uvloop.run(measure(app, port)))
                full, steady = runs[app][-1]
                console.print(
                    f"round {turn + 1}  {app:<33} {full.per_second:8.1f} decisions/s   "
                    f"at {RATE}/s {steady.percentiles_ms()} ms"
                )
    results = {app: summary(of_app) for app, of_app in runs.items()}
    ours, peer = results["churnsaver"], results["fastapi"]
    result = {
        "throughput_ratio_vs_fastapi": round(
            ours["decisions_per_second"] / peer["decisions_per_second"], 2
        ),
        "p95_ms_at_200rps": ours[f"at_{RATE}rps_ms"]["p95"],
        "decisions_per_second": ours["decisions_per_second"],
        **results,
        "score_difference": difference,
        "setting": {
            "rounds": ROUNDS,
            "seconds": SECONDS,
            "connections": CONNECTIONS,
            "cores": os.cpu_count(),
            "python": platform.python_version(),
            "release": release.name,
        },
    }
    (home / "bench_retain.json").write_text(json.dumps(result, indent=2) + "\n")
    _print(console, results)
    console.print(
        f"throughput ratio {result['throughput_ratio_vs_fastapi']}, written to "
        f"{home / 'bench_retain.json'}"
    )
    return 0


def _print(console: Console, results: dict[str, dict[str, Any]]) -> None:
    table = Table(title=f"POST /retain, one worker, median of {ROUNDS} rounds")
    for name in ("", "decisions/s", "full load p50/p95/p99 ms", f"{RATE}/s p50/p95/p99 ms"):
        table.add_column(name, justify="right")
    for app, one in results.items():
        table.add_row(
            _TITLES[app],
            f"{one['decisions_per_second']:.0f}",
            " / ".join(f"{value:.1f}" for value in one["full_load_ms"].values()),
            " / ".join(f"{value:.1f}" for value in one[f"at_{RATE}rps_ms"].values()),
        )
    console.print(table)


if __name__ == "__main__":
    sys.exit(main())
