"""The day's multiplier in the ledger: who sets it, from what, and what it does."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import msgspec
import numpy as np
import pytest
import sqlalchemy as sa

from churnsaver_serving.live.commands import Observe, Retain
from churnsaver_serving.live.decider import Decider
from churnsaver_serving.live.ledger import Ledger
from churnsaver_serving.live.store.tables import pacing
from churnsaver_serving.runtime.decision import Pace
from churnsaver_serving.runtime.learned import LearnedPolicy
from churnsaver_serving.runtime.release import POLICY_FOLDER, Release
from churnsaver_serving.schemas import (
    DayPacing,
    OutcomeKind,
    OutcomeRequest,
    RetainAnswer,
    RetainRequest,
)
from tests.support.serving.audit import audit
from tests.support.serving.clock import Clock
from tests.support.serving.policy import small_policy
from tests.support.serving.profiles import random_profiles
from tests.support.serving.release import RULES, SEED

PROFILES = random_profiles(40, np.random.default_rng(SEED))
# About half of what the policy would spend on these customers if money were no object.
TIGHT: dict[str, Any] = {"exploration": 0.0, "customers": len(PROFILES), "budget_usd": 400.0}

MakePaced = Callable[..., Ledger]


@pytest.fixture
def make_paced(make_ledger: Callable[..., Ledger], learned_release: Release) -> MakePaced:
    """Make ledgers that decide by the learned policy on a tight budget."""
    return lambda url, **rules: make_ledger(url, learned_release, **(TIGHT | rules))


@pytest.fixture
def paced(make_paced: MakePaced, any_url: str) -> Ledger:
    return make_paced(any_url)


def ask(ledger: Ledger, customers: Sequence[int] = range(len(PROFILES))) -> list[RetainAnswer]:
    results = ledger.process([Retain(RetainRequest(f"c{at}", PROFILES[at])) for at in customers])
    return [msgspec.json.decode(one, type=RetainAnswer) for one in results]


def tell(ledger: Ledger, answers: Sequence[RetainAnswer], kind: OutcomeKind) -> None:
    if answers:
        ledger.process([Observe(OutcomeRequest(one.decision_id, kind)) for one in answers])


def contacts(answers: Sequence[RetainAnswer]) -> list[RetainAnswer]:
    return [one for one in answers if one.decision.contact]


def multiplier(ledger: Ledger) -> float:
    return today(ledger).multiplier


def today(ledger: Ledger) -> DayPacing:
    state = ledger.pacing()
    assert state.paced
    assert state.today is not None
    return state.today


def rows(ledger: Ledger) -> int:
    with ledger.database.read() as connection:
        return int(connection.scalar(sa.select(sa.func.count()).select_from(pacing)) or 0)


def test_served_decision_is_the_exported_policys_own(
    make_paced: MakePaced, sqlite_url: str, clock: Clock, learned_files: dict[str, bytes]
) -> None:
    ledger = make_paced(sqlite_url, exploration=0.2)
    exported = LearnedPolicy.from_files(
        {path.removeprefix(POLICY_FOLDER): data for path, data in learned_files.items()}
    )
    answers: dict[str, datetime] = {}
    for _ in range(6):
        made = ask(ledger)
        answers |= {one.decision_id: clock.now for one in made}
        tell(ledger, contacts(made)[::2], "refused")
        tell(ledger, contacts(made)[1::4], "accepted")
        clock.advance(4)
    engine = ledger.decider.engine
    seen, told = set(), set()
    for decision_id, decided_at in answers.items():
        record = ledger.read(decision_id)
        log, answer = record.log, record.answer
        observation = engine.observe(
            [record.customer], decided_at.date(), Pace(log.multiplier, log.belief)
        )
        eligible = np.zeros_like(observation.eligible)
        eligible[0, list(log.eligible)] = True
        own = exported.probabilities(replace(observation, eligible=eligible))[0]
        mixed = 0.8 * own + 0.2 * eligible[0] / eligible.sum()
        np.testing.assert_allclose(log.probabilities, mixed[list(log.eligible)], atol=1e-12)
        assert answer.propensity == pytest.approx(mixed[log.action], abs=1e-12)
        assert log.action == (mixed.cumsum() <= log.uniform).sum()
        assert (answer.reasons.cause == "policy") == (log.action == own.argmax())
        assert answer.policy == "learned"
        assert answer.pacing.multiplier == log.multiplier
        assert msgspec.structs.astuple(answer.pacing.belief) == log.belief
        seen.add(int(own.argmax()))
        told.add((log.multiplier, log.belief))
    assert len(told) == 6
    assert len(seen) > 2
    assert audit(ledger.database, replaced(exploration=0.2)) == 6 * len(PROFILES)


def replaced(**changes: Any) -> Any:
    return msgspec.structs.replace(RULES, **(TIGHT | changes))


@pytest.mark.parametrize("budget", [30.0, 150.0, 400.0, 1e6])
def test_first_day_spreads_the_budget_over_the_customers(
    make_paced: MakePaced, sqlite_url: str, clock: Clock, budget: float
) -> None:
    clock.now = datetime(2026, 12, 1, 9, 0, tzinfo=UTC)
    ledger = make_paced(sqlite_url, budget_usd=budget)
    ask(ledger, [0])
    expected = small_policy().pacing.multiplier(
        0, budget, customers=0.0, undecided=float(len(PROFILES))
    )
    assert multiplier(ledger) == expected
    assert (today(ledger).remaining_usd, today(ledger).customers) == (budget, 0)


def test_fewer_contacts_at_a_higher_multiplier(
    make_paced: MakePaced, sqlite_url: str, clock: Clock
) -> None:
    made = []
    for level in (0.0, 1.0, 3.0, 50.0):
        ledger = make_paced(sqlite_url, budget_usd=1e6)
        assert ledger.decider is not None
        row = {
            "day": clock.today,
            "release_id": ledger.decider.release.id,
            "policy": "learned",
            "period": "2026-11",
            "multiplier": level,
            "remaining_cents": 0,
            "customers": 0,
            "observed": [0.0] * 3,
            "expected": [0.0] * 3,
            "set_at": clock.now,
        }
        with ledger.database.write() as connection:
            connection.execute(pacing.insert(), row)
        answers = ask(ledger)
        assert {one.pacing.multiplier for one in answers} == {level}
        made.append(len(contacts(answers)))
        with ledger.database.write() as connection:
            for table in ("decisions", "budgets", "capacity", "pacing"):
                connection.exec_driver_sql(f"DELETE FROM {table}")
    assert made == sorted(made, reverse=True)
    assert made[0] > made[1] > made[3] == 0


def test_holds_all_day_and_is_set_anew_the_next(paced: Ledger, clock: Clock) -> None:
    assert paced.pacing().today is None
    first = ask(paced, range(30))
    early = today(paced)
    clock.advance(0.5)
    late = ask(paced, range(30, 40))
    assert {one.pacing.multiplier for one in (*first, *late)} == {early.multiplier}
    assert today(paced) == early
    clock.advance(0.5)
    assert paced.pacing().today is None
    ask(paced, [0])
    assert today(paced).day == clock.today
    assert today(paced).customers == len(PROFILES)
    assert today(paced).remaining_usd < early.remaining_usd
    assert rows(paced) == 2
    assert audit(paced.database, replaced()) == 41


def test_money_left_over_lowers_the_multiplier(paced: Ledger, clock: Clock) -> None:
    levels = []
    for _ in range(5):
        ask(paced, [0])  # nobody else asks, so the budget lies idle
        levels.append(multiplier(paced))
        clock.advance(5)
    assert levels == sorted(levels, reverse=True)
    assert levels[0] > levels[-1]


def test_more_acceptances_than_expected_raise_it(
    make_paced: MakePaced, postgres_url: str, sqlite_url: str, clock: Clock
) -> None:
    """Of two ledgers with the same money left, the one whose offers all were accepted saves."""
    told, untold = make_paced(sqlite_url), make_paced(postgres_url)
    answers = contacts(ask(told))
    ask(untold)
    tell(told, answers, "accepted")
    clock.advance(1)
    for ledger in (told, untold):
        ask(ledger, [0])
    accepted = today(told).counts["acceptance"]
    assert accepted.observed == len(answers)
    assert accepted.expected == pytest.approx(
        sum(one.scores.p_accept[str(one.decision.offer_pct)] for one in answers)
    )
    assert today(told).remaining_usd == today(untold).remaining_usd
    assert multiplier(told) > multiplier(untold)
    ratio = (accepted.observed + 5) / (accepted.expected + 5)
    assert today(told).belief.acceptance == pytest.approx(np.log(ratio))
    assert today(untold).belief.acceptance == 0


def test_least_multiplier_so_far_counts_whatever_release_set_it(
    make_ledger: Callable[..., Ledger], learned_release: Release, sqlite_url: str, clock: Clock
) -> None:
    first = make_ledger(sqlite_url, learned_release, **TIGHT)
    ask(first)
    levels = [multiplier(first)]
    clock.advance(1)
    promoted = replace(learned_release, id="f" * 64)
    second = make_ledger(sqlite_url, promoted, **TIGHT)
    ask(second, [0])
    seen = today(second)
    assert seen.release == "f" * 64
    expected = small_policy().pacing.multiplier(
        2,
        seen.remaining_usd,
        customers=float(len(PROFILES)),
        least_before=min(levels),
    )
    assert seen.multiplier == expected
    ask(first, [1])  # the old release goes on beside it, under a row of its own
    assert rows(second) == 3


def test_month_change_starts_over(paced: Ledger, clock: Clock) -> None:
    clock.now = datetime(2026, 11, 30, 23, 59, tzinfo=UTC)
    answers = ask(paced)
    tell(paced, contacts(answers), "accepted")
    tell(paced, answers[:3], "churned")
    clock.advance(1 / 1440)
    ask(paced, [0])
    seen = today(paced)
    assert (seen.day, seen.customers, seen.remaining_usd) == (clock.today, 0, TIGHT["budget_usd"])
    assert {(one.observed, one.expected) for one in seen.counts.values()} == {(0.0, 0.0)}
    assert seen.multiplier == small_policy().pacing.multiplier(
        0, TIGHT["budget_usd"], customers=0.0, undecided=float(len(PROFILES))
    )


def test_two_writers_agree(make_paced: MakePaced, postgres_url: str, clock: Clock) -> None:
    writers = [make_paced(postgres_url) for _ in range(4)]
    for day in range(1, 4):
        with ThreadPoolExecutor(len(writers)) as pool:
            batches = [range(at, len(PROFILES), len(writers)) for at in range(len(writers))]
            answers = [one for made in pool.map(ask, writers, batches) for one in made]
        assert len({one.pacing.multiplier for one in answers}) == 1
        assert [today(one) for one in writers] == [today(writers[0])] * 4
        assert rows(writers[0]) == day
        clock.advance(1)
    audit(writers[0].database, replaced())


def test_failed_batch_leaves_the_day_unset(
    paced: Ledger, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("after the multiplier was set")

    ask(paced)
    clock.advance(1)
    with monkeypatch.context() as patched:
        patched.setattr("churnsaver_serving.live.ledger.commit_contacts", fail)
        with pytest.raises(RuntimeError):
            ask(paced, [0])
    assert rows(paced) == 1
    assert paced.pacing().today is None
    ask(paced, [0])
    assert rows(paced) == 2
    assert audit(paced.database, replaced()) == len(PROFILES) + 1


def test_policies_without_pacing_have_no_multiplier(
    make_ledger: Callable[..., Ledger], learned_release: Release, sqlite_url: str
) -> None:
    greedy = make_ledger(sqlite_url, **TIGHT)
    baseline = make_ledger(sqlite_url, learned_release, **TIGHT)
    baseline.decider = Decider(learned_release, baseline=True)
    for ledger, name in ((greedy, "greedy_value"), (baseline, "propensity_threshold")):
        answers = ask(ledger, range(5))
        assert {(one.policy, one.pacing.multiplier) for one in answers} == {(name, 0.0)}
        state = ledger.pacing()
        assert (state.policy, state.paced, state.today) == (name, False, None)
        assert rows(ledger) == 0


def test_readers_and_outcomes_set_nothing(paced: Ledger, clock: Clock) -> None:
    (answer,) = ask(paced, [0])
    clock.advance(1)
    tell(paced, [answer], "churned")
    paced.read(answer.decision_id)
    assert paced.pacing().today is None
    assert rows(paced) == 1
