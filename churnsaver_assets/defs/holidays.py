"""The holidays on which nobody is contacted."""

from importlib.metadata import version
from typing import Final

import msgspec
from dagster import AssetIn, MaterializeResult, asset

from churnsaver_assets.data.holiday_dates import LIBRARIES, make_holidays
from churnsaver_assets.defs.lib.io import Files
from churnsaver_assets.defs.lib.versions import code_version, files_version
from churnsaver_assets.defs.settings.decision import HolidaysSettings
from churnsaver_assets.defs.settings.stage import read_stage

HOLIDAYS_FILE: Final = "holidays.json"


@asset(
    ins={"settings": AssetIn("holidays_settings")},
    group_name="messages",
    kinds={"json"},
    owners=["team:growth"],
    # Other versions of what knows the dates make them anew.
    code_version="-".join([code_version(__name__), *map(version, LIBRARIES)]),
    io_manager_key="files",
)
def contact_holidays(settings: Files) -> MaterializeResult[Files]:
    """Collect the holidays on which nobody is contacted, by country and state.

    The libraries that know them run here; a release has the dates as data.
    """
    made = make_holidays(read_stage(settings, HolidaysSettings).holidays)
    files = {HOLIDAYS_FILE: msgspec.json.encode(made)}
    return MaterializeResult(
        value=files,
        data_version=files_version(files),
        metadata={
            "years": f"{made.first_year} to {made.last_year}",
            "countries": ", ".join(made.national),
            "holidays of the country": len(made.national[made.country]),
            "further ones of its states": sum(len(dates) for dates in made.states.values()),
            "zones": len(made.zones),
            **{f"version of {name}": one for name, one in made.sources.items()},
        },
    )
