"""Benchmark of `POST /retain`: one worker of ours beside one of the FastAPI peer, in turns.

Closed loop for throughput, open loop at 200 requests a second for latency. All serve the same
release to the same customers, each with a fresh SQLite ledger whose commits are synced to disk.
Most decisions contact, so most answers have a message that was composed for them.
Ours runs again with one commit a request, as the peer does: it tells how much is group commit.

`--smoke` goes through all of it in seconds, prints no figures and writes none.
"""

import argparse
import asyncio
import json
import os
import platform
import signal
import socket
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import uvloop
from rich.console import Console
from rich.table import Table
from upath import UPath

from churnsaver_assets.commands.api import BY_SMS, request_body
from churnsaver_serving.runtime.engine.release import load_release
from churnsaver_serving.settings import Settings, SettingsError
from ops.bench.fastapi_peer import largest_difference, peer_release
from ops.bench.load import Load, RefusedError, closed_loop, http_post, open_loop


@dataclass(frozen=True, slots=True)
class Plan:
    """How much is measured.

    Attributes:
        rounds: Turns of each app.
        seconds: Length of each measurement.
        warm_up_seconds: Length of the load before the first measurement of a server.
        connections: Connections of the load generator.
        rate: Requests a second of the open loop.
    """

    rounds: int = 3
    seconds: float = 8
    warm_up_seconds: float = 2
    connections: int = 64
    rate: int = 200


SMOKE = Plan(rounds=1, seconds=0.5, warm_up_seconds=0.2, connections=8, rate=50)

LEAST_WITH_MESSAGE = 0.8
ASKED = ("at_risk", "in_between", BY_SMS)
"""Examples that are contacted where money is cheap."""

ONE_COMMIT = "churnsaver_one_commit_per_request"

# Each is one uvicorn worker with uvloop and httptools, without an access log.
_OURS = ("churnsaver_serving", "serve")
_COMMANDS = {
    "churnsaver": _OURS,
    ONE_COMMIT: _OURS,
    "fastapi": (
        *("uvicorn", "--factory", "ops.bench.fastapi_peer:create_app"),
        *("--loop", "uvloop", "--http", "httptools", "--no-access-log", "--log-level", "warning"),
    ),
}
_SETTINGS = {ONE_COMMIT: {"CHURNSAVER_MAX_BATCH": "1"}}
_TITLES = {
    "churnsaver": "churnsaver",
    ONE_COMMIT: "churnsaver, one commit a request",
    "fastapi": "fastapi peer",
}
_LOG_WIDTH = 140


@contextmanager
def server(app: str, home: Path, release: Path) -> Iterator[int]:
    """Run one of the servers on a ledger of its own; yield its port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = os.environ | {
        "CHURNSAVER_HOME": str(home),
        "CHURNSAVER_RELEASE": str(release),
        "CHURNSAVER_ALLOW_SAMPLE": "1",
        # Every request is to do all of the work, its message included, on any day of any month:
        # neither budget nor capacity binds, and money is as cheap as a release ever has it.
        "CHURNSAVER_EXPLORATION": "0",
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
    process = subprocess.Popen(
        [sys.executable, "-m", *_COMMANDS[app], "--port", str(port)], env=environment
    )
    try:
        _wait(process, port)
        yield port
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=30)


def _wait(process: "subprocess.Popen[bytes]", port: int) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise SystemExit(f"the server ended with {process.returncode}")
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=2):
                return
        except OSError:
            time.sleep(0.1)
    raise SystemExit("the server was not ready within 60 s")


def requests() -> Iterator[bytes]:
    """Yield example customers in turn, each time with an id never seen before."""
    bodies = [dict(request_body(name)) for name in ASKED]
    for number in count():
        body = bodies[number % len(bodies)] | {"customer_id": f"bench-{number}"}
        yield http_post("/retain", json.dumps(body).encode())


async def measure(port: int, plan: Plan) -> tuple[Load, Load]:
    """Measure the throughput and the latency of a running server.

    Raises:
        RefusedError: The server refused a request.
    """
    source, connections = requests(), plan.connections
    await closed_loop(port, source, connections=connections, seconds=plan.warm_up_seconds)
    full = await closed_loop(port, source, connections=connections, seconds=plan.seconds)
    await asyncio.sleep(1)
    steady = await open_loop(
        port, source, rate=plan.rate, connections=connections, seconds=plan.seconds
    )
    return full, steady


def message_share(ledger: Path) -> float:
    """Return the share of a ledger's decisions whose answer has a message."""
    with closing(sqlite3.connect(ledger)) as connection:
        (share,) = connection.execute(
            "SELECT avg(message_id IS NOT NULL) FROM decisions"
        ).fetchone()
    return round(float(share), 3)


def summary(runs: list[tuple[Load, Load]], rate: int) -> dict[str, Any]:
    """Return the median over the rounds of each figure."""
    full, steady = [run[0] for run in runs], [run[1] for run in runs]
    return {
        "decisions_per_second": round(statistics.median(load.per_second for load in full), 1),
        "decisions_per_second_rounds": [round(load.per_second, 1) for load in full],
        "full_load_ms": _median(full),
        f"at_{rate}rps_ms": _median(steady),
    }


def _median(loads: list[Load]) -> dict[str, float]:
    each = [load.percentiles_ms() for load in loads]
    return {name: round(statistics.median(one[name] for one in each), 2) for name in each[0]}


def run(release: Path, home: Path, plan: Plan, console: Console) -> dict[str, Any]:
    """Run every app in turns on a release; return what is to be written.

    Args:
        release: Directory of the release.
        home: Folder for the ledgers, so that they lie on its disk; nothing stays in it.
        plan: How much to measure.
        console: Where progress is said.
    """
    runs: dict[str, list[tuple[Load, Load]]] = {name: [] for name in _COMMANDS}
    shares: dict[str, float] = {}
    with tempfile.TemporaryDirectory(dir=home) as folder:
        loaded = load_release(UPath(release))
        difference = largest_difference(loaded, peer_release(loaded, Path(folder)))
        console.print(f"largest difference of the two apps' scores: {difference:.1e}")
        if difference > 1e-5:
            raise SystemExit("the peer does not serve the same models")
        for turn in range(plan.rounds):
            for app in _COMMANDS:
                place = Path(folder) / f"{app}-{turn}"
                place.mkdir()
                with server(app, place, release) as port:
                    try:
                        full, steady = uvloop.run(measure(port, plan))
                    except RefusedError as error:
                        raise SystemExit(f"void: {_TITLES[app]}: {error}") from None
                runs[app].append((full, steady))
                shares[app] = message_share(place / "ledger.db")
                if shares[app] < LEAST_WITH_MESSAGE:
                    raise SystemExit(
                        f"void: {_TITLES[app]} wrote a message with {shares[app]:.0%} of its "
                        f"decisions, expected {LEAST_WITH_MESSAGE:.0%} at least"
                    )
                console.print(
                    f"round {turn + 1}  {_TITLES[app]:<33} {full.per_second:8.1f} decisions/s   "
                    f"at {plan.rate}/s {steady.percentiles_ms()} ms   "
                    f"messages {shares[app]:.0%}"
                )
    results = {
        app: summary(of_app, plan.rate) | {"message_share": shares[app]}
        for app, of_app in runs.items()
    }
    ours, peer = results["churnsaver"], results["fastapi"]
    return {
        "throughput_ratio_vs_fastapi": round(
            ours["decisions_per_second"] / peer["decisions_per_second"], 2
        ),
        f"p95_ms_at_{plan.rate}rps": ours[f"at_{plan.rate}rps_ms"]["p95"],
        "decisions_per_second": ours["decisions_per_second"],
        **results,
        "score_difference": difference,
        "setting": {
            "rounds": plan.rounds,
            "seconds": plan.seconds,
            "connections": plan.connections,
            "cores": os.cpu_count(),
            "python": platform.python_version(),
            "release": loaded.id,
            "commit": commit(),
        },
    }


def commit() -> str:
    """Return the commit that is measured; "unknown" outside a checkout."""
    command = ["git", "describe", "--always", "--dirty", "--abbrev=12"]
    try:
        found = subprocess.run(
            command, cwd=Path(__file__).parent, capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return found.stdout.strip()


def main() -> int:
    """Run the benchmark and write `bench_retain.json`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--smoke", action="store_true", help="seconds long, writes no figures")
    smoke = parser.parse_args().smoke
    console = Console(width=None if sys.stdout.isatty() else _LOG_WIDTH)
    plan = SMOKE if smoke else Plan()
    try:
        settings = Settings.from_env(os.environ)
        release, home = Path(settings.release_directory()), settings.home
    except SettingsError as error:
        sys.stderr.write(f"nothing to measure: {error}\n")
        return 2
    busy = os.getloadavg()[0]
    result = run(release.resolve(), home.resolve(), plan, console)
    result["setting"]["load_average_before"] = round(busy, 2)
    if smoke:
        console.print("smoke: every app answered every request; figures this short say nothing")
        return 0
    (home / "bench_retain.json").write_text(json.dumps(result, indent=2) + "\n")
    _print(console, {app: result[app] for app in _COMMANDS}, plan)
    console.print(
        f"throughput ratio {result['throughput_ratio_vs_fastapi']}, written to "
        f"{home / 'bench_retain.json'}"
    )
    return 0


def _print(console: Console, results: dict[str, dict[str, Any]], plan: Plan) -> None:
    table = Table(title=f"POST /retain, one worker, median of {plan.rounds} rounds")
    for name in ("", "decisions/s", "full load p50/p95/p99 ms", f"{plan.rate}/s p50/p95/p99 ms"):
        table.add_column(name, justify="right")
    for app, one in results.items():
        table.add_row(
            _TITLES[app],
            f"{one['decisions_per_second']:.0f}",
            " / ".join(f"{value:.1f}" for value in one["full_load_ms"].values()),
            " / ".join(f"{value:.1f}" for value in one[f"at_{plan.rate}rps_ms"].values()),
        )
    console.print(table)


if __name__ == "__main__":
    sys.exit(main())
