"""Migrations and tables agree, on both databases, up and down."""

from collections import Counter
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext

from churnsaver_serving.live.errors import LedgerUnavailableError
from churnsaver_serving.live.records import read_decision, read_outcomes
from churnsaver_serving.live.store.database import Database
from churnsaver_serving.live.store.schema import check_revision, head, migrate
from churnsaver_serving.live.store.tables import accounts, customers, decisions, metadata
from churnsaver_serving.schemas import Pacing
from tests.support.serving.process import cli
from tests.support.serving.profiles import AT_RISK


@pytest.fixture(params=["sqlite", "postgresql"])
def new_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Make a database without anything in it."""
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


def test_pacing_keeps_what_was_decided_before(new_url: str) -> None:
    """From the first revision, with rows in it, up, down and up again."""
    database = Database(new_url)
    assert migrate(database, "0001") == "0001"
    made = {"none": (False, 0), "five": (True, 5), "twenty": (True, 20)}
    rows = [old_row(name, contact, offer) for name, (contact, offer) in made.items()]
    with database.write() as connection:
        then = sa.MetaData()
        then.reflect(connection)
        assert set(rows[0]) == set(then.tables["decisions"].columns.keys())
        connection.execute(then.tables["decisions"].insert(), rows)
        outcome = {"customer_id": "c", "observed_at": AT, "recorded_at": AT}
        connection.execute(
            then.tables["outcomes"].insert(), outcome | {"decision_id": "five", "kind": "accepted"}
        )
    for _ in range(2):
        assert migrate(database) == head()
        with database.read() as connection:
            kept = connection.execute(sa.select(decisions).order_by(decisions.c.offer_pct)).all()
            assert [one.id for one in kept] == list(made)
            assert [one.p_accept_offered for one in kept] == [None, 0.25, 0.75]
            assert {(one.multiplier, *one.belief) for one in kept} == {(0.0, 0.0, 0.0, 0.0)}
            assert [one.contact_cents for one in kept] == [0, 200, 200]
            assert [one.discount_cents for one in kept] == [0, 1400, 5600]
            assert {(one.message_rung, one.message_verdicts) for one in kept} == {(None, None)}
            assert len(read_outcomes(connection, ["five"])["five"]) == 1
        assert migrate(database, "0001") == "0001"
    assert migrate(database) == head()
    with database.read() as connection:
        record = read_decision(connection, "twenty")
    assert record is not None
    assert record.answer.pacing == Pacing()
    assert record.answer.message is record.log.message is None
    assert (record.log.multiplier, record.log.belief) == (0.0, (0.0, 0.0, 0.0))
    assert record.customer.history.last_accepted_on is None
    database.close()


def test_contacts_are_carried_over(new_url: str) -> None:
    """A month of the ledger as it was, with what no longer can be: two open contacts at once."""
    database = Database(new_url)
    assert migrate(database, "0003") == "0003"
    today = datetime.now(UTC).replace(hour=12)
    recent, old = today - timedelta(days=3), today - timedelta(days=60)
    contacts = {
        "took": ("a", old),
        "refused": ("b", old),
        "silent": ("c", old),
        "first": ("d", recent),
        "second": ("d", recent + timedelta(days=2)),
    }
    rows = [
        old_row(name, contact=True, offer=20)
        | {
            "customer_id": customer,
            "decided_at": at,
            "contact_on": at.date(),
            "p_accept_offered": 0.75,
            "constraint_bound": "cooldown" if name == "second" else None,
        }
        for name, (customer, at) in contacts.items()
    ]
    rows.append(
        old_row("none", contact=False, offer=0) | {"customer_id": "e", "p_accept_offered": None}
    )
    told = [("took", "a", "accepted"), ("refused", "b", "refused"), ("took", "a", "churned")]
    limits = {"period": f"{old:%Y-%m}", "limit_cents": 90_000, "committed_cents": 12_200}
    with database.write() as connection:
        then = sa.MetaData()
        then.reflect(connection)
        connection.execute(then.tables["decisions"].insert(), rows)
        connection.execute(
            then.tables["outcomes"].insert(),
            [
                {
                    "decision_id": name,
                    "customer_id": customer,
                    "kind": kind,
                    "observed_at": today,
                    "recorded_at": today,
                }
                for name, customer, kind in told
            ],
        )
        connection.execute(then.tables["budgets"].insert(), limits)
    assert migrate(database) == head()
    with database.read() as connection:
        kept = {one.id: one for one in connection.execute(sa.select(decisions))}
        known = {one.customer_id: one for one in connection.execute(sa.select(customers))}
        spent: Counter[str] = Counter()
        for one in connection.execute(sa.select(accounts)):
            spent[one.month] = one.spent_cents
            assert one.limit_cents == 90_000
        opened = connection.execute(
            sa.select(
                sa.func.sum(accounts.c.mean_cents),
                sa.func.sum(accounts.c.variance),
                sa.func.sum(accounts.c.worst_cents),
            )
        ).one()
    assert {name: one.contact_state for name, one in kept.items()} == {
        "took": "accepted",
        "refused": "refused",
        "silent": "expired",
        "first": "expired",
        "second": "open",
        "none": None,
    }
    assert kept["second"].constraints == ["cooldown"]
    assert kept["none"].constraints == []
    assert kept["second"].contact_month == f"{recent + timedelta(days=2):%Y-%m}"
    expected: Counter[str] = Counter()
    for name, cents in (("took", 5800), ("refused", 200), ("silent", 200), ("first", 200)):
        expected[f"{contacts[name][1]:%Y-%m}"] += cents
    assert +spent == expected
    assert opened == (200 + 4200, 5600**2 * 3 // 16, 5800)
    assert (known["d"].open_id, known["d"].open_on) == ("second", kept["second"].contact_on)
    assert known["a"].accepted_on == today.date()
    assert known["a"].churned_at == today
    assert known["a"].refused_on is None
    assert known["b"].refused_on == old.date()
    assert set(known) == {"a", "b", "c", "d", "e"}
    assert migrate(database, "0003") == "0003"
    with database.read() as connection:
        then = sa.MetaData()
        then.reflect(connection)
        committed = dict(
            connection.execute(
                sa.select(then.tables["budgets"].c.period, then.tables["budgets"].c.committed_cents)
            ).all()
        )
        reserves = connection.scalar(
            sa.select(sa.func.sum(then.tables["decisions"].c.reserve_cents))
        )
    expected[f"{contacts['second'][1]:%Y-%m}"] += 5800
    assert {month: cents for month, cents in committed.items() if cents} == expected
    assert reserves == 5 * 5800
    database.close()


AT = datetime(2026, 11, 2, 9, 0, tzinfo=UTC)


def old_row(name: str, contact: bool, offer: int) -> dict[str, Any]:
    """Make a decision as the program before wrote it."""
    p_accept = {"0": 0.125, "5": 0.25, "10": 0.5, "20": 0.75}
    day = date(2026, 11, 2) if contact else None
    answer = {
        "decision_id": "019a9d3c-2f4e-7b1a-9c3d-5e6f7a8b9c0d",
        "customer_id": "c",
        "decided_at": "2026-11-02T09:00:00Z",
        "decision": {
            "contact": contact,
            "offer_pct": offer,
            "delay_days": 0,
            "contact_on": day,
        },
        "scores": {"p_churn": 0.5, "p_accept": p_accept},
        "reasons": {"risk": [], "cause": "policy", "constraint": None},
        "policy": "greedy_value",
        "propensity": 1.0,
        "release": {"id": "r", "churn_risk": "h", "offer_acceptance": "h"},
        "data": "real",
    }
    history = {
        "last_contact_on": None,
        "contacts_in_window": 0,
        "previous_contact_on": None,
        "previous_contacts": 0,
        "previous_outcome": "nonexistent",
        "opted_out": False,
    }
    customer = {
        "customer_id": "c",
        "profile": msgspec.to_builtins(AT_RISK),
        "channel": "cellular",
        "history": history,
    }
    return {
        "id": name,
        "customer_id": "c",
        "decided_at": AT,
        "contact": contact,
        "offer_pct": offer,
        "delay_days": 0,
        "contact_on": day,
        "p_churn": 0.5,
        "p_accept": p_accept,
        "customer": customer,
        "context": [1.0],
        "eligible": [0, 1],
        "probabilities": [0.5, 0.5],
        "action": 1 if contact else 0,
        "propensity": 1.0,
        "uniform": 0.5,
        "cause": "policy",
        "constraint_bound": None,
        "drivers": [],
        "reserve_cents": 200 + 280 * offer if contact else 0,
        "discount_cents": 280 * offer if contact else 0,
        "budget_remaining_cents": 100,
        "policy": "greedy_value",
        "release_id": "r",
        "data": "real",
        "idempotency_key": None,
        "request_sha256": "0" * 64,
        "answer": msgspec.json.encode(answer).decode(),
    }


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
