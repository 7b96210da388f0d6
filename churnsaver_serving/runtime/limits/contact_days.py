"""Contact days: on which days, by the customer's own calendar, a message may go out, and when.

One reckoning answers both, so the day of a contact and the window of its message never disagree.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache

import numpy as np

from churnsaver_serving.runtime.arrays import Bools, Ints
from churnsaver_serving.runtime.limits.holidays import Holidays
from churnsaver_serving.runtime.limits.rules import WEEKDAYS, Weekday
from churnsaver_serving.runtime.messages.quiet_hours import Span, clock
from churnsaver_serving.runtime.messages.sending import Sending, SendWindow

Location = tuple[str | None, str | None]
"""Zone and state of a customer, as stored; None where unknown."""

_REMEMBERED = 8192


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a customer may be: the zones, all of them possible, and the state where it is known."""

    zones: tuple[str, ...]
    state: str | None


class ContactCalendar:
    """A calendar of working days, holidays and quiet hours at the customer's place.

    A message may go out on a day where that is the date in the zone furthest behind of all that the
    customer may be in, it is a working day and no holiday in any of them, and no quiet hour. A
    state's own holidays count where the state is given. No day is open in a zone of a country whose
    holidays the release doesn't have, nor in years that it has none of.

    Args:
        sending: The quiet hours, and the zones of the states.
        holidays: The holidays.
        contact_weekdays: The working days.
    """

    def __init__(
        self, sending: Sending, holidays: Holidays, contact_weekdays: Sequence[Weekday]
    ) -> None:
        self.holidays = holidays
        self._sending = sending
        self._working = frozenset(contact_weekdays)
        self._national = {name: frozenset(days) for name, days in holidays.national.items()}
        self._states = {name: frozenset(days) for name, days in holidays.states.items()}
        # Customers of one place cost one reckoning: of the place, its date now, each day.
        self._place = lru_cache(_REMEMBERED)(self._find_place)
        self._today = lru_cache(_REMEMBERED)(_earliest_date)
        self._spans = lru_cache(_REMEMBERED)(self._find_spans)

    def open_days(
        self, now: datetime, zone: str | None, state: str | None, delays_days: Sequence[int]
    ) -> tuple[date, tuple[bool, ...]]:
        """Tell a customer's today, and after which delays a message may go out.

        Args:
            now: Moment of the decision, with a zone of its own.
            zone: IANA name, as stored; one that doesn't exist counts as unknown.
            state: State of `holidays.country`, two letters; one that doesn't exist counts as
                unknown.
            delays_days: The delays, in days from the customer's today.

        Returns:
            The date in the zone furthest behind of all that the customer may be in, and for each
            delay whether `window` has an answer for the day after it.

        Raises:
            ValueError: `now` is without a zone.
        """
        place, moment = self._place(zone, state), _utc(now)
        today = self._today(moment, place.zones)
        days = (today + timedelta(days=delay) for delay in delays_days)
        return today, tuple(self._next_span(place, day, moment) is not None for day in days)

    def days_of(
        self, locations: Sequence[Location], now: datetime, delays_days: Sequence[int]
    ) -> tuple[Ints, Bools]:
        """Tell the days of n customers, as `open_days` does of one.

        Args:
            locations: Zone and state of each customer.
            now: Moment of the decisions, with a zone of its own.
            delays_days: The D delays, in days from each customer's today.

        Returns:
            Each customer's today, ordinals, shape (n,), and whether a message may go out on the day
            after each delay, shape (n, D).
        """
        places = {place: self.open_days(now, *place, delays_days) for place in set(locations)}
        found = [places[place] for place in locations]
        today = np.array([day.toordinal() for day, _ in found], dtype=np.int64)
        opened = np.array([days for _, days in found], dtype=np.bool_)
        return today, opened.reshape(len(found), len(delays_days))

    def window(
        self, day: date, now: datetime, zone: str | None = None, state: str | None = None
    ) -> SendWindow:
        """Find the first hours of a day in which a message may go out, not before `now`.

        Args:
            day: The day of the contact, by the customer's calendar.
            now: Moment of the decision, with a zone of its own.
            zone: IANA name, as stored; one that doesn't exist counts as unknown.
            state: State of `holidays.country`, two letters; one that doesn't exist counts as
                unknown.

        Raises:
            ValueError: `now` is without a zone, or `open_days` says that the day isn't open.
        """
        place, moment = self._place(zone, state), _utc(now)
        span = self._next_span(place, day, moment)
        if span is None:
            raise ValueError(
                f"nothing may go out on {day} from {moment:%Y-%m-%d %H:%M} UTC on in "
                f"{', '.join(place.zones)}: expected a day that open_days gives"
            )
        return SendWindow(max(span.opens, moment), span.closes, place.zones)

    def _next_span(self, place: _Place, day: date, moment: datetime) -> Span | None:
        """Return the first hours of a day that aren't over; None where there are none."""
        return next((span for span in self._spans(place, day) if span.closes > moment), None)

    def _find_place(self, zone: str | None, state: str | None) -> _Place:
        known = state.strip().upper() if state is not None else None
        return _Place(self._sending.zones.of(zone, state), known if known in self._states else None)

    def _find_spans(self, place: _Place, day: date) -> tuple[Span, ...]:
        """Return the hours of a day in which a message may go out, past ones included."""
        spans = self._sending.hours.spans(day, place.zones)
        return tuple(span for span in spans if self._working_everywhere(place, span.opens))

    def _working_everywhere(self, place: _Place, moment: datetime) -> bool:
        return all(
            self._works(moment.astimezone(clock(zone)).date(), zone, place.state)
            for zone in place.zones
        )

    def _works(self, day: date, zone: str, state: str | None) -> bool:
        """Return whether a date is a working day in a zone; False where that isn't known."""
        country = self.holidays.zones.get(zone)
        if country is None or not self.holidays.covers(day):
            return False
        if WEEKDAYS[day.weekday()] not in self._working or day in self._national[country]:
            return False
        at_home = country == self.holidays.country
        return not (at_home and state is not None and day in self._states[state])


def _earliest_date(moment: datetime, zones: tuple[str, ...]) -> date:
    """Return the date in the zone furthest behind."""
    return min(moment.astimezone(clock(zone)).date() for zone in zones)


def _utc(moment: datetime) -> datetime:
    if moment.tzinfo is None:
        raise ValueError(f"{moment} has no zone: expected a moment such as datetime.now(UTC)")
    return moment.astimezone(UTC)
