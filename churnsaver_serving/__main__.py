"""Command line: `python -m churnsaver_serving serve` and `... migrate`."""

import argparse
import gc
import os
import sys
from collections.abc import Sequence

import msgspec

from churnsaver_serving.live.errors import LedgerUnavailableError
from churnsaver_serving.live.store.database import Database
from churnsaver_serving.live.store.schema import migrate
from churnsaver_serving.settings import Settings

# Schema changes on a filled ledger may take longer than any request.
_MIGRATION_TIMEOUT_S = 600.0
_DRAIN_S = 15
# Longer than load balancers keep idle connections, so that they close them and we don't.
_KEEP_ALIVE_S = 75


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a command; settings come from the environment (see `Settings`)."""
    parser = argparse.ArgumentParser(prog="churnsaver_serving", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    serve = commands.add_parser("serve", help="serve the API")
    serve.add_argument("--host", help="address to listen on (CHURNSAVER_HOST)")
    serve.add_argument("--port", type=int, help="port to listen on (CHURNSAVER_PORT)")
    commands.add_parser("migrate", help="bring the ledger's tables up to date")
    options = parser.parse_args(arguments)
    try:
        settings = Settings.from_env(os.environ)
        if options.command == "migrate":
            revision = _migrate(settings)
            sys.stdout.write(f"ledger at revision {revision}\n")
        else:
            given = {"host": options.host, "port": options.port}
            named = {name: value for name, value in given.items() if value is not None}
            _serve(msgspec.structs.replace(settings, **named))
    except (ValueError, LedgerUnavailableError) as error:
        parser.exit(2, f"{parser.prog}: {error}\n")


def _migrate(settings: Settings) -> str | None:
    database = Database(settings.ledger_url(), timeout_s=_MIGRATION_TIMEOUT_S)
    try:
        return migrate(database)
    finally:
        database.close()


def _serve(settings: Settings) -> None:
    import uvicorn

    from churnsaver_serving.app import create_app

    if settings.database_url is None:
        _migrate(settings)  # the default ledger is this server's own; others are migrated by hand
    app = create_app(settings)
    app.on_startup.append(_freeze)
    uvicorn.run(
        app,
        host=settings.host,
        port=settings.port,
        loop="auto",  # uvloop where there is one
        http="httptools",
        access_log=False,
        log_level=settings.log_level,
        timeout_keep_alive=_KEEP_ALIVE_S,
        timeout_graceful_shutdown=_DRAIN_S,
    )


def _freeze() -> None:
    """Keep what is loaded out of garbage collection: a full one took 130 ms, about once a second.

    Runs once the release is loaded.
    """
    gc.collect()
    gc.freeze()


if __name__ == "__main__":
    main()
