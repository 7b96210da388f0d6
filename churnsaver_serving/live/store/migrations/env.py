"""Environment of Alembic: the ledger, over the connection that `migrate` hands it."""

from alembic import context

from churnsaver_serving.live.store.tables import metadata


def run() -> None:
    """Run the migrations asked for."""
    connection = context.config.attributes["connection"]
    context.configure(
        connection=connection,
        target_metadata=metadata,
        render_as_batch=connection.dialect.name == "sqlite",
    )
    with context.begin_transaction():
        context.run_migrations()


run()
