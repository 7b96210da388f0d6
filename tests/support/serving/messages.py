"""A small bank of messages, and the message files that go with it."""

import msgspec

from churnsaver_serving.runtime.context import (
    MESSAGE_CHANNELS,
    TONES,
    MessageContext,
)
from churnsaver_serving.runtime.messages.bank import BankedMessage, MessageBank, message_id
from churnsaver_serving.runtime.messages.files import message_files
from churnsaver_serving.runtime.messages.sending import default_sending
from churnsaver_serving.runtime.messages.templates import default_templates
from churnsaver_serving.runtime.messages.wording import default_wording
from churnsaver_serving.runtime.shield.rules import default_rules
from churnsaver_serving.runtime.shield.shield import Shield

CHECKPOINT, REWARD_MODEL = "c" * 64, "d" * 64

BODIES = (
    "We are glad to have you with us and would love you to stay. Tell us what we can do better.",
    "You matter to us, and we would be sorry to see you leave. We hope you will stay with us.",
    "Thank you for choosing us. We want your service to be right for you, so please let us know.",
)
OFFERS = (0, 5, 10, 20)


def banked(context: MessageContext, *bodies: str) -> tuple[BankedMessage, ...]:
    """Bank messages with those bodies, best first."""
    return tuple(
        BankedMessage(id=message_id(context, body), body=body, tokens=60, score=-float(rank))
        for rank, body in enumerate(bodies)
    )


def small_bank() -> MessageBank:
    """Three messages for each context of new customers with fiber; none for others."""
    contexts = [
        MessageContext("fiber", "new", offer, tone, channel)
        for offer in OFFERS
        for tone in TONES
        for channel in MESSAGE_CHANNELS
    ]
    return MessageBank(
        checkpoint=CHECKPOINT,
        reward_model=REWARD_MODEL,
        shield=Shield.from_bytes(default_rules()).sha256,
        contexts={context.key: banked(context, *BODIES) for context in contexts},
    )


def messages(*, bank: bool = True) -> dict[str, bytes]:
    """Make the message files of a release."""
    encoded = msgspec.json.encode(small_bank()) if bank else None
    return message_files(
        default_wording(), default_templates(), default_rules(), default_sending(), encoded
    )
