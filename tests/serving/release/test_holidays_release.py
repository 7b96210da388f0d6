"""The holidays of a release: read back as they were written, or refused."""

from pathlib import Path
from typing import Any

import msgspec
import pytest
from upath import UPath

from churnsaver_serving.runtime.engine.release import Release
from churnsaver_serving.runtime.limits.holidays import HOLIDAYS_FILE
from churnsaver_serving.runtime.verified import ReleaseError
from tests.support.serving.holidays import holidays
from tests.support.serving.release import save_release


def test_they_come_back_as_they_were(release: Release) -> None:
    assert release.holidays == holidays()


def without(name: str, key: str) -> dict[str, Any]:
    part = {left: value for left, value in getattr(holidays(), name).items() if left != key}
    return {name: part}


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        (without("states", "GU"), "no holidays for GU, which messages/sending"),
        (without("zones", "Pacific/Guam"), "no holidays for Pacific/Guam"),
        (without("national", "US"), "no holidays of US"),
        ({"first_year": 2027}, "outside 2027 to 2035"),
        ({"weekends": []}, "weekends"),
    ],
)
def test_what_would_be_forgotten_is_refused(
    files: dict[str, bytes], tmp_path: Path, changes: dict[str, Any], match: str
) -> None:
    changed = msgspec.json.encode(msgspec.to_builtins(holidays()) | changes)
    with pytest.raises(ReleaseError, match=match):
        save_release(UPath(tmp_path), files | {HOLIDAYS_FILE: changed})


def test_none_at_all_are_refused(files: dict[str, bytes], tmp_path: Path) -> None:
    left = {path: data for path, data in files.items() if path != HOLIDAYS_FILE}
    with pytest.raises(ReleaseError, match=f"{HOLIDAYS_FILE} is missing"):
        save_release(UPath(tmp_path), left)
