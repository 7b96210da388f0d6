"""The message bank: bodies written and checked beforehand, by context."""

import hashlib
from typing import Annotated

import msgspec
from msgspec import Meta

from churnsaver_serving.runtime.context import MessageContext

BANK_FILE = "messages/bank.json"

Sha256 = Annotated[str, Meta(pattern=r"^[0-9a-f]{64}$")]

_ID_DIGITS = 16


def message_id(context: MessageContext, body: str) -> str:
    """Return the name of a body written for a context.

    Args:
        context: The context that it was written for.
        body: The body as written.
    """
    return hashlib.sha256(f"{context.key}\n{body}".encode()).hexdigest()[:_ID_DIGITS]


class BankedMessage(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One body that passed the shield, alone and rendered with the facts of its context.

    Attributes:
        id: The name that `message_id` gives: the first 16 hexadecimal digits of the sha256 of
            context key, newline and body.
        body: The body as the model wrote it.
        tokens: Length of the whole message as sent without a first name, by the model's tokenizer.
        score: The reward model's score, normalised.
    """

    id: str
    body: str
    tokens: Annotated[int, Meta(ge=1)]
    score: float


class MessageBank(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Usable messages of every context that has enough of them, best first.

    Attributes:
        checkpoint: SHA-256 of the model that wrote the bodies.
        reward_model: SHA-256 of the model that ranked them.
        shield: SHA-256 of the rules that they passed.
        contexts: Messages by `MessageContext.key`; a context that is missing falls back to
            templates.
    """

    checkpoint: Sha256
    reward_model: Sha256
    shield: Sha256
    contexts: dict[str, tuple[BankedMessage, ...]]

    def of(self, context: MessageContext) -> tuple[BankedMessage, ...]:
        """Return the context's messages, best first; none where the bank has none."""
        return self.contexts.get(context.key, ())
