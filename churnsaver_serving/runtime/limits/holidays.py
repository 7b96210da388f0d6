"""Holidays, as a release has them: dates by country and state, and the countries of zones."""

from datetime import date

import msgspec

HOLIDAYS_FILE = "experiment/holidays.json"


class Holidays(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The days on which nobody is contacted. Data, versioned in the release.

    Attributes:
        sources: Version of each library that the dates and zones are from, by name.
        country: Country that customers are in unless their zone is another's (ISO 3166, two
            letters).
        first_year: First year whose holidays are known.
        last_year: Last year whose holidays are known.
        national: Holidays of a whole country, by country; `country` is among them.
        states: Further holidays of the states of `country`, by state, two letters.
        zones: Country that a zone is in, by IANA name, for all zones of the countries in
            `national`.
    """

    sources: dict[str, str]
    country: str
    first_year: int
    last_year: int
    national: dict[str, tuple[date, ...]]
    states: dict[str, tuple[date, ...]]
    zones: dict[str, str]

    def __post_init__(self) -> None:
        """Refuse dates and zones that contradict themselves.

        Raises:
            ValueError: There are no years, a date is outside them, a zone is in a country without
                holidays, or `country` has none.
        """
        if self.first_year > self.last_year:
            raise ValueError(f"no years from {self.first_year} to {self.last_year}")
        if unknown := {self.country, *self.zones.values()} - set(self.national):
            raise ValueError(f"national: no holidays of {', '.join(sorted(unknown))}")
        for name, dates in (*self.national.items(), *self.states.items()):
            if outside := [day for day in dates if not self.covers(day)]:
                raise ValueError(
                    f"{name}: {outside[0]} is outside {self.first_year} to {self.last_year}"
                )
            if not dates and name in self.national:
                raise ValueError(f"national: {name} has no holiday at all")

    def covers(self, day: date) -> bool:
        """Return whether it is known if that day is a holiday."""
        return self.first_year <= day.year <= self.last_year
