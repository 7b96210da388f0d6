"""The ledger's tables brought to a revision, and which revision they are at."""

from functools import cache
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError

from churnsaver_serving.live.errors import LedgerUnavailableError
from churnsaver_serving.live.store import migrations
from churnsaver_serving.live.store.database import Database


@cache
def head() -> str:
    """Return the newest revision, which this version of the program needs."""
    revision = ScriptDirectory.from_config(_config()).get_current_head()
    if revision is None:
        raise ValueError("the migrations have no head")
    return revision


def migrate(database: Database, revision: str = "head") -> str | None:
    """Bring the ledger's tables to a revision, up or down; creates the database file of SQLite.

    Returns:
        The revision afterwards; None where the tables are gone.

    Raises:
        LedgerUnavailableError: The database can't be reached, or is at a revision of a newer
            program; nothing was changed.
    """
    if database.url.get_backend_name() == "sqlite":
        Path(str(database.url.database)).parent.mkdir(parents=True, exist_ok=True)
    with database.write() as connection:
        config = _config()
        config.attributes["connection"] = connection
        found = MigrationContext.configure(connection).get_current_revision()
        if not _known(found):
            raise LedgerUnavailableError(_newer(found))
        move = command.downgrade if _is_before(revision, found) else command.upgrade
        move(config, revision)
        return MigrationContext.configure(connection).get_current_revision()


def check_revision(database: Database) -> str:
    """Return the ledger's revision.

    Raises:
        LedgerUnavailableError: The database can't be reached, or is not at the head.
    """
    with database.read() as connection:
        found = MigrationContext.configure(connection).get_current_revision()
    if not _known(found):
        raise LedgerUnavailableError(_newer(found))
    if found != head():
        raise LedgerUnavailableError(
            f"ledger: its tables are at revision {found or 'none'}, this program needs {head()}; "
            f"run `python -m churnsaver_serving migrate`"
        )
    return found


@cache
def _known(revision: str | None) -> bool:
    """Return whether this program has that revision; None, no tables at all, is one."""
    try:
        ScriptDirectory.from_config(_config()).get_revision(revision or "base")
    except CommandError:
        return False
    return True


def _is_before(revision: str, found: str | None) -> bool:
    """Return whether a revision lies before the one that the tables are at."""
    if revision == "base" or found is None:
        return revision == "base"
    steps = ScriptDirectory.from_config(_config()).iterate_revisions(found, "base")
    return revision in {str(step.down_revision) for step in steps}


def _newer(revision: str | None) -> str:
    return (
        f"ledger: its tables are at revision {revision}, which this program does not know (its "
        f"newest is {head()}); run the version that migrated them, or a newer one"
    )


def _config() -> Config:
    config = Config()
    folder = str(Path(str(migrations.__file__)).parent)
    config.set_main_option("script_location", folder.replace("%", "%%"))  # it interpolates
    return config
