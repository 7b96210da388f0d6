"""Connections to the ledger: writing transactions that exclude each other, readers beside them."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import msgspec
import sqlalchemy as sa
from sqlalchemy.exc import ArgumentError, InterfaceError, OperationalError, ProgrammingError

from churnsaver_serving.live.errors import LedgerUnavailableError

# Any number will do, as long as all writers of one ledger use the same.
_PG_LOCK = 0x636875726E
_BEGIN = "sqlite_begin"
# No table, no server, no lock in time: what the operator mends, not the caller.
_UNAVAILABLE = (OperationalError, InterfaceError, ProgrammingError)


class Database:
    """The ledger's database, SQLite or PostgreSQL.

    Args:
        url: SQLAlchemy URL.
        timeout_s: how long to wait for a lock or a connection.

    Raises:
        ValueError: the URL is not one of a durable database of the two kinds.
    """

    def __init__(self, url: str, *, timeout_s: float = 5.0) -> None:
        self.url = _checked(url)
        self.engine = sa.create_engine(
            self.url,
            connect_args=_connect_args(self.url, timeout_s),
            json_serializer=_dumps,
            json_deserializer=msgspec.json.decode,
            pool_pre_ping=self.url.get_backend_name() == "postgresql",
        )
        if self.url.get_backend_name() == "sqlite":
            _configure_sqlite(self.engine)
        self._writer = self.engine.execution_options(**{_BEGIN: "IMMEDIATE"})

    @contextmanager
    def write(self) -> Iterator[sa.Connection]:
        """A transaction that no other writer of the ledger runs beside, in any process.

        It is durable once the block is left: SQLite syncs its log, PostgreSQL its own.

        Raises:
            LedgerUnavailableError: the database can't be reached or is locked for too long.
        """
        with _translated(), self._writer.begin() as connection:
            if connection.dialect.name == "postgresql":
                # Budget, capacity and contact histories are read and then written: row locks
                # would miss rows that don't exist yet, and a month or day that begins meanwhile.
                connection.execute(_LOCK)
            yield connection

    @contextmanager
    def read(self) -> Iterator[sa.Connection]:
        """A reading transaction; it doesn't wait for writers.

        Raises:
            LedgerUnavailableError: the database can't be reached.
        """
        with _translated(), self.engine.connect() as connection:
            yield connection

    def close(self) -> None:
        """Close all connections."""
        self.engine.dispose()


_LOCK = sa.select(sa.func.pg_advisory_xact_lock(sa.literal(_PG_LOCK, sa.BigInteger)))


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except _UNAVAILABLE as error:
        raise LedgerUnavailableError(f"ledger: {error.orig or error}") from error


def _checked(url: str) -> sa.URL:
    try:
        parsed = sa.make_url(url)
    except ArgumentError as error:
        raise ValueError(f"database_url: {url!r} is no SQLAlchemy URL") from error
    match parsed.get_backend_name():
        case "postgresql":
            return parsed.set(drivername="postgresql+psycopg")
        case "sqlite" if parsed.database not in (None, "", ":memory:"):
            return parsed
        case _:
            raise ValueError(
                f"database_url: expected sqlite:///PATH or postgresql://..., got {url!r}; the "
                f"ledger must outlive the process"
            )


def _connect_args(url: sa.URL, timeout_s: float) -> dict[str, Any]:
    if url.get_backend_name() == "sqlite":
        return {"timeout": timeout_s}
    milliseconds = round(timeout_s * 1000)
    return {
        "connect_timeout": max(round(timeout_s), 2),
        "options": f"-c lock_timeout={milliseconds} -c statement_timeout={milliseconds} "
        "-c synchronous_commit=on",
    }


def _configure_sqlite(engine: sa.Engine) -> None:
    @sa.event.listens_for(engine, "connect")
    def connect(connection: Any, record: object) -> None:  # noqa: ANN401, ARG001 - a sqlite3 connection
        connection.isolation_level = None  # transactions begin where `begin` below says so
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("PRAGMA foreign_keys=ON")

    @sa.event.listens_for(engine, "begin")
    def begin(connection: sa.Connection) -> None:
        kind = connection.get_execution_options().get(_BEGIN, "DEFERRED")
        connection.exec_driver_sql(f"BEGIN {kind}")


def _dumps(value: object) -> str:
    return msgspec.json.encode(value).decode()
