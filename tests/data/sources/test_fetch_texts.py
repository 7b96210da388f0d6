"""Text sources: what is pinned, where they are sought, and what is said when none answers."""

from __future__ import annotations

import dataclasses
import hashlib
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from churnsaver_assets.data.errors import DataError, SourceCorrupt, SourceUnavailable
from churnsaver_assets.data.load import fetch, load_sources
from churnsaver_assets.data.samples.text import sample_texts
from churnsaver_assets.data.sources.download import Timeouts
from churnsaver_assets.data.sources.environment import default_mirror
from churnsaver_assets.data.sources.raw import pack_sources, unpack_sources
from churnsaver_assets.data.sources.registry_texts import TEXT_SOURCES
from churnsaver_assets.data.text.tables import preference_pairs
from tests.support.data.layouts import hh, packed, post, served, spec
from tests.support.data.layouts import lines as json_lines
from tests.support.data.site import closed_address, serving

if TYPE_CHECKING:
    from churnsaver_serving.runtime.manifest import DataLabel

QUICK = Timeouts(connect=0.5, answer=0.5, total=2.0)
HH = packed([hh("\n\nHuman: Hello there, how are you?", "Fine, thank you.", "Go away.")] * 3)
SHP = json_lines([post("bread", 3.0), post("soup", 2.5)])


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "*")


def sha(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def test_what_is_not_upstreams_own_labelling_says_so() -> None:
    for name, kind in (("oasst1_inferred", "inferred"), ("dolly", "degraded")):
        mirror = TEXT_SOURCES[name].mirror
        assert mirror is not None
        assert mirror.kind == kind
        assert mirror.part.startswith(kind.upper())
    for name in ("oasst1", "oasst1_ranks", "hh_rlhf", "qa_feedback"):
        mirror = TEXT_SOURCES[name].mirror
        assert mirror is not None
        assert mirror.kind == "human"
        assert mirror.part.startswith("PARTIAL")


def test_a_download_is_verified_read_and_served_from_the_cache(tmp_path: Path) -> None:
    with serving({"/hh.jsonl.gz": HH}) as site:
        source = served(
            TEXT_SOURCES["hh_rlhf"], site.address, {"hh.jsonl.gz": HH}, hh_jsonl_gz=sha(HH)
        )
        raw = fetch([source], mirror=None, cache=tmp_path)["hh_rlhf"]
        assert (raw.origin, raw.label, raw.rows) == ("download", "real", 3)
        assert raw.sha256 == sha(HH)
        again = fetch([source], mirror=None, cache=tmp_path, allow_download=False)
    assert site.requests == 1
    assert again["hh_rlhf"] == raw
    assert len(preference_pairs({"hh_rlhf": raw}, spec(), 42)) == 1


def test_a_file_that_two_sources_share_is_fetched_once(tmp_path: Path) -> None:
    with serving({"/one.jsonl.gz": HH}) as site:
        first = served(TEXT_SOURCES["hh_rlhf"], site.address, {"one.jsonl.gz": HH})
        second = dataclasses.replace(first, name="again")
        raws = fetch([first, second], mirror=None, cache=tmp_path)
    assert site.requests == 1
    assert raws["hh_rlhf"].files == raws["again"].files


def test_a_changed_file_behind_a_published_hash_stops(tmp_path: Path) -> None:
    with serving({"/hh.jsonl.gz": HH + b"x"}) as site:
        source = served(
            TEXT_SOURCES["hh_rlhf"], site.address, {"hh.jsonl.gz": HH}, hh_jsonl_gz=sha(HH)
        )
        with pytest.raises(SourceCorrupt, match=sha(HH)):
            fetch([source], mirror=None, cache=tmp_path)


def test_an_unpublished_hash_is_recorded_at_the_first_download_and_then_holds(
    tmp_path: Path,
) -> None:
    with serving({"/shp.jsonl": SHP}) as site:
        source = served(TEXT_SOURCES["shp2"], site.address, {"shp.jsonl": SHP})
        raw = fetch([source], mirror=None, cache=tmp_path)["shp2"]
        (record,) = tmp_path.glob("*.sha256")
        assert record.read_text().strip() == sha(SHP) == raw.sha256
        again = fetch([source], mirror=None, cache=tmp_path, allow_download=False)
        assert again["shp2"] == raw
        (kept,) = tmp_path.glob("*.jsonl")
        kept.write_bytes(SHP[:-9])  # the cache is damaged, and upstream has changed
        site.pages = {"/shp.jsonl": SHP + SHP}
        with pytest.raises(SourceCorrupt, match=sha(SHP)):
            fetch([source], mirror=None, cache=tmp_path)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"<html>moved</html>", "line 1: expected a JSON object"),
        (json_lines([{"chosen": "a", "rejected": "b"}]), "expected field 'post_id'"),
        (SHP * 60, "expected 1 to 100 rows, found 120"),
    ],
)
def test_what_is_not_the_data_set_is_neither_recorded_nor_kept(
    body: bytes, said: str, tmp_path: Path
) -> None:
    with serving({"/shp.jsonl": body}) as site:
        source = served(TEXT_SOURCES["shp2"], site.address, {"shp.jsonl": body})
        with pytest.raises(SourceCorrupt, match=said):
            fetch([source], mirror=None, cache=tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_all_that_was_tried_is_said_for_every_source(tmp_path: Path) -> None:
    mirror = tmp_path / "mirror"
    mirror.mkdir()
    address = closed_address()
    sources = [
        dataclasses.replace(served(source, address, {f"{name}.file": b""}), mirror=source.mirror)
        if source.remote
        else source
        for name, source in TEXT_SOURCES.items()
    ]
    with pytest.raises(SourceUnavailable) as caught:
        fetch(sources, mirror=mirror, cache=tmp_path / "cache", timeouts=QUICK)
    message = str(caught.value)
    for name, source in TEXT_SOURCES.items():
        assert f"{name}: no source answers" in message
        if source.remote:
            assert f"{address}/{name}.file: ConnectionRefusedError" in message
        if source.mirror:
            assert f"{mirror / source.mirror.files[0].at}: no such file" in message
    assert "public address: there is none" in message  # of the inferred pairs
    assert "holds no part of this source" in message  # of SHP-2
    assert "CHURNSAVER_DATA=sample" in message


def test_an_empty_mirror_without_internet_is_an_error_not_the_sample(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CHURNSAVER_DATA_MIRROR", str(tmp_path))
    monkeypatch.setenv("CHURNSAVER_HOME", str(tmp_path / "home"))
    with pytest.raises(SourceUnavailable, match="not asked, downloads are off"):
        load_sources(["oasst1"], mode="real", allow_download=False)


def test_unknown_names_are_refused() -> None:
    with pytest.raises(DataError, match="unknown data sets \\['oasst2'\\]"):
        load_sources(["oasst1", "oasst2"], mode="sample")


def test_a_flipped_byte_in_the_mirror_stops(data_label: DataLabel, tmp_path: Path) -> None:
    if data_label == "sample":
        pytest.skip("no local mirror")
    source, mirror = TEXT_SOURCES["oasst1"], default_mirror()
    assert mirror is not None
    assert source.mirror is not None
    (file,) = source.mirror.files
    copy = tmp_path / file.at
    copy.parent.mkdir()
    shutil.copyfile(mirror / file.at, copy)
    content = bytearray(copy.read_bytes())
    content[1000] ^= 1
    copy.write_bytes(content)
    with pytest.raises(SourceCorrupt) as caught:
        fetch([source], mirror=tmp_path, cache=tmp_path / "cache")
    assert str(copy) in str(caught.value)
    assert str(file.sha256) in str(caught.value)


def test_sources_travel_as_files_and_changed_files_are_found() -> None:
    sources = sample_texts()
    stored = pack_sources(sources)
    assert unpack_sources(stored) == sources
    name = next(name for name in stored if name.startswith("hh_rlhf/files/"))
    with pytest.raises(SourceCorrupt, match="hh_rlhf: the stored files were changed"):
        unpack_sources(stored | {name: stored[name] + b" "})
    with pytest.raises(SourceCorrupt, match="no such file"):
        unpack_sources({one: content for one, content in stored.items() if one != name})
