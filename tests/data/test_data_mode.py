from pathlib import Path

import pytest

from churnsaver_assets.data.errors import DataError
from churnsaver_assets.data.load import load_sources
from churnsaver_assets.data.sources import environment
from churnsaver_assets.data.sources.environment import data_mode, default_cache, default_mirror
from tests.support import ROOT


def test_real_data_unless_the_sample_is_asked_for_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CHURNSAVER_DATA", raising=False)
    assert data_mode() == "real"
    monkeypatch.setenv("CHURNSAVER_DATA", "sample")
    assert data_mode() == "sample"


def test_an_unknown_mode_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHURNSAVER_DATA", "synthetic")
    with pytest.raises(
        DataError, match=r"CHURNSAVER_DATA: .*'real' or 'sample', found 'synthetic'"
    ):
        load_sources(["telco"])


def test_an_explicit_mirror_must_exist(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("CHURNSAVER_DATA", "real")
    monkeypatch.setenv("CHURNSAVER_DATA_MIRROR", str(tmp_path / "nowhere"))
    with pytest.raises(DataError, match=r"CHURNSAVER_DATA_MIRROR: .*nowhere is not a folder"):
        load_sources(["telco"], allow_download=False)


def test_the_mirror_beside_the_checkout_is_found(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("CHURNSAVER_DATA_MIRROR", raising=False)
    monkeypatch.setattr(environment, "_CHECKOUT", tmp_path / "checkout")
    assert default_mirror() is None
    (tmp_path / "shared" / "data").mkdir(parents=True)
    assert default_mirror() == tmp_path / "shared" / "data"


def test_the_checkout_is_this_repository() -> None:
    assert ROOT == environment._CHECKOUT


def test_the_cache_follows_home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("CHURNSAVER_HOME", str(tmp_path))
    assert default_cache() == tmp_path / "cache"
    monkeypatch.delenv("CHURNSAVER_HOME")
    assert default_cache() == Path(".churnsaver/cache")


def test_sample_mode_reads_no_mirror(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("CHURNSAVER_DATA", "sample")
    monkeypatch.setenv("CHURNSAVER_DATA_MIRROR", str(tmp_path / "nowhere"))
    raws = load_sources(["telco"])
    assert set(raws) == {"telco"}
    assert raws["telco"].label == raws["telco"].origin == "sample"


def test_an_empty_mirror_does_not_turn_into_the_sample(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("CHURNSAVER_DATA", raising=False)
    monkeypatch.setenv("CHURNSAVER_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("CHURNSAVER_DATA_MIRROR", str(tmp_path))
    with pytest.raises(DataError, match="no such file"):
        load_sources(["telco"], allow_download=False)


def test_an_unknown_data_set_is_an_error() -> None:
    with pytest.raises(DataError, match=r"unknown data sets \['oasst'\]"):
        load_sources(["oasst"])
