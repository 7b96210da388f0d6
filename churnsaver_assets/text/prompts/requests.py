"""Requests for message bodies: one for each context, in the model's chat format."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from churnsaver_assets.text.model.chat import chat_text
from churnsaver_assets.text.records import Prompt
from churnsaver_serving.runtime.context import (
    MessageChannel,
    MessageContext,
    Service,
    Standing,
)

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

_SERVICE: dict[Service, str] = {
    "fiber": "fiber internet",
    "dsl": "DSL internet",
    "phone": "home phone",
}
_STANDING: dict[Standing, str] = {
    "new": "new with us",
    "settled": "with us for a while",
    "long": "with us for many years",
}
_CHANNEL: dict[MessageChannel, str] = {"email": "an email", "sms": "a text message"}


def message_request(context: MessageContext) -> str:
    """Word the request for one message's body; nothing in it names a person.

    Args:
        context: The message's context.
    """
    offer = (
        f"a discount of {context.offer_pct}% on their monthly bill"
        if context.offer_pct
        else "no discount"
    )
    return (
        f"Write two sentences for {_CHANNEL[context.channel]} that ask a "
        f"{_SERVICE[context.service]} customer, {_STANDING[context.standing]}, to stay. "
        f"Tone: {context.tone}. Offer: {offer}."
    )


def retention_prompts(
    tokenizer: "PreTrainedTokenizerBase", contexts: Mapping[str, MessageContext]
) -> list[Prompt]:
    """Return a prompt for each context, in the contexts' order.

    Args:
        tokenizer: Tokenizer of the model that will read the prompts.
        contexts: Contexts by the prompts' ids.
    """
    return [
        Prompt(
            id=name,
            context=context,
            text=chat_text(tokenizer, [{"role": "user", "content": message_request(context)}]),
        )
        for name, context in contexts.items()
    ]
