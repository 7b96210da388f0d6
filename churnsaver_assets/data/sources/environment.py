"""Reads mode, mirror and cache folder from the environment, when called and not at import."""

import os
from pathlib import Path
from typing import cast, get_args

from churnsaver_assets.data.errors import DataError
from churnsaver_serving.runtime.manifest import DataLabel
from churnsaver_serving.settings import home_folder

MODE_VARIABLE = "CHURNSAVER_DATA"
MIRROR_VARIABLE = "CHURNSAVER_DATA_MIRROR"

_CHECKOUT = Path(__file__).resolve().parents[3]


def data_mode() -> DataLabel:
    """Return whether to work on real data or the sample: real, unless the sample is asked for.

    Raises:
        DataError: The variable holds anything else.
    """
    value = os.environ.get(MODE_VARIABLE) or "real"
    if value not in get_args(DataLabel):
        raise DataError(f"{MODE_VARIABLE}: expected 'real' or 'sample', found {value!r}")
    return cast("DataLabel", value)


def default_mirror() -> Path | None:
    """Return the local mirror: the variable's, else `../shared/data` beside the checkout, or none.

    Raises:
        DataError: The variable names something that is not a folder.
    """
    value = os.environ.get(MIRROR_VARIABLE)
    if value:
        mirror = Path(value)
        if not mirror.is_dir():
            raise DataError(
                f"{MIRROR_VARIABLE}: {mirror} is not a folder; name the folder that holds "
                "telco_churn/, bank_marketing/ and hillstrom_email/, or unset it"
            )
        return mirror
    beside = _CHECKOUT.parent / "shared" / "data"
    return beside if beside.is_dir() else None


def default_cache() -> Path:
    """Return the folder for downloads: `$CHURNSAVER_HOME/cache`, else `.churnsaver/cache`."""
    return home_folder(os.environ) / "cache"
