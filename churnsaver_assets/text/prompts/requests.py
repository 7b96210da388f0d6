"""What the model is asked: a request for each context."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from churnsaver_assets.text.model.chat import chat_text
from churnsaver_assets.text.records import Prompt
from churnsaver_serving.runtime.context import (
    SERVICES,
    STANDINGS,
    MessageChannel,
    MessageContext,
    Service,
    Standing,
    Tone,
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
    """The request for one message's body, in words; nothing in it names a person.

    Args:
        context: of the message.
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
    """A prompt for each context, in its order.

    Args:
        tokenizer: of the model that will read them.
        contexts: by the prompts' ids.
    """
    return [
        Prompt(
            id=name,
            context=context,
            text=chat_text(tokenizer, [{"role": "user", "content": message_request(context)}]),
        )
        for name, context in contexts.items()
    ]


def all_contexts(
    offers: Sequence[int], tones: Sequence[Tone], channels: Sequence[MessageChannel]
) -> list[MessageContext]:
    """Every context of these offers, tones and channels.

    Args:
        offers: discounts, percent.
        tones: asked for.
        channels: messages go out by.
    """
    return [
        MessageContext(service, standing, offer, tone, channel)
        for service in SERVICES
        for standing in STANDINGS
        for offer in offers
        for tone in tones
        for channel in channels
    ]
