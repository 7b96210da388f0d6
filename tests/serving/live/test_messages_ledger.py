"""Messages with decisions: what is answered is what is stored, and drawing one changes no odds."""

import dataclasses
import hashlib
from collections import Counter
from collections.abc import Callable
from typing import Any

import msgspec
import numpy as np
import pytest
import sqlalchemy as sa
from upath import UPath

from churnsaver_serving.live.commands import Observe, Retain
from churnsaver_serving.live.decider import Decider
from churnsaver_serving.live.ledger import Ledger, uuid7
from churnsaver_serving.live.store.tables import decisions
from churnsaver_serving.runtime.context import MessageContext, context_of
from churnsaver_serving.runtime.customer import ContactHistory, Customer
from churnsaver_serving.runtime.engine.decision import Decision, Pace
from churnsaver_serving.runtime.engine.release import Release, load_release
from churnsaver_serving.runtime.messages.bank import message_id
from churnsaver_serving.runtime.messages.composer import Composer, GeneratedText
from churnsaver_serving.runtime.messages.message import Check, MessageRequest
from churnsaver_serving.runtime.messages.templates import Templates, ToneBodies
from churnsaver_serving.runtime.scoring.acceptance import AcceptanceModel
from churnsaver_serving.runtime.scoring.scores import ScoringModel
from churnsaver_serving.schemas import MessageLog, OutcomeRequest, RetainAnswer, RetainRequest
from tests.support.serving.clock import MONDAY, Clock
from tests.support.serving.limits import limits
from tests.support.serving.messages import BODIES, CHECKPOINT
from tests.support.serving.profiles import AT_RISK, LOYAL
from tests.support.serving.release import release_files, save_release

COLUMNS = (
    "message_rung",
    "message_id",
    "message_context",
    "message_verdicts",
    "message_checkpoint",
    "bank_checkpoint",
    "shield_sha256",
    "templates_sha256",
)
LIVE = "We would love to keep you with us. Please tell us how we can make things better for you."


def retain(customer_id: str = "c", *, profile: Any = AT_RISK, **message: Any) -> Retain:
    wanted = MessageRequest(**message) if message else None
    return Retain(RetainRequest(customer_id, profile, message=wanted))


def process(ledger: Ledger, command: Retain) -> RetainAnswer:
    [result] = ledger.process([command])
    assert isinstance(result, bytes), result
    return msgspec.json.decode(result, type=RetainAnswer)


def row_of(ledger: Ledger, decision_id: str) -> dict[str, Any]:
    with ledger.database.read() as connection:
        found = connection.execute(sa.select(decisions).where(decisions.c.id == decision_id)).one()
    return dict(found._mapping)


def test_contact_has_a_message(ledger: Ledger, release: Release) -> None:
    answer = process(ledger, retain())
    message = answer.message
    assert message is not None
    assert answer.decision.contact
    context = context_of(AT_RISK, answer.decision.offer_pct, tone="warm", channel="email")
    assert (message.rung, message.context) == ("bank", context.key)
    assert message.message_id in {message_id(context, body) for body in BODIES}
    row = row_of(ledger, answer.decision_id)
    assert {name: row[name] for name in COLUMNS} == {
        "message_rung": "bank",
        "message_id": message.message_id,
        "message_context": context.key,
        "message_verdicts": [{"part": "bank", "passed": True, "rules": []}],
        "message_checkpoint": CHECKPOINT,
        "bank_checkpoint": CHECKPOINT,
        "shield_sha256": release.messages.shield,
        "templates_sha256": release.messages.templates,
    }
    record = ledger.read(answer.decision_id)
    assert record.answer.message == message
    assert record.log.message == MessageLog(release.messages.shield, release.messages.templates)


def test_no_contact_has_none(ledger: Ledger) -> None:
    answer = process(ledger, retain(profile=LOYAL, first_name="Ana"))
    assert not answer.decision.contact
    assert answer.message is None
    with ledger.database.read() as connection:
        count = sa.select(sa.func.count()).select_from(decisions)
        null = [decisions.c[name].is_(None) for name in COLUMNS]
        assert connection.scalar(count.where(*null)) == 1  # SQL's NULL, not JSON's
    assert ledger.read(answer.decision_id).log.message is None


def test_tone_and_channel_are_asked_for(ledger: Ledger) -> None:
    answer = process(ledger, retain(tone="upbeat", channel="sms"))
    assert answer.message is not None
    assert answer.message.context == f"fiber/new/{answer.decision.offer_pct}/upbeat/sms"
    assert answer.message.text is not None
    assert answer.message.text.endswith("Reply STOP to opt out.")


def test_template_where_the_bank_has_none(ledger: Ledger) -> None:
    settled = msgspec.structs.replace(AT_RISK, tenure_months=12)
    answer = process(ledger, retain(profile=settled))
    assert answer.message is not None
    assert answer.message.rung == "template"
    row = row_of(ledger, answer.decision_id)
    assert (row["message_checkpoint"], row["bank_checkpoint"]) == (None, CHECKPOINT)


def test_first_name_is_in_the_answer_only(ledger: Ledger) -> None:
    answer = process(ledger, retain(first_name="Quintus"))
    assert answer.message is not None
    assert answer.message.text is not None
    assert answer.message.text.startswith("Hi Quintus,")
    row = row_of(ledger, answer.decision_id)
    assert "Quintus" in row.pop("answer")
    assert "Quintus" not in repr(row)


def test_stored_answer_is_what_was_answered(ledger: Ledger, clock: Clock) -> None:
    request = RetainRequest("c", AT_RISK, message=MessageRequest("Ana"))
    [first] = ledger.process([Retain(request, "key")])
    clock.advance(100)
    context = MessageContext("fiber", "new", 20, "warm", "email")
    [again] = ledger.process([Retain(request, "key", GeneratedText(context, LIVE, "f" * 64))])
    assert again == first


def test_requests_from_before_there_were_messages_still_match() -> None:
    before = '{"customer_id":"c","profile":%s,"channel":"cellular"}'
    encoded = before % msgspec.json.encode(AT_RISK).decode()
    assert retain().request_sha256 == hashlib.sha256(encoded.encode()).hexdigest()
    assert retain(first_name="Ana").request_sha256 != retain().request_sha256
    assert retain(first_name="Ana").request_sha256 != retain(first_name="Eva").request_sha256


def test_drawing_a_message_changes_no_odds(
    make_ledger: Callable[..., Ledger],
    sqlite_url: str,
    postgres_url: str,
    risk: ScoringModel,
    acceptance: AcceptanceModel,
) -> None:
    """The same decisions, draws and propensities with a bank, without one, and with live text."""
    files = release_files(risk, acceptance, bank=False)
    bare = load_release(save_release(UPath("memory://bare"), files))
    logged = []
    for url, served in ((sqlite_url, None), (postgres_url, bare)):
        ledger = make_ledger(url, served, exploration=0.3, exploration_margin_usd=1e6)
        for number in range(40):
            process(ledger, retain(f"c{number}"))
        with ledger.database.read() as connection:
            drawn = sa.select(
                decisions.c.action, decisions.c.propensity, decisions.c.uniform
            ).order_by(decisions.c.customer_id)
            logged.append([tuple(row) for row in connection.execute(drawn)])
    assert logged[0] == logged[1]
    assert len({action for action, _, _ in logged[0]}) > 2


def test_messages_are_drawn_by_the_decisions_id(release: Release) -> None:
    decider = Decider(release)
    request, decision = RetainRequest("c", AT_RISK), contact(decider)
    ids = [uuid7(MONDAY) for _ in range(600)]
    drawn = [decider.message(one, MONDAY, request, decision) for one in ids]
    assert drawn == [decider.message(one, MONDAY, request, decision) for one in ids]
    counts = Counter(one.message_id for one in drawn if one)
    assert len(counts) == len(BODIES)
    assert min(counts.values()) > 140  # 200 expected, standard deviation 11.5


def contact(decider: Decider) -> Decision:
    """Make a decision to contact."""
    [decision] = decider.decide(
        [Customer("c", AT_RISK, "cellular", ContactHistory())],
        [(None, None)],
        MONDAY,
        limits(MONDAY.date()).accounts,
        {},
        np.array([0.5]),
        Pace(),
    )
    assert decision.contact
    return decision


def test_nothing_may_be_sent(
    make_ledger: Callable[..., Ledger], any_url: str, release: Release
) -> None:
    bad = ToneBodies(*["Stay and get 50% off."] * 3)
    usual = release.composer()
    composer = Composer(usual.wording, Templates(bad, bad), None, usual.checker)
    mute = dataclasses.replace(
        release, messages=dataclasses.replace(release.messages, composer=composer)
    )
    ledger = make_ledger(any_url, mute, exploration=0.0)
    answer = process(ledger, retain())
    assert answer.decision.contact
    assert answer.message is not None
    assert (answer.message.rung, answer.message.text) == ("none", None)
    row = row_of(ledger, answer.decision_id)
    assert (row["message_rung"], row["message_id"]) == ("none", None)
    assert row["message_verdicts"][0]["rules"]


def test_live_text_is_used_where_it_was_foreseen(ledger: Ledger) -> None:
    command = retain(first_name="Ana", tone="plain", channel="sms")
    context = ledger.foresee(command)
    assert context is not None
    answer = process(
        ledger, dataclasses.replace(command, generated=GeneratedText(context, LIVE, "f" * 64))
    )
    assert answer.message is not None
    assert (answer.message.rung, answer.message.context) == ("live", context.key)
    assert answer.message.text is not None
    assert answer.message.text.startswith(f"Hi Ana, {LIVE}")
    row = row_of(ledger, answer.decision_id)
    assert (row["message_rung"], row["message_checkpoint"]) == ("live", "f" * 64)


def test_live_text_for_another_decision_is_not_used(ledger: Ledger) -> None:
    context = ledger.foresee(retain())
    assert context is not None
    other = msgspec.structs.replace(context, offer_pct=0 if context.offer_pct else 5)
    answer = process(
        ledger, dataclasses.replace(retain(), generated=GeneratedText(other, LIVE, "f" * 64))
    )
    assert answer.message is not None
    assert answer.message.rung == "bank"
    assert answer.message.verdicts[0] == Check("live", passed=False, rules=("other_context",))


def test_foreseeing_writes_nothing(ledger: Ledger) -> None:
    with ledger.database.read() as connection:
        before = {
            table: connection.scalar(sa.select(sa.func.count()).select_from(sa.table(table)))
            for table in decisions.metadata.tables
        }
    assert ledger.foresee(retain()) is not None
    assert ledger.foresee(retain(profile=LOYAL)) is None
    with ledger.database.write() as connection:  # no transaction was left open
        after = {
            table: connection.scalar(sa.select(sa.func.count()).select_from(sa.table(table)))
            for table in decisions.metadata.tables
        }
    assert after == before


@pytest.mark.parametrize("exploration", [0.0, 0.3])
def test_foreseen_is_what_is_decided(
    make_ledger: Callable[..., Ledger],
    any_url: str,
    learned_release: Release,
    clock: Clock,
    exploration: float,
) -> None:
    """Also under cooldown, a spent budget and the day's pacing; but for what exploration drew."""
    rules = {"exploration": exploration, "budget_usd": 400.0, "customers": 12}
    ledger = make_ledger(any_url, learned_release, **rules)
    contacts = 0
    for turn in range(60):
        command = retain(f"c{turn % 12}")
        if turn % 12 == 0:
            clock.advance(4)
            process(ledger, retain("sets the day's multiplier", profile=LOYAL))
        foreseen = ledger.foresee(command)
        answer = process(ledger, command)
        if answer.reasons.cause == "policy":
            assert (foreseen and foreseen.key) == (answer.message and answer.message.context)
            contacts += answer.decision.contact
        if answer.decision.contact and turn % 2:
            ledger.process([Observe(OutcomeRequest(answer.decision_id, "refused"))])
    assert contacts >= 3


def test_nothing_is_foreseen_for_an_answer_that_is_stored(ledger: Ledger) -> None:
    command = Retain(RetainRequest("c", LOYAL), "key")
    ledger.process([command])
    at_risk = dataclasses.replace(command, request=RetainRequest("d", AT_RISK))
    assert ledger.foresee(at_risk) is None
