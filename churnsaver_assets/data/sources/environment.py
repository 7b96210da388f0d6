"""What the environment says about data: mode, mirror and cache. Read when called, not at import."""

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
    """Whether to work on real data or on the generated sample; real unless asked for by name.

    Raises:
        DataError: the variable holds anything else.
    """
    value = os.environ.get(MODE_VARIABLE) or "real"
    if value not in get_args(DataLabel):
        raise DataError(f"{MODE_VARIABLE}: expected 'real' or 'sample', found {value!r}")
    return cast("DataLabel", value)


def default_mirror() -> Path | None:
    """The local mirror: the variable's, else `../shared/data` beside the checkout, else none.

    Raises:
        DataError: the variable names something that is not a folder.
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
    """Where downloads are kept: `$CHURNSAVER_HOME/cache`, else `.churnsaver/cache`."""
    return home_folder(os.environ) / "cache"
