"""Load, locks and signals: what was acknowledged is in the ledger, and the ledger stays right."""

import signal
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Lock
from typing import Any

import httpx
import msgspec
import pytest
import sqlalchemy as sa
from upath import UPath

from churnsaver_serving.live.store.database import Database
from churnsaver_serving.live.store.tables import decisions
from churnsaver_serving.runtime.limits.rules import Rules
from tests.support.serving.audit import audit
from tests.support.serving.process import ServerProcess
from tests.support.serving.profiles import AT_RISK
from tests.support.serving.release import EVERYDAY

AMPLE: dict[str, Any] = {"budget_usd": 1e6, "daily_capacity": 100_000, "exploration": 0.0}
PROFILE = msgspec.to_builtins(AT_RISK)


def under(**changes: Any) -> Rules:
    return msgspec.structs.replace(EVERYDAY, **changes)


def environment(everyday_dir: UPath, url: str, **more: Any) -> dict[str, str]:
    settings = {"release": str(everyday_dir), "database_url": url, **more}
    return {f"CHURNSAVER_{name.upper()}": str(value) for name, value in settings.items()}


class Load:
    """Clients that ask about ever new customers until the server is gone."""

    def __init__(self, server: ServerProcess, clients: int = 8) -> None:
        self.acknowledged: list[str] = []
        self._server = server
        self._clients = clients
        self._lock = Lock()

    def run(self, enough: int, stop: Callable[[], None]) -> None:
        """Run until `stop`, called after that many answers, has ended the server."""
        with ThreadPoolExecutor(self._clients) as pool:
            list(pool.map(lambda number: self._client(number, enough, stop), range(self._clients)))

    def _client(self, number: int, enough: int, stop: Callable[[], None]) -> None:
        with httpx.Client(base_url=self._server.url, timeout=30) as client:
            for turn in range(10_000):
                body = {"customer_id": f"{number}-{turn}", "profile": PROFILE}
                try:
                    response = client.post("/retain", json=body)
                except httpx.TransportError:
                    return
                if response.status_code == 503:
                    return
                assert response.status_code == 200, response.text
                with self._lock:
                    self.acknowledged.append(response.json()["decision_id"])
                    due = len(self.acknowledged) == enough
                if due:
                    stop()
        raise AssertionError("the server never went away")


def recorded(database: Database) -> set[str]:
    with database.read() as connection:
        return set(connection.scalars(sa.select(decisions.c.id)))


def test_sigkill_loses_nothing_acknowledged(
    any_url: str, everyday_dir: UPath, tmp_path: Path
) -> None:
    env = environment(everyday_dir, any_url, **AMPLE)
    database = Database(any_url)
    with ServerProcess(tmp_path / "server.log", env) as server:
        load = Load(server)
        load.run(300, server.kill)
    assert len(load.acknowledged) >= 300
    assert set(load.acknowledged) <= recorded(database)
    before = audit(database, under(**AMPLE))
    with ServerProcess(tmp_path / "again.log", env) as server:
        assert httpx.get(f"{server.url}/readyz").status_code == 200
        found = httpx.get(f"{server.url}/decisions/{load.acknowledged[-1]}")
        assert found.status_code == 200
        body = {"customer_id": "after", "profile": PROFILE}
        assert httpx.post(f"{server.url}/retain", json=body).status_code == 200
    assert audit(database, under(**AMPLE)) == before + 1
    database.close()


def test_sigterm_answers_what_was_asked(
    sqlite_url: str, everyday_dir: UPath, tmp_path: Path
) -> None:
    env = environment(everyday_dir, sqlite_url, **AMPLE)
    database = Database(sqlite_url)
    with ServerProcess(tmp_path / "server.log", env) as server:
        load = Load(server)
        load.run(150, server.terminate)
        # uvicorn shuts down, then lets the signal act as it would have: not at all where the tests
        # were started with it ignored, as some runners do.
        assert server.wait() in (-signal.SIGTERM, 0)
    assert "Finished server process" in server.log.read_text()
    assert set(load.acknowledged) == recorded(database)
    database.close()


def test_locked_ledger_refuses_and_decides_nothing(
    sqlite_url: str, everyday_dir: UPath, tmp_path: Path
) -> None:
    env = environment(everyday_dir, sqlite_url, request_deadline_s=0.3, max_queue=6, **AMPLE)
    database = Database(sqlite_url)

    def ask(number: int) -> httpx.Response:
        body = {"customer_id": f"c{number}", "profile": PROFILE}
        return httpx.post(f"{server.url}/retain", json=body, timeout=30)

    with ServerProcess(tmp_path / "server.log", env) as server:
        with database.write(), ThreadPoolExecutor(16) as pool:
            refused = list(pool.map(ask, range(16)))
        kinds = {response.json()["type"].rpartition(":")[2] for response in refused}
        assert {response.status_code for response in refused} == {503}
        assert all("retry-after" in response.headers for response in refused)
        assert kinds == {"ledger-unavailable", "overloaded"}
        assert recorded(database) == set()
        assert ask(0).status_code == 200
    assert audit(database, under(**AMPLE)) == 1
    database.close()


@pytest.mark.parametrize(
    "limits",
    [{"budget_usd": 300.0, "daily_capacity": 1000}, {"budget_usd": 1e6, "daily_capacity": 3}],
    ids=["budget", "capacity"],
)
def test_two_servers_on_one_postgresql(
    postgres_url: str, everyday_dir: UPath, tmp_path: Path, limits: dict[str, Any]
) -> None:
    # A budget for one customer: pacing sees no need to save, so that it is the limit which binds.
    limits = limits | {"exploration": 0.0, "customers": 1}
    env = environment(everyday_dir, postgres_url, **limits)
    database = Database(postgres_url)
    first = ServerProcess(tmp_path / "first.log", env)
    second = ServerProcess(tmp_path / "second.log", env)
    with first, second, ThreadPoolExecutor(8) as pool:
        servers = [first, second]

        def ask(number: int) -> httpx.Response:
            # The same customer, at the same time, at both servers.
            body = {"customer_id": f"c{number // 2}", "profile": PROFILE}
            key = {"Idempotency-Key": f"k{number // 4}"} if number % 4 < 2 else {}
            return httpx.post(f"{servers[number % 2].url}/retain", json=body, headers=key)

        answers = list(pool.map(ask, range(120)))
    assert {answer.status_code for answer in answers} == {200}
    for number in range(0, 120, 4):
        assert answers[number].content == answers[number + 1].content
    assert audit(database, under(**limits)) == 90
    with database.read() as connection:
        bound = {
            rule for one in connection.scalars(sa.select(decisions.c.constraints)) for rule in one
        }
    assert bound >= {"open_contact", "budget" if limits["budget_usd"] == 300 else "capacity"}
    database.close()
