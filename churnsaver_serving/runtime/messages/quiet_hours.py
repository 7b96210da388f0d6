"""Quiet hours, by the customer's own clock."""

from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, time, timedelta
from functools import cache, lru_cache
from importlib import resources
from itertools import pairwise
from typing import NamedTuple
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec

# Clocks are up to 26 hours apart: while it is a day in one zone it may be two later in another.
_DAYS_BEFORE, _DAYS_AFTER = -1, 4


class Span(NamedTuple):
    """A time from one moment to another, UTC.

    Attributes:
        opens: First moment in it.
        closes: First moment after it.
    """

    opens: datetime
    closes: datetime


class Zones(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The clocks that the United States go by.

    Attributes:
        version: Version of the file.
        states: IANA zones by state or territory, two capital letters (49 CFR 71). A state with
            two has both; places that follow a neighbour's clock unofficially are counted in.
    """

    version: str
    states: dict[str, tuple[str, ...]]

    @property
    def every(self) -> tuple[str, ...]:
        """Return all zones, each once."""
        return tuple(dict.fromkeys(zone for zones in self.states.values() for zone in zones))

    def of(self, zone: str | None = None, state: str | None = None) -> tuple[str, ...]:
        """Return where a customer may be: the stored zone, else the state's zones, else all.

        Args:
            zone: IANA name, as stored; one that doesn't exist counts as unknown.
            state: State of two letters, any case; one that doesn't exist counts as unknown.
        """
        if zone is not None and _is_zone(zone):
            return (zone,)
        known = self.states.get(state.strip().upper()) if state is not None else None
        return known or self.every


@cache
def default_zones() -> Zones:
    """Read the packaged zones."""
    folder = resources.files("churnsaver_serving.runtime.messages") / "files"
    return msgspec.json.decode((folder / "zones.json").read_bytes(), type=Zones)


@lru_cache(maxsize=1024)
def clock(name: str) -> ZoneInfo:
    """Return a zone's clock; zoneinfo itself keeps no more than eight from being read again.

    Raises:
        ZoneInfoNotFoundError: The name is no zone's.
    """
    return ZoneInfo(name)


def _is_zone(name: str) -> bool:
    try:
        clock(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        # What zoneinfo raises depends on the name: a folder, an empty name, a path.
        return False
    return True


class QuietHours(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """No message before 8:00 or from 21:00 by the receiver's clock (47 CFR 64.1200(c)(1)).

    Attributes:
        start: Local time from which nothing is sent.
        end: Local time from which it is again; must differ from `start`.
    """

    start: time = time(21)
    end: time = time(8)

    def __post_init__(self) -> None:
        """Refuse hours that mean nothing.

        Raises:
            ValueError: Both are the same, or have a zone.
        """
        if self.start == self.end or self.start.tzinfo or self.end.tzinfo:
            raise ValueError(
                f"quiet hours from {self.start} to {self.end}: expected two different local times "
                "without a zone, such as 21:00 and 08:00"
            )

    def may_send(self, at: datetime, zones: Sequence[str]) -> bool:
        """Return whether it is no quiet hour in any of the zones.

        Args:
            at: A moment with a zone of its own.
            zones: Places where the customer may be, IANA names; at least one.

        Raises:
            ValueError: There are no zones, or the moment has no zone.
            ZoneInfoNotFoundError: A name is no zone's.
        """
        moment = _moment(at, zones)
        return all(self._open(moment.astimezone(clock(zone)).time()) for zone in zones)

    def spans(self, day: date, zones: Sequence[str]) -> tuple[Span, ...]:
        """Return when on a day a message may go out, in order; empty where at no time.

        It is a day for as long as that is the date in the zone furthest behind. A span is cut where
        the date changes in any of the zones: what its beginning is anywhere, a working day or a
        holiday, all of it is.

        Args:
            day: The day.
            zones: Places where the customer may be, IANA names; at least one.

        Raises:
            ValueError: There are no zones.
            ZoneInfoNotFoundError: A name is no zone's.
        """
        clocks = [clock(zone) for zone in _known(zones)]
        edges = {edge for zone in clocks for edge in _edges(day, zone, (self.start, self.end))}
        spans: list[Span] = []
        dates: tuple[date, ...] = ()
        for begin, end in pairwise(sorted(edges)):
            local = [begin.astimezone(zone) for zone in clocks]
            here = tuple(one.date() for one in local)
            if min(here) != day or not all(self._open(one.time()) for one in local):
                continue
            if spans and spans[-1].closes == begin and dates == here:
                spans[-1] = Span(spans[-1].opens, end)
            else:
                spans.append(Span(begin, end))
            dates = here
        return tuple(spans)

    def _open(self, local: time) -> bool:
        local = local.replace(fold=0)
        if self.end < self.start:
            return self.end <= local < self.start
        return not self.start <= local < self.end


def _edges(day: date, zone: ZoneInfo, times: Sequence[time]) -> Iterator[datetime]:
    """Yield moments around a day at which a zone's date, its offset or quiet hours may change, UTC.

    In a repeated hour both are among them.
    """
    for days in range(_DAYS_BEFORE, _DAYS_AFTER):
        midnight, next_midnight = (
            datetime.combine(day + timedelta(days=ahead), time(), tzinfo=zone).astimezone(UTC)
            for ahead in (days, days + 1)
        )
        yield from (midnight, next_midnight)
        for at in times:
            local = datetime.combine(day + timedelta(days=days), at, tzinfo=zone)
            yield from (local.replace(fold=fold).astimezone(UTC) for fold in (0, 1))
        if _offset(midnight, zone) != _offset(next_midnight, zone):
            yield _change(midnight, next_midnight, zone)


def _offset(moment: datetime, zone: ZoneInfo) -> timedelta | None:
    return moment.astimezone(zone).utcoffset()


def _change(low: datetime, high: datetime, zone: ZoneInfo) -> datetime:
    """Find the moment between two at which a zone's clock is set, to the second, UTC."""
    before = _offset(low, zone)
    while high - low > timedelta(seconds=1):
        middle = (low + (high - low) / 2).replace(microsecond=0)
        if _offset(middle, zone) == before:
            low = middle
        else:
            high = middle
    return high


def _moment(at: datetime, zones: Sequence[str]) -> datetime:
    if at.tzinfo is None:
        raise ValueError(f"{at} has no zone: expected a moment such as datetime.now(UTC)")
    _known(zones)
    return at.astimezone(UTC)


def _known(zones: Sequence[str]) -> Sequence[str]:
    if not zones:
        raise ValueError("no zones: expected at least one; Zones.of gives all where unknown")
    return zones
