"""Data for all tests: real where a local mirror is there, else the sample. Never the internet.

And one small language model, trained once.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import pandas as pd
import pytest
from hypothesis import settings

from churnsaver_assets.data.load import fetch
from churnsaver_assets.data.samples.tables import sample_tables
from churnsaver_assets.data.sources.environment import data_mode, default_mirror
from churnsaver_assets.data.sources.registry_tables import TABLE_SOURCES
from churnsaver_assets.data.tables.build import build_table
from tests.support.language_model import tiny_language_model

if TYPE_CHECKING:
    from pathlib import Path

    from churnsaver_assets.data.sources.raw import RawSource
    from churnsaver_serving.runtime.manifest import DataLabel


# Examples are drawn from a fixed seed, and a busy machine is no failure.
settings.register_profile("churnsaver", derandomize=True, deadline=None)
settings.load_profile("churnsaver")


@pytest.fixture(scope="session")
def raw_files(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, RawSource]:
    """The raw files that the tests of this session run on."""
    mirror = default_mirror() if data_mode() == "real" else None
    if mirror is None:
        return sample_tables()
    cache = tmp_path_factory.mktemp("empty-cache")
    return fetch(TABLE_SOURCES.values(), mirror=mirror, cache=cache, allow_download=False)


@pytest.fixture(scope="session")
def data_label(raw_files: Mapping[str, RawSource]) -> DataLabel:
    """Whether this session's data are real or the sample."""
    return raw_files["telco"].label


@pytest.fixture(scope="session")
def telco(raw_files: Mapping[str, RawSource]) -> pd.DataFrame:
    """The table telco_customers. Shared by all tests: copy before changing it."""
    return build_table(raw_files["telco"])


@pytest.fixture(scope="session")
def bank(raw_files: Mapping[str, RawSource]) -> pd.DataFrame:
    """The table bank_contacts. Shared by all tests: copy before changing it."""
    return build_table(raw_files["bank"])


@pytest.fixture(scope="session")
def hillstrom(raw_files: Mapping[str, RawSource]) -> pd.DataFrame:
    """The table hillstrom_emails. Shared by all tests: copy before changing it."""
    return build_table(raw_files["hillstrom"])


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model directory. Shared by all tests: never write into it."""
    return tiny_language_model(tmp_path_factory.mktemp("tiny-model"))
