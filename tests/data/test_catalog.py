"""The catalog tells the truth about what was read; the package is light to import."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from typing import TYPE_CHECKING

from churnsaver_assets.data.catalog import build_catalog
from churnsaver_assets.data.samples.tables import sample_tables
from churnsaver_assets.data.samples.text import sample_texts
from churnsaver_assets.data.sources.registry_tables import TABLE_SOURCES
from churnsaver_assets.data.sources.registry_texts import TEXT_SOURCES

if TYPE_CHECKING:
    from collections.abc import Mapping

    from churnsaver_assets.data.sources.raw import RawSource
    from churnsaver_serving.runtime.manifest import DataLabel


def test_each_file_has_its_entry(raw_files: Mapping[str, RawSource], data_label: DataLabel) -> None:
    catalog = build_catalog(raw_files.values()).set_index("name")
    assert sorted(catalog.index) == sorted(TABLE_SOURCES)
    for name, raw in raw_files.items():
        entry = catalog.loc[name]
        assert entry["label"] == data_label
        assert entry["sha256"] == hashlib.sha256(raw.content).hexdigest()
        assert entry["bytes"] == len(raw.content)
        assert entry["rows"] == raw.content.count(b"\n") - 1
        assert entry["columns"] == {"telco": 21, "bank": 21, "hillstrom": 12}[name]
        assert entry["licence"]
        assert TABLE_SOURCES[name].upstream in entry["upstream"]


def test_a_sample_does_not_pass_for_its_model() -> None:
    catalog = build_catalog(sample_tables().values())
    assert set(catalog["label"]) == {"sample"}
    assert catalog["upstream"].str.startswith("generated after published rates of ").all()
    assert not set(catalog["licence"]) & {source.licence for source in TABLE_SOURCES.values()}


def test_texts_stand_beside_the_tables() -> None:
    texts = sample_texts()
    catalog = build_catalog([*sample_tables().values(), *texts.values()])
    assert set(catalog["name"]) == {*TEXT_SOURCES, *TABLE_SOURCES}
    assert set(catalog["label"]) == {"sample"}
    entry = catalog.set_index("name").loc["hh_rlhf"]
    assert entry["sha256"] == texts["hh_rlhf"].sha256
    assert entry["columns"] == 2
    assert entry["upstream"].startswith("generated in the layout of ")


def test_importing_the_data_layer_loads_no_heavy_library() -> None:
    code = """
import sys
from churnsaver_assets.data import catalog, load
from churnsaver_assets.data.samples import tables, text
from churnsaver_assets.data.sources import download, fetch
from churnsaver_assets.data.tables import build, leaks, schemas, splits
from churnsaver_assets.data.text import schemas, tables
heavy = {
    "dagster", "pandera", "pyarrow.parquet", "requests", "sklearn", "torch",
    "transformers", "xgboost",
}
print(heavy & set(sys.modules))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
