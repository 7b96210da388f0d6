"""What the model is asked: a request for each context, and which contexts customers have."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from churnsaver_assets.packing import profile_of
from churnsaver_assets.text.chat import chat_text
from churnsaver_assets.text.records import Prompt
from churnsaver_serving.runtime.messages.context import (
    MESSAGE_CHANNELS,
    SERVICES,
    STANDINGS,
    TONES,
    MessageChannel,
    MessageContext,
    Service,
    Standing,
    Tone,
    context_of,
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


def customer_contexts(
    customers: pd.DataFrame, offers_pct: Sequence[int], seed: int
) -> dict[str, MessageContext]:
    """The contexts of these customers' messages, by customer id.

    Args:
        customers: rows of the canonical Telco table.
        offers_pct: each row's decided discount, percent; 0 for none.
        seed: tone and channel are drawn by it, each equally likely.

    Raises:
        ValueError: not an offer for each customer, or a customer twice.
    """
    if len(customers) != len(offers_pct):
        raise ValueError(
            f"expected an offer for each customer, got {len(customers)} customers and "
            f"{len(offers_pct)} offers"
        )
    if not customers["customer_id"].is_unique:
        twice = customers.loc[customers["customer_id"].duplicated(), "customer_id"].iloc[0]
        raise ValueError(f"expected each customer once, got {twice} twice")
    rng = np.random.default_rng(seed)
    tones = rng.integers(len(TONES), size=len(customers))
    channels = rng.integers(len(MESSAGE_CHANNELS), size=len(customers))
    return {
        str(row["customer_id"]): context_of(
            profile_of(row), int(offer), tone=TONES[tone], channel=MESSAGE_CHANNELS[channel]
        )
        for row, offer, tone, channel in zip(
            customers.to_dict("records"), offers_pct, tones, channels, strict=True
        )
    }
