"""The day's multiplier in the ledger: who sets it, from what, and what it does."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any

import msgspec
import numpy as np
import pytest
import sqlalchemy as sa

from churnsaver_serving.live.commands import Observe, Retain
from churnsaver_serving.live.decider import Decider
from churnsaver_serving.live.ledger import Ledger
from churnsaver_serving.live.store.tables import days, pacing
from churnsaver_serving.runtime.engine.decision import Pace
from churnsaver_serving.runtime.engine.release import Release
from churnsaver_serving.runtime.policies.pacing import Basis, Day, Places, Since
from churnsaver_serving.schemas import (
    DayPacing,
    OutcomeKind,
    OutcomeRequest,
    RetainAnswer,
    RetainRequest,
)
from tests.support.serving.audit import audit
from tests.support.serving.clock import Clock
from tests.support.serving.limits import limits
from tests.support.serving.profiles import random_profiles
from tests.support.serving.release import RULES, SEED

PROFILES = random_profiles(40, np.random.default_rng(SEED))
# Less than what the policy would spend on these customers if money were no object.
TIGHT: dict[str, Any] = {"exploration": 0.0, "customers": len(PROFILES), "budget_usd": 1200.0}

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


def today(ledger: Ledger) -> DayPacing:
    state = ledger.pacing()
    assert state.today is not None
    return state.today


def rows(ledger: Ledger) -> int:
    with ledger.database.read() as connection:
        return int(connection.scalar(sa.select(sa.func.count()).select_from(pacing)) or 0)


def booked_on(ledger: Ledger, day: date) -> int:
    with ledger.database.read() as connection:
        found = connection.scalar(sa.select(days.c.booked_cents).where(days.c.day == day))
    return int(found or 0)


def replaced(**changes: Any) -> Any:
    return msgspec.structs.replace(RULES, **(TIGHT | changes))


def test_decision_is_made_again_from_its_record(
    make_paced: MakePaced, sqlite_url: str, clock: Clock
) -> None:
    """What was logged leads to the same odds, draw and action: evaluation of logs relies on it."""
    ledger = make_paced(sqlite_url, exploration=0.2, exploration_margin_usd=1e6, budget_usd=1e5)
    answers: dict[str, datetime] = {}
    for _ in range(6):
        made = ask(ledger)
        answers |= {one.decision_id: clock.now for one in made}
        tell(ledger, contacts(made)[::2], "refused")
        tell(ledger, contacts(made)[1::4], "accepted")
        clock.advance(4)
    decider = ledger.decider
    assert decider is not None
    seen, told = set(), set()
    for decision_id, decided_at in answers.items():
        record = ledger.read(decision_id)
        log, answer = record.log, record.answer
        [again] = decider.decide(
            [record.customer],
            [(None, None)],
            decided_at,
            limits(decided_at.date()).accounts,
            {},
            np.array([log.uniform]),
            Pace(log.multiplier, log.belief, log.capacity_price_usd),
        )
        assert (again.action, again.eligible) == (log.action, log.eligible)
        np.testing.assert_allclose(again.probabilities, log.probabilities, atol=1e-12)
        assert again.propensity == pytest.approx(answer.propensity, abs=1e-12)
        assert again.constraints == answer.reasons.constraints
        assert answer.pacing.multiplier == log.multiplier
        assert answer.pacing.capacity_price_usd == log.capacity_price_usd
        assert msgspec.structs.astuple(answer.pacing.belief) == log.belief
        seen.add(answer.decision.offer_pct)
        told.add((log.multiplier, log.belief))
    assert len(told) == 6
    assert len(seen) > 2
    changes = {"exploration": 0.2, "exploration_margin_usd": 1e6, "budget_usd": 1e5}
    assert audit(ledger.database, replaced(**changes)) == 6 * len(PROFILES)


@pytest.mark.parametrize("budget", [30.0, 1200.0, 1e6])
def test_begins_where_the_release_says(
    make_paced: MakePaced, sqlite_url: str, clock: Clock, budget: float
) -> None:
    clock.now = datetime(2026, 12, 1, 9, 0, tzinfo=UTC)
    ledger = make_paced(sqlite_url, budget_usd=budget)
    ask(ledger, [0])
    assert ledger.decider is not None
    start = ledger.decider.pacing.start(Basis(int(budget * 100)))
    assert today(ledger).kept == today(ledger).multiplier == start
    assert (today(ledger).budget_usd, today(ledger).expected_usd) == (budget, 0)


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
            "policy": ledger.decider.policy,
            "limit_cents": 10**8,
            "multiplier": level,
            "kept": level,
            "asked_every_days": 1.0,
            "capacity_price_usd": 0.0,
            "booked_cents": 0,
            "booked_contacts": 0,
            "waiting_contacts": 0,
            "expected_cents": 0,
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
            for table in reversed(pacing.metadata.sorted_tables):
                connection.execute(table.delete())
    assert made == sorted(made, reverse=True)
    assert made[0] > made[1] > made[3] == 0


def test_holds_all_day_and_moves_on_by_what_was_booked(paced: Ledger, clock: Clock) -> None:
    assert paced.pacing().today is None
    first = ask(paced, range(30))
    early = today(paced)
    clock.advance(0.5)
    late = ask(paced, range(30, 40))
    assert {one.pacing.multiplier for one in (*first, *late)} == {early.multiplier}
    assert today(paced) == early
    monday = early.day
    clock.advance(1.5)
    assert paced.pacing().today is None
    ask(paced, [0])
    seen = today(paced)
    assert seen.day == clock.today
    booked = booked_on(paced, monday)
    assert booked > 0
    assert seen.booked_usd == pytest.approx(booked / 100)
    assert paced.decider is not None
    since = Since(
        days=2,  # nobody asked on Tuesday
        days_in_month=30,
        month_ended=False,
        in_force=early.multiplier,
        capacity_price_usd=0.0,
        booked_cents=booked,
        remaining_cents=120_000 - round(seen.expected_usd * 100),  # far from used up
    )
    kept = paced.decider.pacing.next(
        early.kept,
        since,
        basis=Basis(120_000, seen.asked_every_days),
        before=Basis(120_000),
    )
    assert seen.asked_every_days > 1.0
    assert seen.kept == pytest.approx(kept)
    in_force = paced.decider.pacing.in_force(
        kept, Day(4, 30, 120_000, round(seen.expected_usd * 100))
    )
    assert seen.multiplier == pytest.approx(in_force)
    assert rows(paced) == 2
    assert audit(paced.database, replaced()) == 41


def test_money_left_over_lowers_the_multiplier(paced: Ledger, clock: Clock) -> None:
    levels = []
    for _ in range(5):
        ask(paced, [0])  # nobody else asks, so the budget lies idle
        levels.append(today(paced).multiplier)
        clock.advance(5)
    assert levels == sorted(levels, reverse=True)
    assert levels[0] > levels[-1]


def test_a_place_has_a_price_while_days_are_full(
    make_paced: MakePaced, any_url: str, clock: Clock
) -> None:
    scarce = make_paced(any_url, budget_usd=1e6, daily_capacity=2)
    booked = contacts(ask(scarce))
    assert len(booked) > 4
    assert today(scarce).capacity_price_usd == 0.0  # as it was set, before anybody had asked
    clock.advance(1)
    ask(scarce, [0])
    seen = today(scarce)
    assert seen.booked_contacts == len(booked)
    assert seen.waiting_contacts == sum(
        one.decision.contact_on is not None and one.decision.contact_on > clock.today
        for one in booked
    )
    assert scarce.decider is not None
    places = Places(2 * 5 / 7, seen.booked_contacts, seen.waiting_contacts)
    price = scarce.decider.pacing.next_capacity_price(0.0, places, 1)
    assert seen.capacity_price_usd == pytest.approx(price)
    [answer] = ask(scarce, [1])
    assert answer.pacing.capacity_price_usd == seen.capacity_price_usd > 0.0
    clock.advance(20)  # nobody asks, the days are empty
    ask(scarce, [0])
    assert (today(scarce).waiting_contacts, today(scarce).capacity_price_usd) == (0, 0.0)
    audit(scarce.database, replaced(budget_usd=1e6, daily_capacity=2))


def test_changed_budget_sets_it_anew_within_the_day(
    make_paced: MakePaced, any_url: str, clock: Clock
) -> None:
    """And whoever still runs under the earlier budget keeps to the earlier multiplier."""
    before = make_paced(any_url)
    ask(before, range(10))
    early = today(before)
    clock.advance(0.1)
    raised = make_paced(any_url, budget_usd=3000.0)
    assert raised.pacing().today is None
    ask(raised, range(10, 20))
    assert raised.decider is not None
    start = raised.decider.pacing.start
    assert today(raised).kept == pytest.approx(
        early.kept + start(Basis(300_000)) - start(Basis(120_000))
    )
    assert today(raised).multiplier < early.multiplier
    assert today(raised).set_at == clock.now
    ask(before, range(20, 30))
    assert today(before) == early
    assert rows(before) == 2
    clock.advance(1)
    kept = {}
    for ledger, budget in ((raised, 3000.0), (before, 1200.0)):
        ask(ledger, [30 + len(kept)])
        assert today(ledger).budget_usd == budget
        kept[budget] = today(ledger).kept
    assert kept[3000.0] < kept[1200.0]
    # Two budgets in force at a time are the operator's choice; a month's limit is the latest's.
    assert audit(before.database, replaced(), [1200.0, 3000.0, 1200.0, 3000.0, 1200.0]) == 32


def test_belief_comes_from_outcomes_of_two_months(paced: Ledger, clock: Clock) -> None:
    answers = contacts(ask(paced))
    tell(paced, answers, "accepted")
    assert today(paced).belief.acceptance == 0  # as it was set
    clock.advance(1)
    ask(paced, [0])
    seen = today(paced).counts["acceptance"]
    assert seen.observed == len(answers) > 3
    assert seen.expected == pytest.approx(
        sum(one.scores.p_accept[str(one.decision.offer_pct)] for one in answers)
    )
    ratio = (seen.observed + 5) / (seen.expected + 5)
    assert today(paced).belief.acceptance == pytest.approx(np.log(ratio))
    for month, observed in ((12, len(answers)), (1, 0)):
        clock.now = datetime(2027 - month // 12, month, 1, 9, tzinfo=UTC)
        ask(paced, [0])
        assert today(paced).counts["acceptance"].observed == observed


def test_a_month_begins_at_the_price_that_the_last_one_had_to_come_down_to(
    paced: Ledger, clock: Clock
) -> None:
    clock.now = datetime(2026, 11, 27, 9, tzinfo=UTC)
    ask(paced, [0])
    clock.now = datetime(2026, 11, 30, 9, tzinfo=UTC)
    ask(paced, [0])
    last = today(paced)
    assert 0.0 < last.multiplier < last.kept  # hardly anything was spent
    clock.advance(1)
    ask(paced, [0])
    first = today(paced)
    assert paced.decider is not None
    since = Since(
        days=1,
        days_in_month=31,
        month_ended=True,
        in_force=last.multiplier,
        capacity_price_usd=0.0,
        booked_cents=booked_on(paced, last.day),
        remaining_cents=100_000,
    )
    kept = paced.decider.pacing.next(
        last.kept,
        since,
        basis=Basis(120_000, first.asked_every_days),
        before=Basis(120_000, last.asked_every_days),
    )
    assert first.kept == pytest.approx(kept)
    assert first.kept < last.kept


def test_goes_on_over_releases_policies_and_months(
    make_ledger: Callable[..., Ledger], learned_release: Release, sqlite_url: str, clock: Clock
) -> None:
    clock.now = datetime(2026, 11, 30, 9, 0, tzinfo=UTC)
    first = make_ledger(sqlite_url, learned_release, **TIGHT)
    ask(first)
    kept = today(first).kept
    clock.advance(1)
    second = make_ledger(sqlite_url, replace(learned_release, id="f" * 64), **TIGHT)
    ask(second, [0])
    seen = today(second)
    assert seen.release == "f" * 64
    assert seen.expected_usd == 0  # a new month
    booked = booked_on(second, date(2026, 11, 30))
    assert seen.booked_usd == pytest.approx(booked / 100)
    assert seen.kept > kept  # a month's customers on one day are more than a day's due
    ask(first, [1])  # the old release goes on beside it, under a row of its own
    assert today(first).kept == seen.kept
    assert rows(second) == 3


def test_every_policy_is_paced(
    make_ledger: Callable[..., Ledger], learned_release: Release, sqlite_url: str
) -> None:
    ledger = make_ledger(sqlite_url, learned_release, **TIGHT)
    names = list(learned_release.policies)
    assert len(names) > 1
    for at, name in enumerate(names):
        ledger.decider = Decider(learned_release, policy=name, overrides=TIGHT)
        [answer] = ask(ledger, [at])
        assert answer.policy == name
        assert answer.pacing.multiplier == today(ledger).multiplier > 0
        assert today(ledger).policy == name
    assert rows(ledger) == len(names)


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
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("after the multiplier was set")

    ask(paced)
    clock.advance(1)
    with monkeypatch.context() as patched:
        patched.setattr("churnsaver_serving.live.ledger.count_decided", fail)
        with pytest.raises(RuntimeError):
            ask(paced, [0])
    assert rows(paced) == 1
    assert paced.pacing().today is None
    ask(paced, [0])
    assert rows(paced) == 2
    assert audit(paced.database, replaced()) == len(PROFILES) + 1


def test_readers_and_outcomes_set_nothing(paced: Ledger, clock: Clock) -> None:
    (answer,) = ask(paced, [0])
    clock.advance(1)
    tell(paced, [answer], "churned")
    paced.read(answer.decision_id)
    paced.foresee(Retain(RetainRequest("c1", PROFILES[1])))
    assert paced.pacing().today is None
    assert rows(paced) == 1
