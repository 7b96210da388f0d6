"""A file is what its content is: however it is packed, called, or its lines end."""

from __future__ import annotations

import gzip
import io
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from churnsaver_assets.data.errors import SourceCorrupt
from churnsaver_assets.data.load import fetch, load_sources
from churnsaver_assets.data.sources.content import PackingError, sha256_hex, unpacked
from churnsaver_assets.data.sources.environment import default_mirror
from churnsaver_assets.data.sources.raw import RawSource, pack_sources, unpack_sources
from churnsaver_assets.data.sources.registry_tables import TABLE_SOURCES
from churnsaver_assets.data.sources.registry_texts import TEXT_SOURCES
from churnsaver_assets.data.tables.build import build_table
from churnsaver_assets.data.text.loaders import read_completions
from tests.support.data.site import closed_address, mirror_file, nested_zip, pinned

if TYPE_CHECKING:
    from churnsaver_assets.data.sources.source import Source
    from churnsaver_serving.runtime.manifest import DataLabel

Repack = Callable[[bytes], bytes]

UCI = ("bank-additional.zip", "bank-additional/bank-additional-full.csv")
HILLSTROM_ORIGINAL = "0e5893329d8b93cefecc571777672028290ab69865718020c78c7284f291aece"
"""SHA-256 of the CRLF file that Hillstrom published, as another public project records it."""


def lf(content: bytes) -> bytes:
    return content.replace(b"\r\n", b"\n")


def crlf(content: bytes) -> bytes:
    return lf(content).replace(b"\n", b"\r\n")


def marked(content: bytes) -> bytes:
    return b"\xef\xbb\xbf" + content


def regzipped(content: bytes) -> bytes:
    return gzip.compress(content, compresslevel=1, mtime=1_700_000_000)


def zipped(content: bytes) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("folder/", "")
        archive.writestr("folder/whatever.csv", content)
        archive.writestr("__MACOSX/folder/._whatever.csv", "left by a Mac")
    return target.getvalue()


@pytest.fixture(scope="module")
def published(
    raw_files: Mapping[str, RawSource], data_label: DataLabel
) -> dict[str, tuple[Source, bytes]]:
    """Each table's source with its published content: real, or the sample as if published."""
    if data_label == "real":
        return {name: (TABLE_SOURCES[name], raw.content) for name, raw in raw_files.items()}
    made = {}
    for name, raw in raw_files.items():
        content = b"".join(raw.content.replace(b";", b",").splitlines(keepends=True)[:500])
        made[name] = (pinned(TABLE_SOURCES[name], content, closed_address()), content)
    return made


def from_mirror(source: Source, name: str, content: bytes, folder: Path) -> RawSource:
    """Return what is read where the mirror holds this content under this file name."""
    path = (folder / mirror_file(source).at).with_name(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    raw = fetch([source], mirror=folder, cache=folder / "cache", allow_download=False)[source.name]
    assert raw.read_from == str(path)
    return raw


CASES: list[tuple[str, str, Repack]] = [
    ("telco", "WA_Fn-UseC_-Telco-Customer-Churn.csv", crlf),
    ("telco", "WA_Fn-UseC_-Telco-Customer-Churn.csv", marked),
    ("telco", "WA_Fn-UseC_-Telco-Customer-Churn.csv", lambda content: marked(crlf(content))),
    ("telco", "WA_Fn-UseC_-Telco-Customer-Churn.csv", lambda content: content.rstrip(b"\r\n")),
    ("telco", "WA_Fn-UseC_-Telco-Customer-Churn.csv", regzipped),  # a name that says nothing
    ("telco", "WA_Fn-UseC_-Telco-Customer-Churn.csv.gz", regzipped),
    ("telco", "WA_Fn-UseC_-Telco-Customer-Churn.zip", zipped),
    ("bank", "bank-additional-full.csv", bytes),  # as UCI publishes it
    ("bank", "bank-additional-full.csv", lf),
    ("bank", "bank-additional-full.csv.gz", bytes),
    ("bank", "bank-additional-full.csv.gz", regzipped),
    ("bank", "bank-additional-full.csv.gz", lambda content: regzipped(lf(content))),
    ("bank", "bank-additional-full.zip", lambda content: nested_zip(UCI, content)),
    ("bank", "bank-additional-full.zip", lambda content: nested_zip(UCI[1:], content)),
    ("hillstrom", "hillstrom_email.csv", crlf),  # the original
    ("hillstrom", "hillstrom_email.csv", bytes),
    ("hillstrom", "hillstrom_email.csv.gz", crlf),
    ("hillstrom", "hillstrom_email.csv.gz", regzipped),
]


@pytest.mark.parametrize(("name", "called", "repack"), CASES)
def test_the_same_content_is_the_same_data(
    name: str,
    called: str,
    repack: Repack,
    published: Mapping[str, tuple[Source, bytes]],
    tmp_path: Path,
) -> None:
    source, content = published[name]
    raw = from_mirror(source, called, repack(content), tmp_path)
    assert raw.content == content
    assert raw.files == {f"{name}.csv": content}
    assert f"{raw.label}-{raw.sha256}" == f"real-{sha256_hex(content)}"
    assert raw.sha256 == mirror_file(source).sha256


def test_hillstroms_original_is_the_one_that_others_record(
    raw_files: Mapping[str, RawSource], data_label: DataLabel
) -> None:
    if data_label == "sample":
        pytest.skip("no local mirror")
    assert sha256_hex(crlf(raw_files["hillstrom"].content)) == HILLSTROM_ORIGINAL


def test_where_the_named_file_and_another_packing_are_there_the_named_one_is_read(
    published: Mapping[str, tuple[Source, bytes]], tmp_path: Path
) -> None:
    source, content = published["bank"]
    named = tmp_path / mirror_file(source).at
    named.parent.mkdir(parents=True)
    named.with_name("bank-additional-full.csv").write_bytes(b"something else")
    raw = from_mirror(source, named.name, regzipped(content), tmp_path)
    assert raw.content == content


def test_the_tables_are_the_same_too(
    published: Mapping[str, tuple[Source, bytes]], data_label: DataLabel, tmp_path: Path
) -> None:
    if data_label == "sample":
        pytest.skip("no local mirror")
    source, content = published["bank"]
    first = from_mirror(source, "bank-additional-full.csv", lf(content), tmp_path / "one")
    second = from_mirror(
        source, "bank-additional-full.csv.gz", regzipped(content), tmp_path / "two"
    )
    assert build_table(first).equals(build_table(second))


REPACKED: list[tuple[str, Repack]] = [
    ("harmless-base.test.jsonl.gz", regzipped),
    ("harmless-base.test.jsonl.gz", bytes),
    ("harmless-base.test.jsonl", bytes),
    ("harmless-base.test.jsonl", lambda content: marked(crlf(content))),
]


@pytest.mark.parametrize(("called", "repack"), REPACKED)
def test_texts_that_were_packed_anew_are_the_same_data(
    called: str, repack: Repack, data_label: DataLabel, tmp_path: Path
) -> None:
    if data_label == "sample":
        pytest.skip("no local mirror")
    mirror, source = default_mirror(), TEXT_SOURCES["hh_rlhf"]
    assert mirror is not None
    content = (mirror / mirror_file(source).at).read_bytes()
    as_published = load_sources(["hh_rlhf"], mode="real", allow_download=False)["hh_rlhf"]
    assert as_published.content == content
    raw = from_mirror(source, called, repack(gzip.decompress(content)), tmp_path)
    assert raw.content == gzip.decompress(content)
    assert raw.sha256 == as_published.sha256 == sha256_hex(content)
    assert read_completions(raw) == read_completions(as_published)
    assert unpack_sources(pack_sources({"hh_rlhf": raw})) == {"hh_rlhf": raw}


def test_what_can_not_be_unpacked_is_said(
    published: Mapping[str, tuple[Source, bytes]], tmp_path: Path
) -> None:
    source, content = published["bank"]
    with pytest.raises(SourceCorrupt, match="it can't be unpacked") as caught:
        from_mirror(source, "bank-additional-full.csv.gz", regzipped(content)[:-1000], tmp_path)
    assert str(mirror_file(source).sha256) in str(caught.value)
    assert source.upstream in str(caught.value)


def test_an_archive_of_several_files_needs_the_name_of_one() -> None:
    packed = nested_zip(("a.csv",), b"content")  # a readme lies beside it
    assert unpacked(packed, ("b.csv", "a.csv")) == b"content"
    for members in ((), ("b.csv",)):
        with pytest.raises(PackingError, match=r"found \['readme.txt', 'a.csv'\]"):
            unpacked(packed, members)


def test_plain_content_is_left_as_it_is() -> None:
    assert unpacked(b"a,b\r\n1,2") == b"a,b\r\n1,2"
    assert unpacked(b"") == b""
