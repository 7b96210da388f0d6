"""The IO managers: what is stored is what is read, and an older artefact leaves nothing behind."""

from pathlib import Path

import dagster as dg
import numpy as np
import pandas as pd
import pytest
from upath import UPath

from churnsaver_assets.defs.lib.io import DirectoryIOManager, FilesIOManager, ParquetIOManager
from churnsaver_assets.defs.lib.resources import Checkpoints

KEY = dg.AssetKey("thing")


def roundtrip(manager: dg.UPathIOManager, value: object) -> object:
    manager.handle_output(dg.build_output_context(asset_key=KEY), value)
    return manager.load_input(
        dg.build_input_context(
            asset_key=KEY, upstream_output=dg.build_output_context(asset_key=KEY)
        )
    )


def test_a_table_comes_back_with_its_label(tmp_path: Path) -> None:
    frame = pd.DataFrame({"a": [1.5, np.nan], "b": [True, False], "c": ["x", "y"]})
    frame.attrs["label"] = "sample"
    loaded = roundtrip(ParquetIOManager(UPath(tmp_path)), frame)
    pd.testing.assert_frame_equal(loaded, frame)
    assert loaded.attrs == {"label": "sample"}


def test_files_come_back_byte_for_byte(tmp_path: Path) -> None:
    files = {"model.ubj": bytes(range(256)), "policy/policy.json": b"{}"}
    assert roundtrip(FilesIOManager(UPath(tmp_path)), files) == files


def test_files_of_an_older_artefact_are_gone(tmp_path: Path) -> None:
    manager = FilesIOManager(UPath(tmp_path))
    roundtrip(manager, {"old.json": b"1", "kept.json": b"1"})
    assert roundtrip(manager, {"kept.json": b"2"}) == {"kept.json": b"2"}


def test_a_remote_path_works_too() -> None:
    files = {"model.ubj": b"\x00\x01", "deep/er/x.json": b"[]"}
    base = UPath("memory://churnsaver-test/assets")
    assert roundtrip(FilesIOManager(base), files) == files
    frame = pd.DataFrame({"a": [1]})
    pd.testing.assert_frame_equal(roundtrip(ParquetIOManager(base), frame), frame)


def folder_of(path: Path, **files: bytes) -> Path:
    for name, data in files.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_bytes(data)
    return path


def read(folder: Path) -> dict[str, bytes]:
    return {
        str(one.relative_to(folder)): one.read_bytes() for one in folder.rglob("*") if one.is_file()
    }


def test_a_folder_is_handed_over_and_replaces_the_older_one(tmp_path: Path) -> None:
    manager = DirectoryIOManager(UPath(tmp_path / "assets"))
    roundtrip(manager, folder_of(tmp_path / "old", stale=b"1"))
    made = folder_of(tmp_path / "new", **{"model.safetensors": b"2", "adapter/x.json": b"{}"})
    stored = roundtrip(manager, made)
    assert stored == tmp_path / "assets" / "thing"
    assert read(stored) == {"model.safetensors": b"2", "adapter/x.json": b"{}"}
    assert not made.exists()


def test_a_remote_folder_is_fetched(tmp_path: Path) -> None:
    manager = DirectoryIOManager(UPath("memory://churnsaver-test/models"))
    made = folder_of(tmp_path / "new", **{"model.safetensors": b"2", "adapter/x.json": b"{}"})
    stored = roundtrip(manager, made)
    assert isinstance(stored, Path)
    assert read(stored) == {"model.safetensors": b"2", "adapter/x.json": b"{}"}


def test_a_folder_that_was_never_made_says_so(tmp_path: Path) -> None:
    manager = DirectoryIOManager(UPath(tmp_path))
    with pytest.raises(FileNotFoundError, match="materialise the asset first"):
        manager.load_from_path(dg.build_input_context(), UPath(tmp_path / "none"))


def test_checkpoints_of_other_versions_are_deleted(tmp_path: Path) -> None:
    checkpoints = Checkpoints(base_path=str(tmp_path))
    folder_of(checkpoints.folder("training", "a", "b"), step=b"1")
    assert (checkpoints.folder("training", "a", "b") / "step").exists()
    now = checkpoints.folder("training", "a", "c")
    assert not (tmp_path / "training" / "a-b").exists()
    assert now == tmp_path / "training" / "a-c"
