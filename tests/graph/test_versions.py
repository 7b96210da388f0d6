"""Versions follow content and sources, and nothing else."""

from pathlib import Path

import pandas as pd
import pytest

from churnsaver_assets.defs import versions
from churnsaver_assets.defs.versions import code_version, files_version, frame_version


def test_code_version_changes_with_any_source_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "package"
    (package / "deep").mkdir(parents=True)
    (package / "a.py").write_text("x = 1")
    (package / "deep" / "b.py").write_text("y = 1")
    monkeypatch.setattr(versions, "_ROOT", tmp_path)
    before = code_version("package")
    assert code_version("package") == before
    (package / "deep" / "b.py").write_text("y = 2")
    assert code_version("package") != before


def test_code_version_of_nothing_is_an_error() -> None:
    with pytest.raises(FileNotFoundError, match="churnsaver_assets/no_such"):
        code_version("churnsaver_assets/no_such")


def test_files_version_sees_names_and_contents() -> None:
    version = files_version({"a": b"1", "b": b"2"})
    assert files_version({"b": b"2", "a": b"1"}) == version
    assert files_version({"a": b"2", "b": b"1"}) != version
    assert files_version({"a": b"1", "c": b"2"}) != version


@pytest.mark.parametrize(
    "other",
    [
        pd.DataFrame({"a": [1, 3], "b": ["x", "y"]}),
        pd.DataFrame({"a": [2, 1], "b": ["y", "x"]}),
        pd.DataFrame({"a": [1.0, 2.0], "b": ["x", "y"]}),
        pd.DataFrame({"a": [1, 2], "c": ["x", "y"]}),
    ],
)
def test_frame_version_sees_values_order_types_and_names(other: pd.DataFrame) -> None:
    frame = pd.DataFrame({"a": [1, 2], "b": ["x", "y"]})
    assert frame_version(frame.copy()) == frame_version(frame)
    assert frame_version(other) != frame_version(frame)


def test_frame_version_sees_the_label() -> None:
    frame = pd.DataFrame({"a": [1]})
    labelled = frame.copy()
    labelled.attrs["label"] = "sample"
    assert frame_version(labelled) != frame_version(frame)
