"""The order mirror, address, error; and that a broken file stops instead of falling through."""

import gzip
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from churnsaver_assets.data.errors import DataError, SourceCorrupt, SourceUnavailable
from churnsaver_assets.data.load import fetch
from churnsaver_assets.data.sources.content import sha256_hex
from churnsaver_assets.data.sources.download import Timeouts
from churnsaver_assets.data.sources.environment import default_mirror
from churnsaver_assets.data.sources.fetch import cached_file
from churnsaver_assets.data.sources.raw import RawSource
from churnsaver_assets.data.sources.registry_tables import TABLE_SOURCES
from churnsaver_assets.data.sources.source import Source
from churnsaver_serving.runtime.manifest import DataLabel
from tests.support.data.site import (
    closed_address,
    hanging,
    mirror_file,
    nested_zip,
    pinned,
    remote_file,
    serving,
    write_mirror,
)

QUICK = Timeouts(connect=0.5, answer=0.5, total=2.0)
BODY = b"a,b\n1,2\n3,4\n"


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "*")


def resolve(source: Source, mirror: Path | None, cache: Path, **more: Any) -> RawSource:
    return fetch([source], mirror=mirror, cache=cache, **more)[source.name]


def test_the_mirror_comes_first(tmp_path: Path) -> None:
    with serving({"/telco.csv": BODY}) as site:
        source = pinned(TABLE_SOURCES["telco"], BODY, f"{site.address}/telco.csv")
        path = write_mirror(source, BODY, tmp_path)
        raw = resolve(source, tmp_path, tmp_path / "cache")
    assert site.requests == 0
    assert (raw.origin, raw.label, raw.read_from) == ("mirror", "real", str(path))
    assert raw.content == BODY
    assert raw.sha256 == sha256_hex(BODY)


def test_a_packed_mirror_file_is_unpacked(tmp_path: Path) -> None:
    source = pinned(TABLE_SOURCES["bank"], BODY, closed_address())
    write_mirror(source, BODY, tmp_path)
    assert resolve(source, tmp_path, tmp_path / "cache").content == BODY


@given(position=st.integers(0, len(BODY) - 1), bit=st.integers(0, 7))
def test_any_flipped_bit_of_a_mirror_file_stops(
    position: int, bit: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    mirror = tmp_path_factory.mktemp("mirror")
    source = pinned(TABLE_SOURCES["telco"], BODY, closed_address())
    path = write_mirror(source, BODY, mirror)
    broken = bytearray(BODY)
    broken[position] ^= 1 << bit
    path.write_bytes(broken)
    with pytest.raises(SourceCorrupt) as caught:
        resolve(source, mirror, mirror / "cache")
    message = str(caught.value)
    assert str(path) in message
    assert str(mirror_file(source).sha256) in message
    assert sha256_hex(bytes(broken)) in message


@pytest.mark.parametrize("kept", [0, 1, 7])
@pytest.mark.parametrize("name", ["telco", "bank"])
def test_a_short_mirror_file_stops_though_the_address_would_answer(
    name: str, kept: int, tmp_path: Path
) -> None:
    with serving({"/file": BODY}) as site:
        source = pinned(TABLE_SOURCES[name], BODY, f"{site.address}/file")
        path = write_mirror(source, BODY, tmp_path)
        path.write_bytes(path.read_bytes()[:kept])
        with pytest.raises(SourceCorrupt) as caught:
            resolve(source, tmp_path, tmp_path / "cache")
    assert site.requests == 0
    assert str(path) in str(caught.value)
    assert f"Expected content with sha256 {mirror_file(source).sha256}" in str(caught.value)
    assert f"found {kept} bytes" in str(caught.value)


def test_a_mirror_path_that_cannot_be_read_stops(tmp_path: Path) -> None:
    source = pinned(TABLE_SOURCES["telco"], BODY, closed_address())
    (tmp_path / mirror_file(source).at).mkdir(parents=True)
    with pytest.raises(SourceCorrupt, match="is there but can't be read"):
        resolve(source, tmp_path, tmp_path / "cache")


def test_a_mirror_that_is_no_folder_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"nowhere is not a folder; set CHURNSAVER_DATA_MIRROR"):
        resolve(TABLE_SOURCES["telco"], tmp_path / "nowhere", tmp_path)


def test_a_mirror_without_the_file_leads_to_the_address(tmp_path: Path) -> None:
    mirror = tmp_path / "mirror"
    mirror.mkdir()
    with serving({"/telco.csv": BODY}) as site:
        source = pinned(TABLE_SOURCES["telco"], BODY, f"{site.address}/telco.csv")
        raw = resolve(source, mirror, tmp_path / "cache")
        assert (raw.origin, raw.label, raw.read_from) == (
            "download",
            "real",
            remote_file(source).at,
        )
        again = resolve(source, mirror, tmp_path / "cache")
    assert again == raw
    assert site.requests == 1


def test_a_cached_download_serves_without_network(tmp_path: Path) -> None:
    with serving({"/telco.csv": BODY}) as site:
        source = pinned(TABLE_SOURCES["telco"], BODY, f"{site.address}/telco.csv")
        resolve(source, None, tmp_path)
    assert resolve(source, None, tmp_path, allow_download=False).content == BODY


def test_a_download_is_kept_under_its_name_in_the_cache(tmp_path: Path) -> None:
    with serving({"/telco.csv": BODY}) as site:
        source = pinned(TABLE_SOURCES["telco"], BODY, f"{site.address}/telco.csv")
        resolve(source, None, tmp_path)
    kept = cached_file(remote_file(source), tmp_path)
    assert list(tmp_path.iterdir()) == [kept]
    assert kept.read_bytes() == BODY


def test_a_corrupted_body_is_an_error_and_is_not_kept(tmp_path: Path) -> None:
    body = BODY.replace(b"3", b"5")
    with serving({"/file": body}) as site:
        source = pinned(TABLE_SOURCES["telco"], BODY, f"{site.address}/file")
        with pytest.raises(SourceCorrupt) as caught:
            resolve(source, None, tmp_path)
    for said in (remote_file(source).at, sha256_hex(BODY), sha256_hex(body), "1 of 2 columns: 'a'"):
        assert said in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_a_corrupted_cache_is_replaced(tmp_path: Path) -> None:
    with serving({"/file": BODY}) as site:
        source = pinned(TABLE_SOURCES["telco"], BODY, f"{site.address}/file")
        kept = cached_file(remote_file(source), tmp_path)
        kept.write_bytes(BODY[:-2])
        assert resolve(source, None, tmp_path).content == BODY
    assert kept.read_bytes() == BODY


def test_a_page_instead_of_an_archive_is_corrupt(tmp_path: Path) -> None:
    with serving({"/file": b"<html>moved</html>"}) as site:
        source = pinned(TABLE_SOURCES["bank"], BODY, f"{site.address}/file")
        with pytest.raises(SourceCorrupt, match="none of its columns is there; it begins with"):
            resolve(source, None, tmp_path)


def test_an_archive_without_the_member_is_corrupt(tmp_path: Path) -> None:
    with serving({"/file": nested_zip(("bank-additional.zip", "other.csv"), BODY)}) as site:
        source = pinned(TABLE_SOURCES["bank"], BODY, f"{site.address}/file")
        with pytest.raises(SourceCorrupt, match=r"bank-additional/bank-additional-full\.csv"):
            resolve(source, None, tmp_path)


def test_mirror_and_download_give_the_same_bytes(tmp_path: Path) -> None:
    published = b"recency,visit\r\n1,0\r\n2,1\r\n"
    with serving({"/hillstrom.csv": published}) as site:
        source = pinned(TABLE_SOURCES["hillstrom"], published, f"{site.address}/hillstrom.csv")
        downloaded = resolve(source, None, tmp_path / "cache")
    write_mirror(source, b"recency,visit\n1,0\n2,1\n", tmp_path)
    assert resolve(source, tmp_path, tmp_path / "none").content == downloaded.content


def test_a_bank_download_is_dug_out_of_its_nested_archives(tmp_path: Path) -> None:
    members = remote_file(TABLE_SOURCES["bank"]).members
    with serving({"/bank.zip": nested_zip(members, BODY)}) as site:
        source = pinned(TABLE_SOURCES["bank"], BODY, f"{site.address}/bank.zip")
        assert resolve(source, None, tmp_path).content == BODY


def test_what_was_tried_and_what_to_set_is_said(tmp_path: Path) -> None:
    source = pinned(TABLE_SOURCES["telco"], BODY, closed_address())
    mirror = tmp_path / "mirror"
    mirror.mkdir()
    with pytest.raises(SourceUnavailable) as caught:
        resolve(source, mirror, tmp_path / "cache", timeouts=QUICK)
    message = str(caught.value)
    assert f"{mirror / mirror_file(source).at}: no such file" in message
    assert f"{remote_file(source).at}: ConnectionRefusedError" in message
    assert "Set CHURNSAVER_DATA_MIRROR to a folder that holds telco_churn/" in message
    assert "CHURNSAVER_DATA=sample" in message


def test_the_network_is_not_touched_where_downloads_are_off(tmp_path: Path) -> None:
    with serving({"/telco.csv": BODY}) as site:
        source = pinned(TABLE_SOURCES["telco"], BODY, f"{site.address}/telco.csv")
        with pytest.raises(SourceUnavailable, match="not asked, downloads are off"):
            resolve(source, None, tmp_path, allow_download=False)
    assert site.requests == 0


def test_all_sources_are_named_when_nothing_answers(tmp_path: Path) -> None:
    sources = [pinned(source, BODY, closed_address()) for source in TABLE_SOURCES.values()]
    with pytest.raises(SourceUnavailable) as caught:
        fetch(sources, mirror=None, cache=tmp_path, timeouts=QUICK)
    for source in sources:
        assert f"{source.name}: no source answers" in str(caught.value)
        assert remote_file(source).at in str(caught.value)


def test_hanging_hosts_are_waited_for_together_not_in_turn(tmp_path: Path) -> None:
    with hanging() as address:
        sources = [pinned(source, BODY, address) for source in TABLE_SOURCES.values()]
        start = time.monotonic()
        with pytest.raises(SourceUnavailable, match=r"no answer within 0\.5 s"):
            fetch(
                sources,
                mirror=None,
                cache=tmp_path,
                timeouts=Timeouts(connect=2.0, answer=0.5, total=2.0),
            )
        assert time.monotonic() - start < 2 * 0.5


def test_a_corrupt_file_outweighs_missing_ones(tmp_path: Path) -> None:
    sources = [pinned(source, BODY, closed_address()) for source in TABLE_SOURCES.values()]
    write_mirror(sources[1], BODY, tmp_path).write_bytes(gzip.compress(b"other", mtime=0))
    with pytest.raises(SourceCorrupt, match=r"^bank: "):
        fetch(sources, mirror=tmp_path, cache=tmp_path / "cache", timeouts=QUICK)


def test_all_or_some_sources_can_be_resolved(tmp_path: Path) -> None:
    sources = [pinned(source, BODY, closed_address()) for source in TABLE_SOURCES.values()]
    for source in sources:
        write_mirror(source, BODY, tmp_path)
    raws = fetch(sources, mirror=tmp_path, cache=tmp_path / "cache")
    assert list(raws) == ["telco", "bank", "hillstrom"]
    assert list(fetch(sources[:1], mirror=tmp_path, cache=tmp_path / "cache")) == ["telco"]


def test_the_real_mirror_holds_the_pinned_files(
    raw_files: Mapping[str, RawSource], data_label: DataLabel
) -> None:
    if data_label == "sample":
        pytest.skip("no local mirror")
    for name, raw in raw_files.items():
        assert raw.origin == "mirror"
        assert raw.sha256 == mirror_file(TABLE_SOURCES[name]).sha256 == sha256_hex(raw.content)


def test_one_flipped_byte_of_a_real_file_is_found(data_label: DataLabel, tmp_path: Path) -> None:
    if data_label == "sample":
        pytest.skip("no local mirror")
    source, mirror = TABLE_SOURCES["bank"], default_mirror()
    assert mirror is not None
    content = bytearray((mirror / mirror_file(source).at).read_bytes())
    content[len(content) // 2] ^= 1
    copy = tmp_path / mirror_file(source).at
    copy.parent.mkdir()
    copy.write_bytes(content)
    with pytest.raises(SourceCorrupt) as caught:
        resolve(source, tmp_path, tmp_path / "cache")
    for said in (str(copy), str(mirror_file(source).sha256), sha256_hex(bytes(content))):
        assert said in str(caught.value)
