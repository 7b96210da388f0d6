"""Holidays as the library has them, and the countries of zones."""

from datetime import date
from zoneinfo import available_timezones

import msgspec
import pytest
import yaml
from pydantic import ValidationError

from churnsaver_assets.data.holiday_dates import make_holidays
from churnsaver_assets.experiments.holidays_spec import HolidaysSpec
from churnsaver_assets.experiments.spec import experiment_source
from churnsaver_serving.runtime.limits.holidays import Holidays
from churnsaver_serving.runtime.messages.quiet_hours import default_zones

US = HolidaysSpec(country="US", others=("DE",), years=(2026, 2027))


def test_those_of_a_country_and_of_its_states() -> None:
    made = make_holidays(US)
    assert [day for day in made.national["US"] if day.year == 2026] == [
        date(2026, 1, 1),
        date(2026, 1, 19),
        date(2026, 2, 16),
        date(2026, 5, 25),
        date(2026, 6, 19),
        date(2026, 7, 3),
        date(2026, 7, 4),
        date(2026, 9, 7),
        date(2026, 10, 12),
        date(2026, 11, 11),
        date(2026, 11, 26),
        date(2026, 12, 25),
    ]
    assert date(2026, 10, 3) in made.national["DE"]
    assert date(2026, 11, 27) in made.states["TX"]
    assert date(2026, 7, 24) in made.states["UT"]
    assert not any(set(days) & set(made.national["US"]) for days in made.states.values())
    assert set(default_zones().states) <= set(made.states)
    # 1 January 2028 is a Saturday, kept on the last day of 2027.
    assert made.national["US"][-1] == date(2027, 12, 31)


def test_the_country_of_a_zone() -> None:
    zones = make_holidays(US).zones
    assert set(default_zones().every) <= set(zones)
    home = ("US/Eastern", "America/Indianapolis", "Pacific/Guam", "Pacific/Pago_Pago", "Navajo")
    assert {zones[name] for name in home} == {"US"}
    assert zones["Europe/Berlin"] == "DE"
    # The same clock as Berlin's, in another country; and a zone of no country.
    for name in ("Europe/Oslo", "Atlantic/Jan_Mayen", "Etc/UTC", "EST", "Asia/Tokyo"):
        assert name in available_timezones()
        assert name not in zones


def test_the_shipped_ones_can_be_made_and_read_back() -> None:
    spec = HolidaysSpec.model_validate(yaml.safe_load(experiment_source())["holidays"])
    made = make_holidays(spec)
    assert msgspec.json.decode(msgspec.json.encode(made), type=Holidays) == made
    assert made.covers(date(2035, 12, 31))
    assert not made.covers(date(2036, 1, 1))
    assert make_holidays(spec) == made


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"country": "usa"}, "country"),
        ({"others": ("US",)}, "each country once"),
        ({"years": (2027, 2026)}, "the first and the last"),
        ({"regions": ()}, "regions"),
    ],
)
def test_a_wrong_setting_is_refused(changes: dict[str, object], match: str) -> None:
    with pytest.raises(ValidationError, match=match):
        HolidaysSpec(**(US.model_dump() | changes))


def test_a_country_that_the_library_does_not_know() -> None:
    with pytest.raises(ValueError, match="none known of XX"):
        make_holidays(US.model_copy(update={"others": ("XX",)}))


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"first_year": 2028}, "no years"),
        ({"last_year": 2026}, "is outside 2026 to 2026"),
        ({"country": "FR"}, "no holidays of FR"),
        ({"zones": {"Europe/Paris": "FR"}}, "no holidays of FR"),
        ({"national": {"US": (), "DE": ()}}, "no holiday at all"),
    ],
)
def test_a_file_that_contradicts_itself_is_refused(changes: dict[str, object], match: str) -> None:
    with pytest.raises(ValueError, match=match):
        msgspec.convert(msgspec.to_builtins(make_holidays(US)) | changes, Holidays)
