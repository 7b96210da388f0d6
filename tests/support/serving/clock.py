"""A clock for tests."""

from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta

MONDAY = datetime(2026, 11, 2, 9, 0, tzinfo=UTC)


@dataclass
class Clock:
    """A clock that stands still until it is moved."""

    now: datetime = field(default=MONDAY)

    def __call__(self) -> datetime:
        return self.now

    def advance(self, days: float) -> None:
        self.now += timedelta(days=days)

    @property
    def today(self) -> date:
        return self.now.date()
