"""Connections to the ledger: writing transactions that exclude each other, readers beside them."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import msgspec
import sqlalchemy as sa
from sqlalchemy.exc import (
    ArgumentError,
    IntegrityError,
    InterfaceError,
    OperationalError,
    ProgrammingError,
)
from sqlalchemy.exc import (
    TimeoutError as PoolTimeoutError,
)

from churnsaver_serving.live.errors import CommitUnknownError, LedgerUnavailableError

# Any number will do, as long as all writers of one ledger use the same.
_PG_LOCK = 0x636875726E
_BEGIN = "sqlite_begin"
# No table, no server, no lock or connection in time: what the operator mends, not the caller.
_UNAVAILABLE = (OperationalError, InterfaceError, ProgrammingError, PoolTimeoutError)


class Database:
    """The ledger's database, SQLite or PostgreSQL.

    Args:
        url: SQLAlchemy URL.
        timeout_s: Longest wait for a lock or a connection, seconds.

    Raises:
        ValueError: The URL is not one of a durable database of the two kinds.
    """

    def __init__(self, url: str, *, timeout_s: float = 5.0) -> None:
        self.url = _checked(url)
        self.engine = sa.create_engine(
            self.url,
            connect_args=_connect_args(self.url, timeout_s),
            json_serializer=_dumps,
            json_deserializer=msgspec.json.decode,
            hide_parameters=True,  # they are customers' data, and errors are logged
            pool_timeout=timeout_s,
            **_engine_options(self.url),
        )
        sa.event.listen(self.engine, "handle_error", _hide_values)
        if self.url.get_backend_name() == "sqlite":
            _configure_sqlite(self.engine)
        self._writer = self.engine.execution_options(**{_BEGIN: "IMMEDIATE"})

    @contextmanager
    def write(self) -> Iterator[sa.Connection]:
        """Open a transaction that no other writer of the ledger runs beside, in any process.

        It is durable once the block is left: SQLite syncs its log, PostgreSQL its own.

        Raises:
            CommitUnknownError: The commit failed; it may have taken effect all the same.
            LedgerUnavailableError: The database can't be reached or is locked for too long;
                nothing was written.
        """
        committing = False
        try:
            with _translated(), self._writer.begin() as connection:
                if connection.dialect.name == "postgresql":
                    # Budget, capacity and contact histories are read and then written: row locks
                    # would miss rows that don't exist yet, and a month or day that begins
                    # meanwhile.
                    connection.execute(_LOCK)
                yield connection
                committing = True
        except IntegrityError:
            raise  # the database's own refusal, also of a commit: it wrote nothing
        except Exception as error:
            if committing:
                raise CommitUnknownError(f"commit: {error}") from error
            raise

    @contextmanager
    def read(self) -> Iterator[sa.Connection]:
        """Open a reading transaction; it doesn't wait for writers.

        Raises:
            LedgerUnavailableError: The database can't be reached.
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
        reason = getattr(error, "orig", None) or error
        raise LedgerUnavailableError(f"ledger: {reason}") from error


def _checked(url: str) -> sa.URL:
    try:
        parsed = sa.make_url(url)
    except (ArgumentError, ValueError):
        # Neither the URL nor the part that is wrong is shown: it may hold the password.
        raise ValueError(
            "database_url: expected sqlite:///PATH or postgresql://USER:PASSWORD@HOST:PORT/NAME, "
            "got what is no URL; escape characters such as @ and / in the password (%40, %2F)"
        ) from None
    match parsed.get_backend_name():
        case "postgresql":
            return parsed.set(drivername="postgresql+psycopg")
        case "sqlite" if parsed.database not in (None, "", ":memory:"):
            return parsed
        case _:
            # Parameters are left out: a password may be among them too.
            shown = parsed.set(query={}).render_as_string(hide_password=True)
            raise ValueError(
                f"database_url: expected sqlite:///PATH or postgresql://..., got {shown!r}; the "
                f"ledger must outlive the process"
            )


def _connect_args(url: sa.URL, timeout_s: float) -> dict[str, Any]:
    if url.get_backend_name() == "sqlite":
        return {"timeout": timeout_s}
    seconds, milliseconds = max(round(timeout_s), 2), round(timeout_s * 1000)
    defaults = {
        "connect_timeout": seconds,
        # A server that vanished without a word is given up, whether it owes us an
        # acknowledgement or an answer.
        "tcp_user_timeout": milliseconds,
        "keepalives": 1,
        "keepalives_idle": seconds,
        "keepalives_interval": 1,
        "keepalives_count": 3,
    }
    # What is given here replaces the URL's: its own options are kept, ours come last and win.
    given = url.normalized_query.get("options", ())
    ours = (
        f"-c lock_timeout={milliseconds}",
        f"-c statement_timeout={milliseconds}",
        "-c synchronous_commit=on",
    )
    kept = {name: value for name, value in defaults.items() if name not in url.query}
    return kept | {"options": " ".join((*given, *ours))}


def _engine_options(url: sa.URL) -> dict[str, Any]:
    if url.get_backend_name() == "sqlite":
        return {}
    # Not the server's default: after waiting for the lock a writer must see what was committed
    # meanwhile, which a snapshot taken before (REPEATABLE READ) would not show.
    return {"isolation_level": "READ COMMITTED", "pool_pre_ping": True}


def _hide_values(context: sa.engine.ExceptionContext) -> None:
    """Keep of PostgreSQL's messages the first line: the details quote rows and keys."""
    original, wrapped = context.original_exception, context.sqlalchemy_exception
    primary = getattr(getattr(original, "diag", None), "message_primary", None)
    if primary:
        original.args = (primary,)
        if wrapped is not None:
            wrapped.args = (f"({type(original).__name__}) {primary}",)


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
