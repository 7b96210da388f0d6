"""Connections to the ledger: lost commits, operators' options, and what errors give away."""

import json
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
import sqlalchemy as sa
from litestar.testing import TestClient
from upath import UPath

from churnsaver_serving.app import create_app
from churnsaver_serving.live import service
from churnsaver_serving.live.commands import Retain
from churnsaver_serving.live.errors import CommitUnknownError, LedgerUnavailableError
from churnsaver_serving.live.ledger import Ledger
from churnsaver_serving.live.store.database import Database
from churnsaver_serving.live.store.tables import decisions
from churnsaver_serving.schemas import RetainRequest
from churnsaver_serving.settings import Settings
from tests.support.serving.clock import Clock
from tests.support.serving.process import cli
from tests.support.serving.profiles import AT_RISK


def lose_commits(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let commits take effect; then lose the connection before their answer arrives."""
    dialect = database.engine.dialect
    commit = dialect.do_commit

    def lost(connection: Any) -> None:
        commit(connection)
        raise dialect.loaded_dbapi.OperationalError("server closed the connection unexpectedly")

    monkeypatch.setattr(dialect, "do_commit", lost)


def rows(database: Database) -> int:
    with database.read() as connection:
        return int(connection.scalar(sa.select(sa.func.count()).select_from(decisions)) or 0)


def test_lost_commit_is_not_called_a_failure(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    command = Retain(RetainRequest("c", AT_RISK), "key")
    with monkeypatch.context() as patch:
        lose_commits(ledger.database, patch)
        with pytest.raises(CommitUnknownError, match="server closed the connection"):
            ledger.process([command])
    assert rows(ledger.database) == 1
    [answer] = ledger.process([command])
    assert isinstance(answer, bytes)
    with ledger.database.read() as connection:
        assert msgspec.json.decode(answer)["decision_id"] == connection.scalar(
            sa.select(decisions.c.id)
        )
    assert rows(ledger.database) == 1


def test_error_before_the_commit_is_known_to_have_written_nothing(any_url: str) -> None:
    database = Database(any_url)
    with pytest.raises(LedgerUnavailableError) as caught, database.write() as connection:
        connection.exec_driver_sql("SELECT * FROM no_such_table")
    assert not isinstance(caught.value, CommitUnknownError)
    with pytest.raises(ZeroDivisionError), database.write():
        raise ZeroDivisionError
    database.close()


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[Database]:
    """Return the databases that servers under test have opened."""
    databases: list[Database] = []

    def open_database(*arguments: Any, **more: Any) -> Database:
        databases.append(Database(*arguments, **more))
        return databases[-1]

    monkeypatch.setattr(service, "Database", open_database)
    return databases


@pytest.fixture
def settings(release_dir: UPath, any_url: str) -> Settings:
    return Settings(release=str(release_dir), database_url=any_url)


def serve(settings: Settings) -> TestClient[Any]:
    """No fixture: the log goes to the standard error found when the application is made."""
    return TestClient(create_app(settings, clock=Clock()), raise_server_exceptions=False)


def test_lost_commit_over_http(
    capfd: pytest.CaptureFixture[str],
    settings: Settings,
    opened: list[Database],
    body: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    key = {"Idempotency-Key": "k"}
    with serve(settings) as client:
        with monkeypatch.context() as patch:
            lose_commits(opened[0], patch)
            lost = client.post("/retain", json=body, headers=key)
        repeated = client.post("/retain", json=body, headers=key)
        assert repeated.status_code == 200
        assert client.get(f"/decisions/{repeated.json()['decision_id']}").status_code == 200
        assert rows(opened[0]) == 1
    assert lost.status_code == 503
    assert "retry-after" in lost.headers
    problem = lost.json()
    assert problem["type"] == "urn:churnsaver:problem:outcome-unknown"
    assert "same Idempotency-Key" in problem["detail"]
    assert "nothing was recorded" not in problem["detail"]
    assert json.loads(capfd.readouterr().err)["event"] == "commit_unknown"


def test_customers_do_not_reach_the_log(
    capfd: pytest.CaptureFixture[str],
    settings: Settings,
    opened: list[Database],
    body: dict[str, Any],
) -> None:
    with serve(settings) as client:
        with opened[0].write() as connection:
            connection.exec_driver_sql("CREATE UNIQUE INDEX once ON decisions (customer_id)")
        try:
            assert client.post("/retain", json=body).status_code == 200
            response = client.post("/retain", json=body)
            assert rows(opened[0]) == 1
        finally:
            with opened[0].write() as connection:
                connection.exec_driver_sql("DROP INDEX once")
    assert response.status_code == 500
    assert "nothing was recorded" not in response.text
    logged = capfd.readouterr().err
    event = json.loads(logged)
    assert event["event"] == "unhandled"
    assert "IntegrityError" in event["exception"]
    assert body["customer_id"] not in logged
    assert body["customer_id"] not in response.text


@pytest.mark.parametrize(
    "url",
    [
        "mysql://user:hunter2@host/name",
        "mysql://host/name?password=hunter2",
        "postgresql://user:hunter2@host:port/name",
        "postgresql:/user:hunter2@host/name",
        "user:hunter2@host",
        "sqlite://user:hunter2@",
    ],
)
def test_password_is_not_shown(url: str) -> None:
    with pytest.raises(ValueError, match=r"database_url: expected sqlite:///PATH") as caught:
        Database(url)
    assert "hunter2" not in str(caught.value)
    done = cli("migrate", env={"CHURNSAVER_DATABASE_URL": url})
    assert done.returncode == 2
    assert "database_url: expected" in done.stderr
    assert "hunter2" not in done.stdout + done.stderr
    assert "Traceback" not in done.stderr


def test_postgresql_keeps_the_operators_options(postgres: Callable[[], str]) -> None:
    url = sa.make_url(postgres()).update_query_dict(
        {
            "options": "-c application_name=churn -c synchronous_commit=off "
            "-c default_transaction_isolation=serializable",
            "keepalives_idle": "77",
        }
    )
    database = Database(url.render_as_string(hide_password=False), timeout_s=3.0)
    with database.write() as connection:
        setting = {
            name: connection.exec_driver_sql(f"SHOW {name}").scalar()
            for name in (
                "application_name",
                "synchronous_commit",
                "lock_timeout",
                "statement_timeout",
                "transaction_isolation",
            )
        }
        driver: Any = connection.connection.driver_connection
        parameters = driver.info.get_parameters()
    database.close()
    assert setting == {
        "application_name": "churn",
        "synchronous_commit": "on",
        "lock_timeout": "3s",
        "statement_timeout": "3s",
        "transaction_isolation": "read committed",
    }
    assert parameters["tcp_user_timeout"] == "3000"
    assert parameters["keepalives_idle"] == "77"
    assert parameters["connect_timeout"] == "3"


def test_no_free_connection_is_an_unavailable_ledger(sqlite_url: str) -> None:
    database = Database(sqlite_url, timeout_s=0.05)
    held = [database.engine.connect() for _ in range(15)]  # the pool's 5 and its overflow of 10
    with pytest.raises(LedgerUnavailableError, match="QueuePool limit"), database.read():
        pass
    for connection in held:
        connection.close()
    database.close()
