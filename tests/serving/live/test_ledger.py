"""The ledger's transactions on both databases: histories, outcomes, money, idempotency."""

import re
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import msgspec
import pytest
import sqlalchemy as sa

from churnsaver_serving.live.commands import Observe, Retain
from churnsaver_serving.live.errors import (
    ConflictError,
    InvalidError,
    LedgerUnavailableError,
    UnknownDecisionError,
)
from churnsaver_serving.live.history import contact_histories
from churnsaver_serving.live.ledger import Ledger, uuid7
from churnsaver_serving.live.store.tables import accounts, decisions
from churnsaver_serving.runtime.customer import ContactHistory, Profile
from churnsaver_serving.runtime.messages.message import MessageRequest
from churnsaver_serving.schemas import (
    OutcomeKind,
    OutcomeRecord,
    OutcomeRequest,
    RetainAnswer,
    RetainRequest,
)
from tests.support.serving.audit import audit
from tests.support.serving.clock import MONDAY, Clock
from tests.support.serving.profiles import AT_RISK, LOYAL
from tests.support.serving.release import RULES

NO_EXPLORATION = msgspec.structs.replace(RULES, exploration=0.0)


def ask(
    ledger: Ledger, customer_id: str = "c", key: str | None = None, profile: Profile = AT_RISK
) -> RetainAnswer:
    result = ledger.process([Retain(RetainRequest(customer_id, profile), key)])[0]
    assert isinstance(result, bytes), result
    return msgspec.json.decode(result, type=RetainAnswer)


def tell(ledger: Ledger, answer: RetainAnswer, kind: OutcomeKind, **more: Any) -> Any:
    return ledger.process([Observe(OutcomeRequest(answer.decision_id, kind, **more))])[0]


def history(ledger: Ledger, clock: Clock, customer_id: str = "c") -> ContactHistory:
    with ledger.database.read() as connection:
        found = contact_histories(
            connection, {customer_id: clock.today}, clock.today, window_days=30, answer_days=14
        )
    return found[customer_id]


def committed(ledger: Ledger, month: str = "2026-11") -> int:
    """Return the most that the month's contacts can cost, cents."""
    with ledger.database.read() as connection:
        found = connection.scalar(
            sa.select(accounts.c.spent_cents + accounts.c.worst_cents).where(
                accounts.c.month == month
            )
        )
        return int(found or 0)


def test_customer_without_history(ledger: Ledger, clock: Clock) -> None:
    assert history(ledger, clock) == ContactHistory()
    ask(ledger, profile=LOYAL)
    assert history(ledger, clock) == ContactHistory()  # a decision not to contact is no contact


def test_contact_moves_from_window_to_previous(ledger: Ledger, clock: Clock) -> None:
    answer = ask(ledger)
    first = answer.decision
    assert first.contact_on is not None
    in_window = ContactHistory(last_contact_on=first.contact_on, contacts_in_window=1, waiting=True)
    assert history(ledger, clock) == in_window
    tell(ledger, answer, "refused")
    in_window = msgspec.structs.replace(in_window, waiting=False)
    assert history(ledger, clock) == in_window
    clock.now = datetime.combine(first.contact_on, MONDAY.timetz()) + timedelta(days=29)
    assert history(ledger, clock) == in_window
    clock.advance(1)
    assert history(ledger, clock) == ContactHistory(
        last_contact_on=first.contact_on,
        previous_contact_on=first.contact_on,
        previous_contacts=1,
        previous_outcome="failure",
    )


def test_previous_outcome_is_a_success_once_accepted(ledger: Ledger, clock: Clock) -> None:
    accepted = ask(ledger)
    tell(ledger, accepted, "accepted")
    before = history(ledger, clock)
    assert before.previous_outcome == "nonexistent"  # still in the window
    assert before.last_accepted_on == clock.today
    clock.advance(91)
    ignored = ask(ledger)
    assert ignored.decision.contact
    clock.advance(60)
    seen = history(ledger, clock)
    assert seen.previous_contacts == 2
    assert seen.previous_contact_on == ignored.decision.contact_on
    assert seen.previous_outcome == "success"


def test_histories_keep_customers_apart(ledger: Ledger, clock: Clock) -> None:
    answer = ask(ledger, "a")
    tell(ledger, answer, "opted_out")
    opted_out, other = history(ledger, clock, "a"), history(ledger, clock, "b")
    assert opted_out.opted_out
    assert opted_out.contacts_in_window == 1
    assert other == ContactHistory()


def test_window_ends_on_the_customers_own_day(ledger: Ledger, clock: Clock) -> None:
    """West of Greenwich a contact of 30 days ago is in the window for some hours longer."""
    contact = ask(ledger).decision.contact_on
    assert contact is not None
    clock.now = datetime.combine(contact, MONDAY.timetz()) + timedelta(days=30)
    counts = []
    for own in (clock.today - timedelta(days=1), clock.today):
        with ledger.database.read() as connection:
            found = contact_histories(
                connection, {"c": own}, clock.today, window_days=30, answer_days=14
            )
        counts.append((found["c"].contacts_in_window, found["c"].previous_contacts))
    assert counts == [(1, 0), (0, 1)]


def test_cooldown_and_fatigue(ledger: Ledger, clock: Clock) -> None:
    """Refused at once, so that no contact is open."""
    seen = set()
    for _ in range(90):
        answer = ask(ledger)
        if answer.decision.contact:
            clock.advance(answer.decision.delay_days)
            tell(ledger, answer, "refused")
        else:
            seen.update(answer.reasons.constraints)
        clock.advance(1)
    assert seen >= {"cooldown", "fatigue"}
    audit(ledger.database, NO_EXPLORATION)


def test_budget_is_of_the_month_of_the_contact(
    make_ledger: Callable[..., Ledger], any_url: str, clock: Clock
) -> None:
    """On the last of the month, a Monday; a customer in Berlin at 22:00 UTC has the 1st already."""
    tight = {"exploration": 0.0, "budget_usd": 60.0, "customers": 1}
    ledger = make_ledger(any_url, **tight)
    clock.now = datetime(2026, 11, 30, 12, 0, tzinfo=UTC)
    first, second = ask(ledger, "a"), ask(ledger, "b")
    assert first.decision.contact_on == date(2026, 11, 30)
    assert second.reasons.constraints == ("budget",)
    assert committed(ledger, "2026-12") == 0
    clock.now = datetime(2026, 11, 30, 23, 30, tzinfo=UTC)
    request = RetainRequest("c", AT_RISK, message=MessageRequest(time_zone="Europe/Berlin"))
    [result] = ledger.process([Retain(request)])
    assert isinstance(result, bytes)
    third = msgspec.json.decode(result, type=RetainAnswer)
    assert third.decision.contact_on == date(2026, 12, 1)
    assert 0 < committed(ledger, "2026-11") <= 6000
    assert 0 < committed(ledger, "2026-12") <= 6000
    audit(ledger.database, msgspec.structs.replace(NO_EXPLORATION, **tight))


def test_lowered_limit_stops_spending(make_ledger: Callable[..., Ledger], any_url: str) -> None:
    before = make_ledger(any_url, exploration=0.0)
    ask(before, "a")
    spent = committed(before)
    after = make_ledger(any_url, exploration=0.0, budget_usd=1.0)
    assert not ask(after, "b").decision.contact
    assert committed(after) == spent


def test_refusal_gives_the_discount_back_once(ledger: Ledger) -> None:
    answer = ask(ledger)
    assert answer.decision.contact
    full = committed(ledger)
    discount = round(95.5 * answer.decision.offer_pct / 100 * 3 * 100)
    assert full == 200 + discount
    tell(ledger, answer, "refused")
    assert committed(ledger) == 200
    tell(ledger, answer, "refused")
    assert committed(ledger) == 200
    assert audit(ledger.database, NO_EXPLORATION) == 1


def test_refusal_in_another_month_goes_back_where_it_came_from(
    ledger: Ledger, clock: Clock
) -> None:
    answer = ask(ledger)
    clock.advance(40)
    tell(ledger, answer, "refused")
    assert committed(ledger, "2026-11") == 200
    assert committed(ledger, "2026-12") == 0


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("accepted", "refused"),
        ("refused", "accepted"),
        ("retained", "churned"),
        ("churned", "retained"),
    ],
)
def test_contradictions(ledger: Ledger, first: OutcomeKind, second: OutcomeKind) -> None:
    answer = ask(ledger)
    assert isinstance(tell(ledger, answer, first), OutcomeRecord)
    contradiction = tell(ledger, answer, second)
    assert isinstance(contradiction, ConflictError)
    assert contradiction.field == "kind"


def test_outcomes_that_go_together(ledger: Ledger, clock: Clock) -> None:
    answer = ask(ledger)
    records = []
    for kind in ("accepted", "retained", "opted_out"):
        clock.advance(1)
        records.append(tell(ledger, answer, kind))
    assert list(ledger.read(answer.decision_id).outcomes) == records


def test_outcome_never_changes(ledger: Ledger, clock: Clock) -> None:
    answer = ask(ledger)
    clock.advance(1)
    first = tell(ledger, answer, "accepted")
    clock.advance(1)
    assert tell(ledger, answer, "accepted", observed_at=clock.now) == first
    assert first.recorded_at == clock.now - timedelta(days=1)


def test_no_answer_to_an_offer_that_was_not_made(ledger: Ledger) -> None:
    answer = ask(ledger, profile=LOYAL)
    for kind in ("accepted", "refused"):
        assert isinstance(tell(ledger, answer, kind), ConflictError)
    assert isinstance(tell(ledger, answer, "churned"), OutcomeRecord)


def test_times_of_outcomes(ledger: Ledger, clock: Clock) -> None:
    answer = ask(ledger)
    late = clock.now + timedelta(seconds=61)
    early = clock.now - timedelta(seconds=61)
    assert isinstance(tell(ledger, answer, "churned", observed_at=late), InvalidError)
    assert isinstance(tell(ledger, answer, "churned", observed_at=early), ConflictError)
    record = tell(ledger, answer, "churned", observed_at=clock.now + timedelta(seconds=59))
    assert record.observed_at == clock.now + timedelta(seconds=59)


def test_unknown_decision(ledger: Ledger) -> None:
    unknown = uuid7(MONDAY)
    request = OutcomeRequest(unknown, "churned")
    assert isinstance(ledger.process([Observe(request)])[0], UnknownDecisionError)
    with pytest.raises(UnknownDecisionError, match=unknown):
        ledger.read(unknown)


def test_results_stand_in_the_order_of_the_commands(ledger: Ledger) -> None:
    earlier = ask(ledger, "z")
    commands = [
        Retain(RetainRequest("a", AT_RISK)),
        Observe(OutcomeRequest(earlier.decision_id, "accepted")),
        Retain(RetainRequest("b", LOYAL), "key"),
        Observe(OutcomeRequest(uuid7(MONDAY), "accepted")),
        Retain(RetainRequest("c", AT_RISK)),
    ]
    results = ledger.process(commands)
    asked = [msgspec.json.decode(results[at])["customer_id"] for at in (0, 2, 4)]
    assert asked == ["a", "b", "c"]
    assert isinstance(results[1], OutcomeRecord)
    assert isinstance(results[3], UnknownDecisionError)


def test_idempotency_outlives_the_process(
    make_ledger: Callable[..., Ledger], any_url: str, clock: Clock
) -> None:
    request = RetainRequest("c", AT_RISK)
    first = make_ledger(any_url).process([Retain(request, "key")])[0]
    clock.advance(100)
    restarted = make_ledger(any_url)
    assert restarted.process([Retain(request, "key")])[0] == first
    other = RetainRequest("c", AT_RISK, "telephone")
    assert isinstance(restarted.process([Retain(other, "key")])[0], ConflictError)
    assert audit(restarted.database, RULES) == 1


def test_failed_batch_leaves_nothing(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("after the decisions were inserted")

    monkeypatch.setattr("churnsaver_serving.live.ledger.count_decided", fail)
    with pytest.raises(RuntimeError):
        ledger.process([Retain(RetainRequest("a", AT_RISK))])
    monkeypatch.undo()
    assert audit(ledger.database, NO_EXPLORATION) == 0
    assert committed(ledger) == 0


def test_writers_exclude_each_other(make_ledger: Callable[..., Ledger], any_url: str) -> None:
    impatient = make_ledger(any_url)
    impatient.database.close()
    impatient.database = type(impatient.database)(any_url, timeout_s=0.2)
    holder = make_ledger(any_url)
    with holder.database.write() as _, pytest.raises(LedgerUnavailableError):
        impatient.process([Retain(RetainRequest("a", AT_RISK))])
    assert ask(impatient).decision.contact
    impatient.database.close()


def test_recorded_as_decided(ledger: Ledger, clock: Clock) -> None:
    answer = ask(ledger)
    with ledger.database.read() as connection:
        row = connection.execute(sa.select(decisions)).one()
    assert row.decided_at == answer.decided_at == clock.now
    assert row.contact_on == answer.decision.contact_on
    assert row.p_churn == answer.scores.p_churn
    assert row.p_accept == answer.scores.p_accept
    assert row.customer["profile"] == msgspec.to_builtins(AT_RISK)
    assert row.drivers == list(msgspec.to_builtins(answer.reasons.risk))
    assert msgspec.json.decode(row.answer, type=RetainAnswer) == answer
    assert row.action in row.eligible
    assert ledger.read(answer.decision_id).answer == answer


def test_ids_sort_by_time() -> None:
    moments = [MONDAY + timedelta(milliseconds=step) for step in range(100)]
    ids = [uuid7(moment) for moment in moments]
    assert ids == sorted(ids)
    assert len({uuid7(MONDAY) for _ in range(1000)}) == 1000
    pattern = r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"
    assert all(re.fullmatch(pattern, one) for one in ids)
    assert int(ids[0].replace("-", "")[:12], 16) == int(MONDAY.timestamp() * 1000)
