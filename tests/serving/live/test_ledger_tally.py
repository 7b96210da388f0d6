"""What outcomes say of the models: counts by hand against counts from the ledger."""

from collections.abc import Callable
from datetime import UTC, date, datetime

import msgspec
import numpy as np
import pytest
from churnsaver_serving.live.tally import count_customers, read_tally

from churnsaver_serving.live.commands import Observe, Retain
from churnsaver_serving.live.ledger import Ledger
from churnsaver_serving.runtime.belief import SIGNALS, Tally
from churnsaver_serving.schemas import Belief, OutcomeKind, OutcomeRequest, RetainAnswer
from churnsaver_serving.schemas import RetainRequest as Request
from tests.support.serving.clock import Clock
from tests.support.serving.profiles import AT_RISK, LOYAL
from tests.support.serving.release import assumptions

WORLD = assumptions().nominal()


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
        answer = msgspec.json.decode(result, type=RetainAnswer)
        assert answer.decision.contact == contact
        assert not contact or answer.decision.contact_on == self.clock.today
        return answer

    def tell(self, day: int, answer: RetainAnswer, kind: OutcomeKind) -> None:
        self.clock.now = datetime(2026, 11, day, 18, 0, tzinfo=UTC)
        (result,) = self.ledger.process([Observe(OutcomeRequest(answer.decision_id, kind))])
        assert not isinstance(result, Exception), result

    def tally(self, day: int) -> Tally:
        with self.ledger.database.read() as connection:
            return read_tally(connection, date(2026, 11, day), WORLD)

    def customers(self, day: int) -> int:
        with self.ledger.database.read() as connection:
            return count_customers(connection, date(2026, 11, day))


def hazard(answer: RetainAnswer, refused: bool = False) -> float:
    p = answer.scores.p_churn
    plain = 1 - (1 - p) ** (1 / 30)
    return float(plain * (1 + 0.10 * (1 - p)) if refused else plain)


def offered(answer: RetainAnswer) -> float:
    return answer.scores.p_accept[str(answer.decision.offer_pct)]


def test_nothing_yet(at: At) -> None:
    assert at.tally(20).observed.tolist() == [[0.0, 0.0, 0.0]]
    assert at.tally(20).expected.tolist() == [[0.0, 0.0, 0.0]]
    assert at.customers(20) == 0


def test_answered_contacts_count_and_no_others(at: At) -> None:
    took, refused, open_ = (at.ask(2, name, contact=True) for name in "abc")
    at.ask(2, "d", contact=False)
    at.tell(3, took, "accepted")
    at.tell(3, refused, "refused")
    tally = at.tally(4)
    assert tally.observed[0, 0] == 1
    assert tally.expected[0, 0] == pytest.approx(offered(took) + offered(refused))
    assert at.customers(4) == 4
    at.ask(4, "a", contact=False)
    assert at.customers(4) == 4
    at.tell(5, open_, "accepted")
    assert at.tally(5).observed[0, 0] == 2


def test_churn_counts_by_customer_and_day(at: At) -> None:
    refused_stays, refused_leaves, accepts = (at.ask(2, name, contact=True) for name in "abc")
    for answer in (refused_stays, refused_leaves):
        at.tell(2, answer, "refused")
    at.tell(4, accepts, "accepted")
    stays, leaves = (at.ask(3, name, contact=False) for name in "xy")
    for day in (5, 6):
        at.ask(day, "x", contact=False)  # asked about again: still one customer
    at.tell(9, leaves, "churned")
    at.tell(11, refused_leaves, "churned")
    at.tell(11, accepts, "churned")
    tally = at.tally(20)
    # Refused on the 2nd: at risk from that day to the 11th, on which churn was last reported.
    assert tally.observed[0].tolist() == [1, 1, 1]
    assert tally.expected[0, 1] == pytest.approx(
        10 * hazard(refused_stays, refused=True) + 10 * hazard(refused_leaves, refused=True)
    )
    assert tally.expected[0, 2] == pytest.approx(9 * hazard(stays) + 7 * hazard(leaves))


def test_contact_ends_being_untouched_and_acceptance_the_rest(at: At) -> None:
    quiet = at.ask(2, "a", contact=False)
    first = at.ask(5, "a", contact=True)
    at.tell(5, first, "refused")
    second = at.ask(12, "a", contact=True)
    at.tell(13, second, "accepted")
    at.tell(20, at.ask(16, "z", contact=False), "churned")
    other = at.ask(20, "z2", contact=False)
    tally = at.tally(21)
    z = 5 * hazard(other)  # the 16th to the 20th
    mean = (quiet.scores.p_churn + first.scores.p_churn + second.scores.p_churn) / 3
    plain = 1 - (1 - mean) ** (1 / 30)
    assert tally.observed[0].tolist() == [1, 0, 1]
    assert tally.expected[0, 1] == pytest.approx(8 * hazard(first, refused=True))  # 5th to 12th
    assert tally.expected[0, 2] == pytest.approx(3 * plain + z + hazard(other))


def test_churn_reported_at_the_months_end_only_says_nothing_before(at: At) -> None:
    answers = [at.ask(2, name, contact=True) for name in "abcdef"]
    for answer in answers:
        at.tell(2, answer, "refused")
    at.tell(25, answers[0], "retained")
    tally = at.tally(28)
    assert tally.observed[0, 1:].tolist() == [0, 0]
    assert tally.expected[0, 1:].tolist() == [0, 0]
    assert tally.belief()[0, 1:].tolist() == [0, 0]


def test_other_months_do_not_count(at: At) -> None:
    answer = at.ask(30, "a", contact=True)
    at.tell(30, answer, "refused")
    at.tell(30, answer, "churned")
    with at.ledger.database.read() as connection:
        tally = read_tally(connection, date(2026, 12, 1), WORLD)
        assert count_customers(connection, date(2026, 12, 1)) == 0
    assert not tally.observed.any()
    assert not tally.expected.any()
    assert at.tally(30).observed[0].tolist() == [0, 1, 0]


def test_counts_recover_how_far_the_models_are_off(
    make_ledger: Callable[..., Ledger], sqlite_url: str, clock: Clock
) -> None:
    """Customers who leave twice as often as the model says, reported day by day."""
    at = At(make_ledger(sqlite_url, exploration=0.0), clock)
    rng = np.random.default_rng(42)
    clock.now = datetime(2026, 11, 1, 8, 0, tzinfo=UTC)  # a Sunday, so that nobody is contacted
    names = [f"c{number}" for number in range(1500)]
    results = at.ledger.process([Retain(Request(name, LOYAL)) for name in names])
    answers = [msgspec.json.decode(one, type=RetainAnswer) for one in results]
    daily = 40 * hazard(answers[0])
    for day in range(1, 25):
        gone = rng.random(len(answers)) < daily
        for answer in [one for one, leaves in zip(answers, gone, strict=True) if leaves]:
            at.tell(day, answer, "churned")
        answers = [one for one, leaves in zip(answers, gone, strict=True) if not leaves]
    tally = at.tally(25)
    observed, expected = tally.observed[0, 2], tally.expected[0, 2]
    assert observed == 1500 - len(answers)
    assert observed / expected == pytest.approx(40, abs=3 * 40 / np.sqrt(observed))


def test_belief_names_its_signals_in_order() -> None:
    assert Belief.__struct_fields__ == SIGNALS
