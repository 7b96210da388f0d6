"""The life of a contact, on both databases: what closes it, what that does to money and days."""

from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Any

import msgspec
import pytest
import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from churnsaver_serving.live.commands import Observe, Retain
from churnsaver_serving.live.errors import ConflictError
from churnsaver_serving.live.ledger import Ledger
from churnsaver_serving.live.store.tables import accounts, capacity, decisions
from churnsaver_serving.runtime.limits.rules import Rules
from churnsaver_serving.schemas import (
    OutcomeKind,
    OutcomeRecord,
    OutcomeRequest,
    RetainAnswer,
    RetainRequest,
)
from tests.support.serving.audit import audit
from tests.support.serving.clock import Clock
from tests.support.serving.profiles import AT_RISK
from tests.support.serving.release import RULES

CONTACT = 200


def under(**changes: Any) -> Rules:
    return msgspec.structs.replace(RULES, **({"exploration": 0.0} | changes))


class Days:
    """Asks and tells on given days of November 2026 and after; its 2nd is a Monday."""

    def __init__(self, ledger: Ledger, clock: Clock) -> None:
        self.ledger = ledger
        self.clock = clock

    def ask(self, day: date, customer: str = "c") -> RetainAnswer:
        self.clock.now = datetime(day.year, day.month, day.day, 12, tzinfo=UTC)
        [result] = self.ledger.process([Retain(RetainRequest(customer, AT_RISK))])
        assert isinstance(result, bytes), result
        return msgspec.json.decode(result, type=RetainAnswer)

    def tell(self, day: date, answer: RetainAnswer, kind: OutcomeKind, **more: Any) -> Any:
        self.clock.now = datetime(day.year, day.month, day.day, 18, tzinfo=UTC)
        return self.ledger.process([Observe(OutcomeRequest(answer.decision_id, kind, **more))])[0]

    def state(self, answer: RetainAnswer) -> str | None:
        return self.ledger.read(answer.decision_id).contact_state

    def contacts(self, day: date) -> int:
        with self.ledger.database.read() as connection:
            found = connection.scalar(sa.select(capacity.c.contacts).where(capacity.c.day == day))
        return int(found or 0)

    def account(self, month: str = "2026-11") -> Any:
        with self.ledger.database.read() as connection:
            return connection.execute(
                sa.select(accounts).where(accounts.c.month == month)
            ).one_or_none()


@pytest.fixture
def on(ledger: Ledger, clock: Clock) -> Days:
    return Days(ledger, clock)


def november(day: int) -> date:
    return date(2026, 11, day)


def discount(answer: RetainAnswer) -> int:
    """Return the cost of the discount offered, cents."""
    return round(95.5 * answer.decision.offer_pct / 100 * 3 * 100)


def test_nothing_is_booked_while_a_contact_is_open(on: Days) -> None:
    first = on.ask(november(2))
    assert first.decision.contact_on == november(2)
    for day in range(3, 17):
        waiting = on.ask(november(day))
        assert not waiting.decision.contact
        assert "open_contact" in waiting.reasons.constraints
        assert on.state(first) == "open"
    second = on.ask(november(17))  # 15 days later: the answer was due in 14
    assert second.decision.contact_on == november(17)
    assert (on.state(first), on.state(second)) == ("expired", "open")
    assert on.account().spent_cents == CONTACT
    assert audit(on.ledger.database, under()) == 16


@pytest.mark.parametrize("kind", ["accepted", "refused"])
def test_answers_settle_what_was_reserved(on: Days, kind: OutcomeKind) -> None:
    answer = on.ask(november(2))
    reserved = on.account()
    assert reserved.spent_cents == 0
    assert reserved.worst_cents == CONTACT + discount(answer)
    assert CONTACT < reserved.mean_cents < reserved.worst_cents
    assert isinstance(on.tell(november(4), answer, kind), OutcomeRecord)
    settled = on.account()
    cost = CONTACT + (discount(answer) if kind == "accepted" else 0)
    assert (settled.spent_cents, settled.mean_cents, settled.variance) == (cost, 0, 0)
    assert on.state(answer) == kind
    assert on.contacts(november(2)) == 1
    again = on.ask(november(5))
    assert ("active_offer" in again.reasons.constraints) == (kind == "accepted")
    assert "open_contact" not in again.reasons.constraints
    audit(on.ledger.database, under())


@pytest.mark.parametrize("kind", ["opted_out", "churned"])
def test_what_is_booked_is_cancelled(on: Days, kind: OutcomeKind) -> None:
    """Asked on a Saturday, for Monday; on Sunday the customer opts out or leaves."""
    answer = on.ask(november(7))
    assert answer.decision.contact_on == november(9)
    assert on.contacts(november(9)) == 1
    on.tell(november(8), answer, kind)
    assert on.state(answer) == "cancelled"
    assert on.contacts(november(9)) == 0
    account = on.account()
    assert (account.spent_cents, account.mean_cents, account.variance, account.worst_cents) == (
        (0,) * 4
    )
    later = on.ask(november(25))
    rule = "opt_out" if kind == "opted_out" else "churned"
    assert (later.decision.contact, later.reasons.constraints[:1]) == (False, (rule,))
    audit(on.ledger.database, under())


@pytest.mark.parametrize("kind", ["opted_out", "churned"])
def test_what_was_made_already_is_paid(on: Days, kind: OutcomeKind) -> None:
    answer = on.ask(november(2))
    on.tell(november(2), answer, kind)
    assert on.state(answer) == "expired"
    assert on.contacts(november(2)) == 1
    assert (on.account().spent_cents, on.account().worst_cents) == (CONTACT, 0)
    audit(on.ledger.database, under())


def test_acceptance_of_an_earlier_offer_cancels_what_is_booked(on: Days) -> None:
    first = on.ask(november(2))
    second = on.ask(november(21))  # a Saturday
    assert second.decision.contact_on == november(23)
    assert on.state(first) == "expired"
    assert isinstance(on.tell(november(22), first, "accepted"), OutcomeRecord)
    assert (on.state(first), on.state(second)) == ("accepted", "cancelled")
    assert on.contacts(november(23)) == 0
    account = on.account()
    assert (account.spent_cents, account.worst_cents) == (CONTACT + discount(first), 0)
    third = on.ask(november(30))
    assert "active_offer" in third.reasons.constraints
    audit(on.ledger.database, under())


def test_second_discount_is_refused(on: Days) -> None:
    """Of two offers that were made, one can be accepted."""
    first = on.ask(november(2))
    second = on.ask(november(17))
    on.tell(november(18), first, "accepted")
    assert on.state(second) == "expired"  # it was made on the 17th
    answer = on.tell(november(19), second, "accepted")
    assert isinstance(answer, ConflictError)
    assert "2026-11-18" in str(answer)
    assert isinstance(on.tell(november(19), second, "refused"), OutcomeRecord)
    assert on.account().spent_cents == 2 * CONTACT + discount(first)
    audit(on.ledger.database, under())


def test_late_answer_is_charged_when_it_comes(on: Days) -> None:
    answer = on.ask(november(2))
    on.ask(date(2026, 12, 7), "other")  # settles what is overdue
    assert on.state(answer) == "expired"
    assert on.account().spent_cents == CONTACT
    assert isinstance(on.tell(date(2026, 12, 8), answer, "accepted"), OutcomeRecord)
    assert on.state(answer) == "accepted"
    assert on.account().spent_cents == CONTACT + discount(answer)  # of the contact's own month
    audit(on.ledger.database, under())


@pytest.mark.parametrize("kind", ["accepted", "refused"])
def test_cancelled_contact_that_was_made_all_the_same(on: Days, kind: OutcomeKind) -> None:
    answer = on.ask(november(7))
    on.tell(november(8), answer, "opted_out")
    assert isinstance(on.tell(november(9), answer, kind), OutcomeRecord)
    assert on.state(answer) == kind
    cost = CONTACT + (discount(answer) if kind == "accepted" else 0)
    assert (on.account().spent_cents, on.account().worst_cents) == (cost, 0)
    assert on.contacts(november(9)) == 0  # its place had been given back
    audit(on.ledger.database, under())


def test_whoever_has_left_is_back_once_a_later_report_says_so(on: Days) -> None:
    first = on.ask(november(2))
    on.tell(november(3), first, "refused")
    on.tell(november(10), first, "churned")
    gone = on.ask(november(16))
    assert gone.reasons.constraints[:1] == ("churned",)
    noon = datetime(2026, 11, 9, 12, tzinfo=UTC)
    other = on.ask(november(9), "other")
    assert other.decision.contact
    on.tell(november(17), gone, "retained")
    back = on.ask(november(18))
    assert back.decision.contact
    # What is told late of the time before changes nothing.
    assert isinstance(on.tell(november(18), other, "churned", observed_at=noon), OutcomeRecord)
    assert isinstance(on.tell(november(19), back, "refused"), OutcomeRecord)
    assert on.ask(november(30)).decision.contact
    audit(on.ledger.database, under())


def test_reports_count_by_when_they_are_true_of(on: Days) -> None:
    """Churn of the 3rd, told after it was told that the customer was there on the 20th."""
    first = on.ask(november(2))
    on.tell(november(2), first, "refused")
    second = on.ask(november(3))
    on.tell(november(20), first, "retained")
    then = datetime(2026, 11, 3, 13, tzinfo=UTC)
    assert isinstance(on.tell(november(21), second, "churned", observed_at=then), OutcomeRecord)
    assert "churned" not in on.ask(november(23)).reasons.constraints


def test_more_acceptances_than_reserved_are_carried_to_the_next_month(
    make_ledger: Callable[..., Ledger], any_url: str, clock: Clock
) -> None:
    limits: dict[str, Any] = {"budget_usd": 1500.0, "customers": 1, "exploration": 0.0}
    on = Days(make_ledger(any_url, **limits), clock)
    made = [on.ask(november(2), f"c{number}") for number in range(110)]
    contacts = [one for one in made if one.decision.contact]
    worst = sum(CONTACT + discount(one) for one in contacts)
    assert worst > 150_000
    assert made[-1].reasons.constraints == ("budget",)
    for one in contacts:
        assert isinstance(on.tell(november(3), one, "accepted"), OutcomeRecord)
        assert on.account().spent_cents <= 150_000
    assert (on.account().spent_cents, on.account().carried_cents) == (150_000, worst - 150_000)
    assert on.account("2026-12").spent_cents == worst - 150_000
    audit(on.ledger.database, under(**limits))


def test_new_limit_counts_at_once(
    make_ledger: Callable[..., Ledger], any_url: str, clock: Clock
) -> None:
    """For the month, and for the next, which contacts after a delay fall in."""
    tight = Days(make_ledger(any_url, exploration=0.0, customers=1, budget_usd=40.0), clock)
    assert tight.ask(date(2026, 11, 30), "a").decision.contact
    assert tight.ask(date(2026, 11, 30), "b").reasons.constraints == ("budget",)
    ample = Days(make_ledger(any_url, exploration=0.0, customers=1, budget_usd=90.0), clock)
    assert ample.ask(date(2026, 11, 30), "c").decision.contact
    assert [ample.account(month).limit_cents for month in ("2026-11", "2026-12")] == [9000, 9000]
    again = Days(make_ledger(any_url, exploration=0.0, customers=1, budget_usd=40.0), clock)
    assert again.ask(date(2026, 11, 30), "d").reasons.constraints == ("budget",)
    assert again.account().limit_cents == 4000
    audit(again.ledger.database, under(budget_usd=40.0), [40.0, 90.0, 40.0])


def test_silence_of_many_is_settled_in_portions(on: Days, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("churnsaver_serving.live.ledger._MOST_EXPIRED", 3)
    silent = [on.ask(november(2), f"c{number}") for number in range(8)]
    left = []
    for number in range(5):
        # One of them is asked about, and settled at once whatever else is.
        on.ask(november(17), "c7" if number == 0 else f"new{number}")
        left.append(sum(on.state(one) == "open" for one in silent))
    assert left == [4, 1, 0, 0, 0]
    assert audit(on.ledger.database, under()) == 13


def test_database_holds_that_a_customer_has_one_open_contact(on: Days) -> None:
    on.ask(november(2))
    with on.ledger.database.read() as connection:
        row = dict(connection.execute(sa.select(decisions)).mappings().one())
    with pytest.raises(IntegrityError), on.ledger.database.write() as connection:
        connection.execute(decisions.insert(), row | {"id": "another"})


def test_outcomes_are_recorded_while_no_release_is_loaded(on: Days) -> None:
    first, second = on.ask(november(2)), on.ask(november(2), "other")
    on.ledger.decider = None
    on.tell(november(3), first, "accepted")
    on.tell(november(3), second, "churned")
    assert (on.state(first), on.state(second)) == ("accepted", "expired")
    assert on.account().spent_cents == 2 * CONTACT + discount(first)
