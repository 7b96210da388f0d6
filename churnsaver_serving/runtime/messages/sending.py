"""Sending: quiet hours and clocks as a release has them, and the window that comes of them."""

from datetime import datetime
from typing import Annotated

import msgspec
from msgspec import Meta

from churnsaver_serving.runtime.messages.quiet_hours import QuietHours, Zones, default_zones

SENDING_FILE = "messages/sending.json"

Moment = Annotated[datetime, Meta(tz=True)]


class SendWindow(msgspec.Struct, frozen=True):
    """Send it in between, and at no other time."""

    opens: Annotated[Moment, Meta(description="First moment at which it may go out (UTC).")]
    closes: Annotated[
        Moment, Meta(description="Send it before: quiet hours, or another day (UTC).")
    ]
    zones: Annotated[
        tuple[str, ...],
        Meta(
            description="Where the customer may be: the zone given, else all of the state's, else "
            "all of the country's. It is no quiet hour in any of them.",
            examples=[["America/Chicago"]],
        ),
    ]


class Sending(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Rules on when messages go out. Data, versioned in the release.

    Attributes:
        hours: The hours in which nothing is sent.
        zones: The clocks that customers may go by.
    """

    hours: QuietHours
    zones: Zones


def default_sending() -> bytes:
    """Return the packaged hours and zones, as a release keeps them."""
    encoded = msgspec.json.encode(Sending(QuietHours(), default_zones()))
    return msgspec.json.format(encoded, indent=1)
