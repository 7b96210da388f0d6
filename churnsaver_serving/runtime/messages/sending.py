"""Sending: the window in which a message may go out, on the day of its contact."""

from datetime import UTC, date, datetime, time
from functools import lru_cache
from typing import Annotated
from zoneinfo import ZoneInfo

import msgspec
from msgspec import Meta

from churnsaver_serving.runtime.messages.quiet_hours import QuietHours, Zones, default_zones

SENDING_FILE = "messages/sending.json"

Moment = Annotated[datetime, Meta(tz=True)]


class SendWindow(msgspec.Struct, frozen=True):
    """Send it in between, and at no other time."""

    opens: Annotated[Moment, Meta(description="First moment at which it may go out (UTC).")]
    closes: Annotated[Moment, Meta(description="Quiet hours begin again: send it before (UTC).")]
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

    def window(
        self, day: date, now: datetime, *, zone: str | None = None, state: str | None = None
    ) -> SendWindow:
        """Find the customer's first hours for messages, neither before `day` nor before `now`.

        The day is the customer's own: in the evening of the fourth in Chicago it is the fifth by
        UTC, and a contact on the fifth waits for the morning. Where the day's hours are over, they
        are the next day's.

        Args:
            day: The day of the contact.
            now: Moment of the decision, with a zone of its own.
            zone: IANA name, as stored; one that doesn't exist counts as unknown.
            state: State of the United States, two letters; one that doesn't exist counts as
                unknown.

        Raises:
            ValueError: `now` is without a zone, or the zones have no common hour.
        """
        zones, moment = self.zones.of(zone, state), now.astimezone(UTC)
        opens, closes = _first_hours(self.hours, day, zones)
        if moment >= closes:
            opens = self.hours.next_allowed(moment, zones)
            closes = self.hours.next_quiet(opens, zones)
        return SendWindow(max(opens, moment), closes, zones)


@lru_cache(maxsize=1024)
def _first_hours(hours: QuietHours, day: date, zones: tuple[str, ...]) -> tuple[datetime, datetime]:
    """Find the first hours for messages of a day that has begun in all the zones, UTC.

    Remembered: for customers whose zone is unknown there are many clocks to read.
    """
    midnights = (datetime.combine(day, time(), tzinfo=ZoneInfo(name)) for name in zones)
    opens = hours.next_allowed(max(begin.astimezone(UTC) for begin in midnights), zones)
    return opens, hours.next_quiet(opens, zones)


def default_sending() -> bytes:
    """Return the packaged hours and zones, as a release keeps them."""
    encoded = msgspec.json.encode(Sending(QuietHours(), default_zones()))
    return msgspec.json.format(encoded, indent=1)
