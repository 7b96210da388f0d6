"""The IO managers: what is stored is what is read, and an older artefact leaves nothing behind."""

from pathlib import Path

import dagster as dg
import numpy as np
import pandas as pd
from upath import UPath

from churnsaver_assets.defs.io import FilesIOManager, ParquetIOManager

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
