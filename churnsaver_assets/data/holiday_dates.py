"""Holidays from the library `holidays`, and the countries of zones from the tz database."""

from collections.abc import Iterable, Mapping
from importlib import metadata, resources
from typing import TYPE_CHECKING

from churnsaver_serving.runtime.limits.holidays import Holidays

if TYPE_CHECKING:
    from churnsaver_assets.experiments.holidays_spec import HolidaysSpec


LIBRARIES = ("holidays", "tzdata")
"""The libraries that the dates and the zones are from."""


_ELSEWHERE = {
    "Africa/Asmera": "ER",
    "Africa/Timbuktu": "ML",
    "America/Coral_Harbour": "CA",
    "Atlantic/Jan_Mayen": "SJ",
    "Iceland": "IS",
    "Pacific/Ponape": "FM",
    "Pacific/Truk": "FM",
    "Pacific/Yap": "FM",
    **dict.fromkeys(("CET", "EST", "MET"), ""),
}
"""Old names that the tz database has made names of another country's zone, for the same clock."""


def make_holidays(spec: "HolidaysSpec") -> Holidays:
    """Collect the holidays of the countries and years that a spec names.

    Where a holiday is moved to a working day, both days count. A state's dates leave out those of
    the nation, which count in every state, also where it doesn't keep them.

    Raises:
        ValueError: The library knows no holidays of a country.
    """
    import holidays as library

    years = range(spec.years[0], spec.years[1] + 1)
    countries = (spec.country, *spec.others)
    if unknown := sorted(set(countries) - set(library.list_supported_countries())):
        raise ValueError(f"holidays: none known of {', '.join(unknown)}")
    national = {
        name: tuple(sorted(library.country_holidays(name, years=years))) for name in countries
    }
    home = set(national[spec.country])
    states = {
        state: tuple(
            sorted(set(library.country_holidays(spec.country, subdiv=state, years=years)) - home)
        )
        for state in library.country_holidays(spec.country).subdivisions
    }
    return Holidays(
        sources={name: metadata.version(name) for name in LIBRARIES},
        country=spec.country,
        first_year=spec.years[0],
        last_year=spec.years[1],
        national=national,
        states=states,
        zones=_zones(countries, _territories()),
    )


def _territories() -> Mapping[str, str]:
    """Return the country that a territory with a code of its own belongs to: US for PR."""
    import holidays as library

    entities = {code: library.country_holidays(code) for code in library.list_supported_countries()}
    return {
        code: entity.parent_entity.country
        for code, entity in entities.items()
        if entity.parent_entity is not None
    }


def _zones(countries: Iterable[str], territories: Mapping[str, str]) -> dict[str, str]:
    """Return the country of each zone in the countries, old names of zones included."""
    folder = resources.files("tzdata") / "zoneinfo"
    country_of = {zone: territories.get(country, country) for zone, country in _ELSEWHERE.items()}
    for line in (folder / "zone.tab").read_text(encoding="utf-8").splitlines():
        if not line.startswith("#"):
            country, _, zone, *_ = line.split("\t")
            country_of[zone] = territories.get(country, country)
    for line in (folder / "tzdata.zi").read_text(encoding="utf-8").splitlines():
        # "L America/New_York US/Eastern": the second is another name of the first. One with a line
        # of its own in the table is in another country that goes by the same clock.
        if line.startswith("L "):
            _, zone, name = line.split()
            if zone in country_of:
                country_of.setdefault(name, country_of[zone])
    known = set(countries)
    return {zone: country for zone, country in sorted(country_of.items()) if country in known}
