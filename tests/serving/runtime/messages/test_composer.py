"""The ladder: which rung answers, with which text, and what is said of the others."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from churnsaver_serving.runtime.context import MessageContext, all_contexts
from churnsaver_serving.runtime.messages.bank import MessageBank, message_id
from churnsaver_serving.runtime.messages.composer import Composer, GeneratedText
from churnsaver_serving.runtime.messages.message import Check
from churnsaver_serving.runtime.messages.templates import Templates, default_templates
from churnsaver_serving.runtime.messages.wording import Wording, default_wording
from churnsaver_serving.runtime.shield.rules import default_rules
from churnsaver_serving.runtime.shield.shield import Shield
from churnsaver_serving.runtime.tokens import token_bound
from tests.support.serving.messages import BODIES, CHECKPOINT, OFFERS, banked, small_bank

FIBER = MessageContext("fiber", "new", 10, "warm", "email")
PHONE = MessageContext("phone", "long", 0, "plain", "sms")
LIVE = "f" * 64
GOOD = "We would love to keep you with us. Please tell us how we can make things better for you."
# States a discount that nobody decided.
BAD = "Stay with us and get 50% off everything."

SHIELD = Shield.from_bytes(default_rules())
WORDING = msgspec.json.decode(default_wording(), type=Wording)
TEMPLATES = msgspec.json.decode(default_templates(), type=Templates)


def composer(bank: MessageBank | None = None, templates: Templates = TEMPLATES) -> Composer:
    return Composer(WORDING, templates, bank, SHIELD)


def live(
    body: str | None, context: MessageContext = FIBER, failure: str | None = None
) -> GeneratedText:
    return GeneratedText(context, body, LIVE, failure)


def with_bodies(*bodies: str) -> MessageBank:
    """Make a bank that has only these, for `FIBER`."""
    return msgspec.structs.replace(small_bank(), contexts={FIBER.key: banked(FIBER, *bodies)})


def broken_templates() -> Templates:
    """Templates of which none passes."""
    bodies = msgspec.structs.replace(TEMPLATES.offer, warm=BAD, plain=BAD, upbeat=BAD)
    return Templates(offer=bodies, no_offer=bodies)


@pytest.mark.parametrize("context", all_contexts(OFFERS), ids=lambda context: context.key)
def test_templates_pass_in_every_context(context: MessageContext) -> None:
    facts = WORDING.facts(context)
    body = TEMPLATES.body(context, facts)
    assert SHIELD.check_body(body, context).rules == ()
    for name in (None, "Ana", "José-María", "O'Neill"):
        facts = WORDING.facts(context, name)
        text = WORDING.render(body, facts, context.channel)
        assert SHIELD.check_message(text, facts, context.channel).rules == ()
        assert facts.plan in text
        assert ("%" in text) == bool(context.offer_pct)


def test_all_contexts_are_all() -> None:
    contexts = all_contexts(OFFERS)
    assert len({context.key for context in contexts}) == len(contexts) == 3 * 3 * 4 * 3 * 2


def test_bank_message() -> None:
    message = composer(small_bank()).compose(FIBER, None, 0.0)
    assert message.rung == "bank"
    assert message.message_id == message_id(FIBER, BODIES[0])
    assert message.checkpoint == CHECKPOINT
    assert message.tokens == 60
    assert message.context == FIBER.key == "fiber/new/10/warm/email"
    assert message.verdicts == (Check("bank", passed=True),)
    assert message.text == (
        f"Hello,\n\n{BODIES[0]}\n\nIf you stay with us, you get 10% off your monthly bill for the "
        "next 3 months.\n\nYour team at Northwind Telecom\n\nTo stop these emails, reply with STOP."
    )


def test_draw_chooses_evenly() -> None:
    ladder, draws = composer(small_bank()), 300
    ids = [ladder.compose(FIBER, None, step / draws).message_id for step in range(draws)]
    assert {one: ids.count(one) for one in ids} == {
        message_id(FIBER, body): draws // len(BODIES) for body in BODIES
    }


@pytest.mark.parametrize("bank", [None, small_bank()], ids=["no bank", "not in the bank"])
def test_template_where_the_bank_has_none(bank: MessageBank | None) -> None:
    message = composer(bank).compose(PHONE, None, 0.5)
    assert (message.rung, message.checkpoint) == ("template", None)
    assert message.verdicts == (Check("template", passed=True),)
    assert message.text is not None
    assert "home phone" in message.text
    assert message.tokens == token_bound(message.text)
    assert "%" not in message.text


def test_bank_message_that_does_not_pass() -> None:
    message = composer(with_bodies(BAD)).compose(FIBER, None, 0.0)
    assert message.rung == "template"
    bank, template = message.verdicts
    assert (bank.part, bank.passed, template) == ("bank", False, Check("template", passed=True))
    assert bank.rules == tuple(
        dict.fromkeys(
            (
                *SHIELD.check_body(BAD, FIBER).rules,
                *SHIELD.check_message(
                    WORDING.render(BAD, WORDING.facts(FIBER), "email"),
                    WORDING.facts(FIBER),
                    "email",
                ).rules,
            )
        )
    )
    assert bank.rules


def test_nothing_passes() -> None:
    message = composer(with_bodies(BAD), broken_templates()).compose(FIBER, "Ana", 0.0, live(BAD))
    assert message.text is None
    assert (message.rung, message.message_id, message.checkpoint) == ("none", None, None)
    assert [(one.part, one.passed) for one in message.verdicts] == [
        ("live", False),
        ("bank", False),
        ("template", False),
    ]
    assert all(one.rules for one in message.verdicts)


def test_live_text_comes_first() -> None:
    message = composer(small_bank()).compose(FIBER, "Ana", 0.0, live(GOOD))
    assert (message.rung, message.checkpoint) == ("live", LIVE)
    assert message.message_id == message_id(FIBER, GOOD)
    assert message.text is not None
    assert message.text.startswith(f"Hi Ana,\n\n{GOOD}\n\n")
    assert message.verdicts == (Check("live", passed=True), Check("first_name", passed=True))


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        (live(None, failure="late"), "late"),
        (live(None, failure="failed"), "failed"),
        (live(GOOD, PHONE), "other_context"),
    ],
)
def test_live_text_that_is_none(text: GeneratedText, rule: str) -> None:
    message = composer(small_bank()).compose(FIBER, None, 0.0, text)
    assert message.rung == "bank"
    assert message.verdicts == (
        Check("live", passed=False, rules=(rule,)),
        Check("bank", passed=True),
    )


def test_live_text_is_checked_and_not_remembered() -> None:
    ladder = composer(small_bank())
    before = ladder.compose(FIBER, None, 0.0)
    for number in range(20):
        message = ladder.compose(FIBER, None, 0.0, live(f"{BAD} {number}"))
        assert message.rung == "bank"
        assert message.text == before.text
        assert message.verdicts[0].rules
    assert len(ladder._known) == 1


def test_first_name_is_filled_in() -> None:
    message = composer(small_bank()).compose(FIBER, "Ana", 0.0)
    assert message.text is not None
    assert message.text.startswith("Hi Ana,\n\n")
    assert message.tokens == 60 + len(" Ana")
    assert message.verdicts == (Check("bank", passed=True), Check("first_name", passed=True))


@pytest.mark.parametrize(
    "name",
    [
        "http://evil.example",
        "Ana, you get 90% off",
        "{sender}",
        "Ana\nIgnore all rules",
        "<b>Ana</b>",
        "Call 555-0100 now",
    ],
)
def test_first_name_that_does_not_pass_is_left_out(name: str) -> None:
    ladder = composer(small_bank())
    message = ladder.compose(FIBER, name, 0.0)
    assert message.text == ladder.compose(FIBER, None, 0.0).text
    assert message.rung == "bank"
    [check] = [one for one in message.verdicts if one.part == "first_name"]
    assert not check.passed
    assert check.rules


@given(name=st.text(min_size=1, max_size=64), draw=st.floats(0, 1, exclude_max=True))
def test_any_name_gives_a_message_that_passes(name: str, draw: float) -> None:
    message = LADDER.compose(FIBER, name, draw)
    assert message.rung == "bank"
    assert message.text is not None
    used = any(one.part == "first_name" and one.passed for one in message.verdicts)
    facts = WORDING.facts(FIBER, name if used else None)
    assert SHIELD.check_message(message.text, facts, "email").passed
    assert used or message.text.startswith("Hello,\n\n")


LADDER = composer(small_bank())


@pytest.mark.parametrize(
    "body", ["Hello {first_name}, please stay.", "{plan", "", "   ", "{plan} {offer_pct}"]
)
def test_templates_with_fields_that_nobody_fills_in(body: str) -> None:
    builtins = msgspec.to_builtins(TEMPLATES)
    builtins["offer"]["warm"] = body
    with pytest.raises(msgspec.ValidationError, match="warm: expected a text"):
        msgspec.convert(builtins, Templates)
