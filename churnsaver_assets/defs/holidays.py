"""The holidays on which nobody is contacted."""

from typing import Final

import msgspec
from dagster import AssetIn, MaterializeResult, asset

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
    code_version=code_version(__name__),
    io_manager_key="files",
)
def contact_holidays(settings: Files) -> MaterializeResult[Files]:
    """Collect the holidays on which nobody is contacted, by country and state.

    The libraries that know them run here; a release has the dates as data.
    """
    from churnsaver_assets.data.holiday_dates import make_holidays

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
            **{f"version of {name}": version for name, version in made.sources.items()},
        },
    )
