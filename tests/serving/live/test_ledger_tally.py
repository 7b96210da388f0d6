"""What outcomes say of the models: running totals against a recount of the whole log."""

from collections import defaultdict
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any, NamedTuple

import msgspec
import numpy as np
import pytest
import sqlalchemy as sa

from churnsaver_serving.live.commands import Observe, Retain
from churnsaver_serving.live.ledger import Ledger
from churnsaver_serving.live.store.tables import decisions, outcomes
from churnsaver_serving.live.totals.tally import read_tally
from churnsaver_serving.runtime.world.belief import SIGNALS, Tally
from churnsaver_serving.schemas import Belief, OutcomeKind, OutcomeRequest, RetainAnswer
from churnsaver_serving.schemas import RetainRequest as Request
from tests.support.serving.clock import Clock
from tests.support.serving.profiles import AT_RISK, LOYAL, random_profiles
from tests.support.serving.release import SEED


@pytest.fixture
def ledger(make_ledger: Callable[..., Ledger], any_url: str) -> Ledger:
    return make_ledger(any_url, exploration=0.0)


@pytest.fixture
def at(ledger: Ledger, clock: Clock) -> "At":
    return At(ledger, clock)


class At:
    """Asks and tells on given days of November 2026, whose 2nd is a Monday."""

    def __init__(self, ledger: Ledger, clock: Clock) -> None:
        self.ledger = ledger
        self.clock = clock

    def ask(self, day: int, customer: str, *, contact: bool) -> RetainAnswer:
        self.clock.now = datetime(2026, 11, day, 12, 0, tzinfo=UTC)
        profile = AT_RISK if contact else LOYAL
        (result,) = self.ledger.process([Retain(Request(customer, profile))])
        assert isinstance(result, bytes)
        answer = msgspec.json.decode(result, type=RetainAnswer)
        assert answer.decision.contact == contact
        return answer

    def tell(self, day: int, answer: RetainAnswer, kind: OutcomeKind) -> None:
        self.clock.now = datetime(2026, 11, day, 18, 0, tzinfo=UTC)
        (result,) = self.ledger.process([Observe(OutcomeRequest(answer.decision_id, kind))])
        assert not isinstance(result, Exception), result

    def tally(self, day: date = date(2026, 11, 30)) -> Tally:
        with self.ledger.database.read() as connection:
            return read_tally(connection, day)


def hazard(p_churn: float, *, refused: bool = False) -> float:
    plain = 1 - (1 - p_churn) ** (1 / 30)
    return float(plain * (1 + 0.10 * (1 - p_churn)) if refused else plain)


def offered(answer: RetainAnswer) -> float:
    return answer.scores.p_accept[str(answer.decision.offer_pct)]


def test_nothing_yet(at: At) -> None:
    assert at.tally().observed.tolist() == [[0.0, 0.0, 0.0]]
    assert at.tally().expected.tolist() == [[0.0, 0.0, 0.0]]


def test_contacts_count_once_they_are_settled(at: At) -> None:
    took, refused, silent = (at.ask(2, name, contact=True) for name in "abc")
    at.ask(2, "d", contact=False)
    assert at.tally().expected[0, 0] == 0
    at.tell(3, took, "accepted")
    at.tell(3, refused, "refused")
    tally = at.tally()
    assert tally.observed[0, 0] == 1
    assert tally.expected[0, 0] == pytest.approx(offered(took) + offered(refused))
    at.ask(17, "d", contact=False)
    assert at.tally().expected[0, 0] == pytest.approx(
        offered(took) + offered(refused) + offered(silent)
    )
    at.tell(18, silent, "accepted")  # it was expected already
    assert at.tally().observed[0, 0] == 2
    assert at.tally().expected[0, 0] == pytest.approx(
        offered(took) + offered(refused) + offered(silent)
    )


def test_days_count_from_question_to_question(at: At) -> None:
    first = at.ask(2, "a", contact=False)
    at.ask(2, "gone", contact=False)
    plain = hazard(first.scores.p_churn)
    assert at.tally().expected[0, 2] == 0
    at.ask(5, "a", contact=False)
    assert at.tally().expected[0, 2] == pytest.approx(3 * plain)
    contact = at.ask(9, "a", contact=True)
    assert at.tally().expected[0, 2] == pytest.approx(7 * plain)
    at.tell(10, contact, "refused")
    after = at.ask(12, "a", contact=False)  # the days since the contact count for nothing
    assert at.tally().expected[0, 1:].tolist() == [0, pytest.approx(7 * plain)]
    at.ask(15, "a", contact=False)
    once = hazard(after.scores.p_churn, refused=True)
    assert at.tally().expected[0, 1:] == pytest.approx([3 * once, 7 * plain])
    at.tell(16, after, "churned")  # on the second day since
    assert at.tally().expected[0, 1:] == pytest.approx([5 * once, 7 * plain])
    assert at.tally().observed[0].tolist() == [0, 1, 0]
    at.ask(20, "a", contact=False)  # whoever has left counts no more
    at.ask(25, "a", contact=False)
    assert at.tally().expected[0, 1:] == pytest.approx([5 * once, 7 * plain])


def test_churn_counts_once(at: At) -> None:
    first = at.ask(2, "a", contact=False)
    second = at.ask(3, "a", contact=False)
    at.tell(5, second, "churned")
    at.tell(6, first, "churned")
    assert at.tally().observed[0].tolist() == [0, 0, 1]


def test_refusal_is_forgotten(at: At) -> None:
    contact = at.ask(2, "a", contact=True)
    at.tell(2, contact, "refused")
    at.ask(30, "a", contact=False)
    for ahead in (3, 10):  # the 3rd and the 10th of December: remembered till the 2nd
        at.clock.now = datetime(2026, 11, 30, 12, tzinfo=UTC) + timedelta(days=ahead)
        at.ledger.process([Retain(Request("a", LOYAL))])
    tally = at.tally(date(2026, 12, 10))
    assert tally.expected[0, 1] == pytest.approx(3 * hazard(loyal_risk(at), refused=True))
    assert tally.expected[0, 2] == 0


def loyal_risk(at: At) -> float:
    with at.ledger.database.read() as connection:
        return float(connection.scalar(sa.select(sa.func.min(decisions.c.p_churn))) or 0)


def test_months_before_the_last_do_not_count(at: At) -> None:
    answer = at.ask(2, "a", contact=True)
    at.tell(3, answer, "accepted")
    assert [
        at.tally(date(2026 + month // 12, month % 12 + 1, 1)).observed[0, 0]
        for month in (10, 11, 12)
    ] == [1, 1, 0]


def test_running_totals_are_what_a_recount_finds(
    make_ledger: Callable[..., Ledger], any_url: str, clock: Clock
) -> None:
    """Two months of questions and answers at random, recounted from decisions and outcomes."""
    ledger = make_ledger(any_url, exploration=0.0, customers=30, budget_usd=3000.0)
    rng = np.random.default_rng(SEED)
    profiles = random_profiles(30, rng)
    made: list[str] = []
    for _ in range(60):
        batch = rng.choice(30, size=8, replace=False)
        told = rng.choice(len(made), size=min(len(made), 3), replace=False) if made else []
        kinds: list[OutcomeKind] = ["refused", "refused", "accepted", "churned"]
        results = ledger.process(
            [Retain(Request(f"c{one}", profiles[one])) for one in batch]
            + [Observe(OutcomeRequest(made[one], kinds[rng.integers(4)])) for one in told]
        )
        made += [
            msgspec.json.decode(one)["decision_id"] for one in results if isinstance(one, bytes)
        ]
        clock.advance(1)
    tally = Tally.empty()
    for month in (11, 1):
        with ledger.database.read() as connection:
            part = read_tally(connection, date(2026 if month == 11 else 2027, month, 1))
        tally.observed[:] += part.observed
        tally.expected[:] += part.expected
    observed, expected = recount(ledger)
    assert observed[1] + observed[2] > 5
    assert tally.observed[0].tolist() == observed
    assert tally.expected[0] == pytest.approx(expected)


def recount(ledger: Ledger) -> tuple[list[float], list[float]]:
    """Count from the log alone: all decisions and outcomes in the order in which they came."""
    with ledger.database.read() as connection:
        made = connection.execute(sa.select(decisions)).all()
        told = connection.execute(sa.select(outcomes)).all()
    by_id = {row.id: row for row in made}
    events: defaultdict[str, list[Event]] = defaultdict(list)
    for row in made:
        events[row.customer_id].append(Event(row.decided_at, 1, "asked", row))
        if row.contact_state == "expired":
            due = datetime.combine(row.contact_on, datetime.min.time(), UTC) + timedelta(days=15)
            events[row.customer_id].append(Event(due, 0, "expired", row))
    for one in told:
        row = by_id[one.decision_id]
        events[one.customer_id].append(Event(one.recorded_at, 0, one.kind, row))
    observed, expected = [0.0] * 3, [0.0] * 3
    for row in made:
        if row.contact_state in {"accepted", "refused", "expired"}:
            expected[0] += row.p_accept_offered
        observed[0] += row.contact_state == "accepted"
    for of_one in events.values():
        watched = Watched(observed, expected)
        for event in sorted(of_one, key=lambda event: event[:2]):
            watched.see(event)
    return observed, expected


class Event(NamedTuple):
    """Something that is known of a customer from a moment on; `rank` orders those of a moment."""

    at: datetime
    rank: int
    kind: str
    row: sa.Row[Any]


class Watched:
    """One customer, watched from question to question."""

    def __init__(self, observed: list[float], expected: list[float]) -> None:
        self.observed, self.expected = observed, expected
        self.asked: date | None = None
        self.signal, self.rate = 0, 0.0
        self.refused: date | None = None
        self.open_id: str | None = None
        self.contacted = self.churned = False

    def see(self, event: Event) -> None:
        day, row = event.at.date(), event.row
        match event.kind:
            case "asked":
                self._ask(day, row)
            case "churned" if not self.churned:
                self.churned = True
                if self.signal and self.asked:
                    self.expected[self.signal] += self.rate * ((day - self.asked).days + 1)
                    self.observed[self.signal] += 1
                self.signal, self.open_id = 0, None  # never asked about again but in vain
            case "refused" | "expired":
                self.refused = max(self.refused or row.contact_on, row.contact_on)
                self.open_id = None if self.open_id == row.id else self.open_id
            case "accepted":
                self.refused = self.open_id = None

    def _ask(self, day: date, row: sa.Row[Any]) -> None:
        if self.signal and self.asked:
            self.expected[self.signal] += self.rate * (day - self.asked).days
        remembered = self.refused is not None and day < self.refused + timedelta(days=30)
        quiet = not (row.contact or self.open_id or self.churned)
        self.signal = (1 if remembered else 0 if self.contacted else 2) if quiet else 0
        self.rate = hazard(row.p_churn, refused=self.signal == 1)
        self.asked = day
        if row.contact:
            self.contacted, self.open_id = True, row.id


def test_counts_recover_how_far_the_models_are_off(
    make_ledger: Callable[..., Ledger], sqlite_url: str, clock: Clock
) -> None:
    """Customers who leave 40 times as often as the model says, asked about and reported daily."""
    at = At(make_ledger(sqlite_url, exploration=0.0), clock)
    rng = np.random.default_rng(42)
    there = [f"c{number}" for number in range(400)]
    answers: dict[str, RetainAnswer] = {}
    for day in range(1, 16):
        clock.now = datetime(2026, 11, day, 8, 0, tzinfo=UTC)
        results = at.ledger.process([Retain(Request(name, LOYAL)) for name in there])
        answers = {
            name: msgspec.json.decode(one, type=RetainAnswer)
            for name, one in zip(there, results, strict=True)
        }
        gone = rng.random(len(there)) < 40 * hazard(answers[there[0]].scores.p_churn)
        leaving = [name for name, leaves in zip(there, gone, strict=True) if leaves]
        at.ledger.process(
            [Observe(OutcomeRequest(answers[one].decision_id, "churned")) for one in leaving]
        )
        there = [name for name in there if name not in leaving]
    tally = at.tally()
    observed, expected = tally.observed[0, 2], tally.expected[0, 2]
    assert observed == 400 - len(there) > 50
    assert observed / expected == pytest.approx(40, abs=3 * 40 / np.sqrt(observed))


def test_belief_names_its_signals_in_order() -> None:
    assert Belief.__struct_fields__ == SIGNALS
