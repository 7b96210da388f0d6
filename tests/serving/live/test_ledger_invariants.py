"""Any order of decisions and outcomes: nothing is overspent and no rule broken."""

import shutil
import tempfile
from pathlib import Path

import msgspec
import numpy as np
from hypothesis import given, seed, settings
from hypothesis import strategies as st

from churnsaver_serving.live.commands import Command, Observe, Retain
from churnsaver_serving.live.decider import Decider
from churnsaver_serving.live.ledger import Ledger
from churnsaver_serving.live.store.database import Database
from churnsaver_serving.runtime.release import Release
from churnsaver_serving.runtime.rules import Rules
from churnsaver_serving.schemas import OutcomeRequest, RetainRequest
from tests.support.serving.audit import audit
from tests.support.serving.clock import Clock
from tests.support.serving.profiles import AT_RISK, random_profiles
from tests.support.serving.release import RULES, SEED

PROFILES = [AT_RISK, *random_profiles(7, np.random.default_rng(SEED))]
KINDS = ("accepted", "refused", "retained", "churned", "opted_out")

rules = st.builds(
    lambda **changes: msgspec.structs.replace(RULES, fatigue_window_days=10, **changes),
    cooldown_days=st.integers(0, 5),
    fatigue_cap=st.integers(0, 3),
    budget_usd=st.floats(0, 400),
    daily_capacity=st.integers(0, 4),
    exploration=st.sampled_from([0.0, 0.5, 1.0]),
    accepted_rest_days=st.integers(0, 8),
    customers=st.sampled_from([1, 30]),
)
asks = st.tuples(st.just("ask"), st.integers(0, len(PROFILES) - 1), st.sampled_from([None, "k1"]))
tells = st.tuples(st.just("tell"), st.integers(0, 30), st.sampled_from(KINDS))
batches = st.lists(asks | tells, min_size=1, max_size=8)
gaps = st.sampled_from([0.0, 0.3, 1.0, 4.0, 12.0])
histories = st.lists(st.tuples(batches, gaps), min_size=4, max_size=14)


@seed(42)
@given(limits=rules, steps=histories, learned=st.booleans())
@settings(max_examples=150, deadline=None)
def test_no_rule_is_ever_broken(
    release: Release,
    learned_release: Release,
    empty_sqlite: Path,
    *,
    limits: Rules,
    steps: list,
    learned: bool,
) -> None:
    clock = Clock()
    with tempfile.TemporaryDirectory() as folder:
        database = Database(f"sqlite:///{shutil.copy(empty_sqlite, folder)}")
        ledger = Ledger(
            database,
            clock=clock,
            uniforms=np.random.default_rng(SEED).random,
            decider=Decider(
                learned_release if learned else release, overrides=msgspec.structs.asdict(limits)
            ),
        )
        made: list[str] = []
        for batch, days in steps:
            results = ledger.process(commands(batch, made))
            made += [
                msgspec.json.decode(one)["decision_id"] for one in results if type(one) is bytes
            ]
            clock.advance(days)
            audit(database, limits)
        database.close()


def commands(batch: list, made: list[str]) -> list[Command]:
    """Make a batch as the writer would hand it over: nothing shared between two commands."""
    chosen: list[Command] = []
    taken: set = set()
    for kind, number, detail in batch:
        if kind == "ask":
            command: Command = Retain(
                RetainRequest(f"c{number}", PROFILES[number]),
                f"{detail}{number}" if detail else None,
            )
        elif number < len(made):
            command = Observe(OutcomeRequest(made[number], detail))
        else:
            continue
        if taken.isdisjoint(command.exclusive):
            taken.update(command.exclusive)
            chosen.append(command)
    return chosen
