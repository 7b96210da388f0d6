"""History of the ledger's tables, run by Alembic on SQLite and PostgreSQL alike."""
