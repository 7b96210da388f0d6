"""Quiet hours, by the customer's own clock."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, time, timedelta
from functools import cache
from importlib import resources
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec

_DAYS_AHEAD = 4


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


def _is_zone(name: str) -> bool:
    try:
        ZoneInfo(name)
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
        return all(self._open(moment.astimezone(ZoneInfo(zone)).time()) for zone in zones)

    def next_allowed(self, at: datetime, zones: Sequence[str]) -> datetime:
        """Return the first moment from `at` on at which a message may go out, UTC.

        Args:
            at: A moment with a zone of its own.
            zones: Places where the customer may be, IANA names; at least one.

        Raises:
            ValueError: There are no zones, the moment has no zone, or the zones have no
                common hour in the next days.
            ZoneInfoNotFoundError: A name is no zone's.
        """
        moment = _moment(at, zones)
        openings = {moment}
        for zone in zones:
            openings.update(_edges(moment, ZoneInfo(zone), self.end))
        for opening in sorted(openings):
            if opening >= moment and self.may_send(opening, zones):
                return opening
        raise ValueError(
            f"no moment in the {_DAYS_AHEAD} days from {moment} is allowed in all of "
            f"{', '.join(zones)}: expected zones with a common hour; shorten the quiet hours"
        )

    def next_quiet(self, at: datetime, zones: Sequence[str]) -> datetime:
        """Return the first moment after `at` from which quiet hours hold in one of the zones, UTC.

        Args:
            at: A moment with a zone of its own.
            zones: Places where the customer may be, IANA names; at least one.

        Raises:
            ValueError: There are no zones, or the moment has no zone.
            ZoneInfoNotFoundError: A name is no zone's.
        """
        moment = _moment(at, zones)
        closings = (
            closing
            for zone in zones
            for closing in _edges(moment, ZoneInfo(zone), self.start)
            if closing > moment and not self.may_send(closing, zones)
        )
        return min(closings)

    def _open(self, local: time) -> bool:
        local = local.replace(fold=0)
        if self.end < self.start:
            return self.end <= local < self.start
        return not self.start <= local < self.end


def _edges(moment: datetime, zone: ZoneInfo, at: time) -> Iterator[datetime]:
    """Yield moments near which it becomes `at` in a zone, UTC; in a repeated hour both."""
    today = moment.astimezone(zone).date()
    for days in range(-1, _DAYS_AHEAD):
        day = today + timedelta(days=days)
        local = datetime.combine(day, at, tzinfo=zone)
        yield from (local.replace(fold=fold).astimezone(UTC) for fold in (0, 1))
        # Setting the clock can begin or end quiet hours too.
        midnights = (
            datetime.combine(day + timedelta(days=ahead), time(), tzinfo=zone) for ahead in (0, 1)
        )
        low, high = (midnight.astimezone(UTC) for midnight in midnights)
        if _offset(low, zone) != _offset(high, zone):
            yield _change(low, high, zone)


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
    if not zones:
        raise ValueError("no zones: expected at least one; Zones.of gives all where unknown")
    return at.astimezone(UTC)
