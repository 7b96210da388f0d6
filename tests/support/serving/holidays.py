"""The holidays of a release, as its maker collects them."""

from functools import cache

from churnsaver_assets.data.holiday_dates import make_holidays
from churnsaver_assets.experiments.holidays_spec import HolidaysSpec
from churnsaver_serving.runtime.limits.holidays import Holidays


@cache
def holidays() -> Holidays:
    """Collect those of the United States and of places with odd clocks."""
    spec = HolidaysSpec(country="US", others=("AU", "CA", "DE", "GB", "IN"), years=(2024, 2035))
    return make_holidays(spec)
