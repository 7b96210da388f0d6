"""Any order of decisions, outcomes, budgets and days: nothing is overspent, no rule is broken."""

import shutil
import tempfile
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import sqlalchemy as sa
from hypothesis import given, seed, settings
from hypothesis import strategies as st

from churnsaver_serving.live.commands import Command, Observe, Retain
from churnsaver_serving.live.decider import Decider
from churnsaver_serving.live.ledger import Ledger
from churnsaver_serving.live.store.database import Database
from churnsaver_serving.live.store.tables import accounts, decisions
from churnsaver_serving.runtime.engine.release import Release
from churnsaver_serving.runtime.limits.rules import Rules
from churnsaver_serving.runtime.messages.message import MessageRequest
from churnsaver_serving.schemas import OutcomeKind, OutcomeRequest, RetainRequest
from tests.support.serving.audit import audit
from tests.support.serving.clock import Clock
from tests.support.serving.profiles import AT_RISK, random_profiles
from tests.support.serving.release import RULES, SEED

PROFILES = [*[AT_RISK] * 5, *random_profiles(3, np.random.default_rng(SEED))]
KINDS = ("accepted", "refused", "retained", "churned", "opted_out")
BUDGETS = (0.0, 60.0, 150.0, 400.0)
# Also where it often is another day than in London, and where nothing is known.
ZONES = ("America/New_York", "Pacific/Honolulu", "Asia/Tokyo", None)
HOME = MessageRequest(time_zone=ZONES[0])

rules = st.builds(
    lambda **changes: msgspec.structs.replace(
        RULES, fatigue_window_days=10, exploration_margin_usd=50.0, **changes
    ),
    # Mondays and Thursdays alone make most contacts wait, and so can be cancelled.
    contact_weekdays=st.sampled_from([RULES.contact_weekdays, ("mon", "thu")]),
    cooldown_days=st.integers(0, 5),
    fatigue_cap=st.integers(1, 3),
    budget_usd=st.sampled_from(BUDGETS),
    daily_capacity=st.integers(0, 4),
    exploration=st.sampled_from([0.0, 0.5, 1.0]),
    accepted_rest_days=st.integers(0, 8),
    answer_days=st.integers(1, 6),
    reserve_deviations=st.sampled_from([0.0, 1.0, 3.0]),
    customers=st.sampled_from([1, 1, 30]),
)
asks = st.tuples(st.just("ask"), st.integers(0, len(PROFILES) - 1), st.sampled_from([None, "k1"]))
# Answers the most often, or a history would be of customers who have left.
kinds = st.sampled_from((*KINDS, *["accepted"] * 5, *["refused"] * 4, "retained"))
tells = st.tuples(st.just("tell"), st.integers(0, 15), kinds)
batches = st.lists(asks | tells, min_size=1, max_size=8)
gaps = st.sampled_from([0.0, 0.3, 1.0, 2.0, 4.0, 12.0])
budgets = st.none() | st.sampled_from(BUDGETS)
histories = st.lists(st.tuples(batches, budgets, gaps), min_size=4, max_size=14)


@seed(42)
@given(
    limits=rules,
    steps=histories,
    learned=st.booleans(),
    from_day=st.integers(0, 29),
    lowers=st.booleans(),
)
@settings(max_examples=150, deadline=None)
def test_no_rule_is_ever_broken(
    release: Release,
    learned_release: Release,
    empty_sqlite: Path,
    *,
    limits: Rules,
    steps: list,
    learned: bool,
    from_day: int,
    lowers: bool,
) -> None:
    """From any day of a month, through its end, under budgets that rise, or rise and fall."""
    clock = Clock()
    clock.advance(from_day)
    served, in_force = learned_release if learned else release, [limits.budget_usd]
    with tempfile.TemporaryDirectory() as folder:
        database = Database(f"sqlite:///{shutil.copy(empty_sqlite, folder)}")
        ledger = Ledger(
            database,
            clock=clock,
            uniforms=np.random.default_rng(SEED).random,
            decider=decider(served, limits),
        )
        made: list[tuple[str, datetime]] = []
        for batch, budget, days in steps:
            if budget is not None and (lowers or budget >= in_force[-1]):
                limits = msgspec.structs.replace(limits, budget_usd=budget)
                ledger.decider = decider(served, limits)
                in_force.append(budget)
            results = ledger.process(commands(batch, made, clock.now))
            made += [
                (msgspec.json.decode(one)["decision_id"], clock.now)
                for one in results
                if type(one) is bytes
            ]
            clock.advance(days)
            audit(database, limits, in_force)
        database.close()


def decider(release: Release, limits: Rules) -> Decider:
    return Decider(release, overrides=msgspec.structs.asdict(limits))


def commands(batch: list, made: list[tuple[str, datetime]], now: datetime) -> list[Command]:
    """Make a batch as the writer would hand it over: nothing shared between two commands.

    Every second outcome is told late: it was true in the middle of the time since the decision.
    """
    chosen: list[Command] = []
    taken: set[Any] = set()
    for kind, number, detail in batch:
        if kind == "ask":
            message = MessageRequest(time_zone=ZONES[number % len(ZONES)])
            command: Command = Retain(
                RetainRequest(f"c{number}", PROFILES[number], message=message),
                f"{detail}{number}" if detail else None,
            )
        elif number < len(made):
            decision_id, decided_at = made[-1 - number]
            observed = decided_at + (now - decided_at) / 2 if number % 2 else now
            command = Observe(
                OutcomeRequest(decision_id, detail, max(observed, now - timedelta(9)))
            )
        else:
            continue
        if taken.isdisjoint(command.exclusive):
            taken.update(command.exclusive)
            chosen.append(command)
    return chosen


def test_long_history(make_ledger: Callable[..., Ledger], any_url: str, clock: Clock) -> None:
    """A quarter of busy days, in which everything happens that may become of a contact."""
    limits = msgspec.structs.replace(
        RULES,
        contact_weekdays=("mon", "thu"),
        exploration=0.0,
        fatigue_window_days=10,
        accepted_rest_days=20,
        answer_days=6,
        reserve_deviations=0.0,
        budget_usd=150.0,
        customers=1,
    )
    ledger = make_ledger(any_url, **msgspec.structs.asdict(limits))
    rng = np.random.default_rng(SEED)
    kinds: list[OutcomeKind] = ["accepted"] * 6 + ["refused"] * 3 + ["opted_out", "churned"]
    open_now: list[str] = []
    for day in range(90):
        told = [one for one in open_now if rng.random() < 0.15]
        names = [f"c{one + day // 30 * 20}" for one in rng.choice(25, size=6, replace=False)]
        results = ledger.process(
            [
                *(Retain(RetainRequest(name, AT_RISK, message=HOME)) for name in names),
                *(Observe(OutcomeRequest(one, kinds[rng.integers(len(kinds))])) for one in told),
            ]
        )
        answers = [msgspec.json.decode(one) for one in results if isinstance(one, bytes)]
        open_now = [one for one in open_now if one not in told]
        open_now += [one["decision_id"] for one in answers if one["decision"]["contact"]]
        clock.advance(1)
        if day % 10 == 9:
            audit(ledger.database, limits)
    with ledger.database.read() as connection:
        states = set(connection.scalars(sa.select(decisions.c.contact_state)))
        carried = connection.scalar(sa.select(sa.func.sum(accounts.c.carried_cents)))
    assert states == {None, "open", "accepted", "refused", "expired", "cancelled"}
    assert carried > 0
