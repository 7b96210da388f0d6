"""Contexts of messages: a segment of customers, an offer, a tone and a channel."""

from collections.abc import Sequence
from itertools import product
from typing import Literal, get_args

import msgspec

from churnsaver_serving.runtime.customer import Profile

Service = Literal["fiber", "dsl", "phone"]
Standing = Literal["new", "settled", "long"]
Tone = Literal["warm", "plain", "upbeat"]
MessageChannel = Literal["email", "sms"]

SERVICES: tuple[Service, ...] = get_args(Service)
STANDINGS: tuple[Standing, ...] = get_args(Standing)
TONES: tuple[Tone, ...] = get_args(Tone)
MESSAGE_CHANNELS: tuple[MessageChannel, ...] = get_args(MessageChannel)

_SERVICE_OF: dict[str, Service] = {"Fiber optic": "fiber", "DSL": "dsl", "No": "phone"}
_SETTLED_MONTHS, _LONG_MONTHS = 12, 48


class MessageContext(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All that the writing of a message's body depends on. Nothing in it names a person.

    Attributes:
        service: The customer's service.
        standing: The customer's time with us: under a year, under four, longer.
        offer_pct: Discount on the monthly bill, percent; 0 for none.
        tone: The tone asked for.
        channel: The channel that the message goes out by.
    """

    service: Service
    standing: Standing
    offer_pct: int
    tone: Tone
    channel: MessageChannel

    @property
    def key(self) -> str:
        """Return one string for each context, for use in files: `fiber/new/10/warm/email`."""
        return f"{self.service}/{self.standing}/{self.offer_pct}/{self.tone}/{self.channel}"


def context_of(
    profile: Profile, offer_pct: int, *, tone: Tone, channel: MessageChannel
) -> MessageContext:
    """Return the context of a customer's message.

    Args:
        profile: The customer's profile.
        offer_pct: The decided discount, percent.
        tone: The tone asked for.
        channel: The channel that the message goes out by.
    """
    months = profile.tenure_months
    standing: Standing = (
        "new" if months < _SETTLED_MONTHS else "settled" if months < _LONG_MONTHS else "long"
    )
    return MessageContext(_SERVICE_OF[profile.internet_service], standing, offer_pct, tone, channel)


def all_contexts(
    offers_pct: Sequence[int],
    tones: Sequence[Tone] = TONES,
    channels: Sequence[MessageChannel] = MESSAGE_CHANNELS,
) -> list[MessageContext]:
    """Return every context that a message can be asked for.

    Args:
        offers_pct: The discounts that may be decided, percent.
        tones: The tones that may be asked for.
        channels: The channels that messages may go out by.
    """
    return [
        MessageContext(*one) for one in product(SERVICES, STANDINGS, offers_pct, tones, channels)
    ]
