"""Migrations and tables agree, on both databases, up and down."""

from collections.abc import Callable
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from serving_process import cli

from churnsaver_serving.live.database import Database
from churnsaver_serving.live.errors import LedgerUnavailableError
from churnsaver_serving.live.schema import check_revision, head, migrate
from churnsaver_serving.live.tables import metadata


@pytest.fixture(params=["sqlite", "postgresql"])
def new_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A database without anything in it."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'deeper' / 'new.db'}"
    make: Callable[[], str] = request.getfixturevalue("postgres")
    return make()


def test_up_down_and_up_again(new_url: str) -> None:
    database = Database(new_url)
    assert migrate(database) == head()
    assert check_revision(database) == head()
    with database.read() as connection:
        context = MigrationContext.configure(connection)
        assert compare_metadata(context, metadata) == []
        assert names(connection) == {"alembic_version", *metadata.tables}
        assert checks(connection) == {
            table.name: {str(one.name) for one in table.constraints if is_check(one)}
            for table in metadata.tables.values()
        }
    assert migrate(database, "base") is None
    with database.read() as connection:
        assert names(connection) == {"alembic_version"}
    with pytest.raises(LedgerUnavailableError, match=f"at revision none, .* needs {head()}"):
        check_revision(database)
    assert migrate(database) == head()
    assert migrate(database) == head()
    database.close()


def names(connection: sa.Connection) -> set[str]:
    return set(sa.inspect(connection).get_table_names())


def checks(connection: sa.Connection) -> dict[str, set[str]]:
    """Names of the check constraints, which Alembic does not compare."""
    inspector = sa.inspect(connection)
    return {
        table: {str(check["name"]) for check in inspector.get_check_constraints(table)}
        for table in metadata.tables
    }


def is_check(constraint: sa.Constraint) -> bool:
    return isinstance(constraint, sa.CheckConstraint)


def test_sqlite_syncs_every_commit(sqlite_url: str) -> None:
    database = Database(sqlite_url)
    with database.read() as connection:
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == 2  # FULL
        assert connection.exec_driver_sql("PRAGMA foreign_keys").scalar() == 1
    database.close()


def test_ledger_of_a_newer_program_is_left_alone(any_url: str) -> None:
    database = Database(any_url)
    set_revision(database, "9999")
    done = cli("migrate", env={"CHURNSAVER_DATABASE_URL": any_url})
    assert done.returncode == 2
    assert "at revision 9999, which this program does not know" in done.stderr
    assert f"newest is {head()}" in done.stderr
    assert "Traceback" not in done.stderr
    for revision in ("head", "base"):
        with pytest.raises(LedgerUnavailableError, match="9999"):
            migrate(database, revision)
    with database.read() as connection:
        assert names(connection) == {"alembic_version", *metadata.tables}
    set_revision(database, head())
    assert migrate(database) == head()
    database.close()


def set_revision(database: Database, revision: str) -> None:
    with database.write() as connection:
        connection.execute(
            sa.text("UPDATE alembic_version SET version_num = :to"), {"to": revision}
        )
