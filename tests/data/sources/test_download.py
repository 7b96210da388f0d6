"""The download path against a real server on this machine: good, wrong, missing, slow."""

import threading
import time
from pathlib import Path

import pytest

from churnsaver_assets.data.errors import SourceCorrupt
from churnsaver_assets.data.sources.download import (
    DownloadFailed,
    Timeouts,
    cached_file,
    download,
    read_cached,
    sha256_hex,
)
from churnsaver_assets.data.sources.table_registry import SOURCES
from tests.support.data.site import (
    closed_address,
    hanging,
    join_downloads,
    nested_zip,
    pinned,
    serving,
)

QUICK = Timeouts(connect=0.3, answer=0.3, total=1.0)
BODY = b"a,b\n1,2\n3,4\n"


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "*")


def test_a_download_is_verified_and_cached(tmp_path: Path) -> None:
    with serving({"/file": BODY}) as site:
        source = pinned(SOURCES["telco"], BODY, f"{site.address}/file")
        assert read_cached(source, tmp_path) is None
        assert download(source, tmp_path) == BODY
    assert read_cached(source, tmp_path) == BODY
    assert [path.name for path in tmp_path.iterdir()] == [cached_file(source, tmp_path).name]


def test_a_corrupted_body_is_an_error_and_is_not_kept(tmp_path: Path) -> None:
    served = BODY.replace(b"3", b"5")
    with serving({"/file": served}) as site:
        source = pinned(SOURCES["telco"], BODY, f"{site.address}/file")
        with pytest.raises(SourceCorrupt) as caught:
            download(source, tmp_path)
    for said in (source.url, source.download_sha256, sha256_hex(served)):
        assert said in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_a_corrupted_cache_is_replaced(tmp_path: Path) -> None:
    with serving({"/file": BODY}) as site:
        source = pinned(SOURCES["telco"], BODY, f"{site.address}/file")
        cached_file(source, tmp_path).write_bytes(BODY[:-1])
        assert read_cached(source, tmp_path) is None
        assert download(source, tmp_path) == BODY
    assert read_cached(source, tmp_path) == BODY


def test_a_missing_page_fails_with_its_status(tmp_path: Path) -> None:
    with serving({}) as site:
        source = pinned(SOURCES["telco"], BODY, f"{site.address}/file")
        with pytest.raises(DownloadFailed, match="404"):
            download(source, tmp_path)


def test_a_page_instead_of_an_archive_is_corrupt(tmp_path: Path) -> None:
    with serving({"/file": b"<html>moved</html>"}) as site:
        source = pinned(SOURCES["bank"], BODY, f"{site.address}/file")
        with pytest.raises(
            SourceCorrupt, match=r"expected a zip archive with 'bank-additional.zip'"
        ):
            download(source, tmp_path)


def test_an_archive_without_the_member_is_corrupt(tmp_path: Path) -> None:
    with serving({"/file": nested_zip(("bank-additional.zip", "other.csv"), BODY)}) as site:
        source = pinned(SOURCES["bank"], BODY, f"{site.address}/file")
        with pytest.raises(SourceCorrupt, match=r"bank-additional/bank-additional-full\.csv"):
            download(source, tmp_path)


def test_a_cut_off_body_fails(tmp_path: Path) -> None:
    with serving({"/file": BODY}, declared_extra=10) as site:
        source = pinned(SOURCES["telco"], BODY, f"{site.address}/file")
        with pytest.raises(DownloadFailed, match="IncompleteRead"):
            download(source, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_nothing_listening_fails_at_once(tmp_path: Path) -> None:
    source = pinned(SOURCES["telco"], BODY, closed_address())
    with pytest.raises(DownloadFailed, match="ConnectionRefusedError"):
        download(source, tmp_path)


def test_a_connection_that_hangs_is_given_up(tmp_path: Path) -> None:
    with hanging() as address:
        source = pinned(SOURCES["telco"], BODY, address)
        start = time.monotonic()
        with pytest.raises(DownloadFailed):
            download(source, tmp_path, QUICK)
        assert time.monotonic() - start < 1.0


def test_name_resolution_that_hangs_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No connect timeout covers the resolver, so the deadline for the first answer must."""
    end = threading.Event()

    def stuck(*_: object, **__: object) -> list[object]:
        end.wait(10)
        raise OSError("gave up")

    monkeypatch.setattr("socket.getaddrinfo", stuck)
    source = pinned(SOURCES["telco"], BODY, "http://data.example.org/file")
    with pytest.raises(DownloadFailed, match=r"no answer within 0\.3 s"):
        download(source, tmp_path, QUICK)
    end.set()
    join_downloads()


def test_a_body_that_never_ends_is_given_up(tmp_path: Path) -> None:
    with serving({"/file": BODY}, drip_s=0.1, repeat=10) as site:
        source = pinned(SOURCES["telco"], BODY, f"{site.address}/file")
        with pytest.raises(DownloadFailed, match=r"not complete within 0\.5 s"):
            download(source, tmp_path, Timeouts(connect=0.3, answer=0.3, total=0.5))
        join_downloads()


def test_every_pinned_address_is_a_full_url_and_every_hash_is_whole() -> None:
    for source in SOURCES.values():
        assert source.url.startswith(("https://", "http://www.minethatdata.com/"))
        for digest in (source.sha256, source.mirror_sha256, source.download_sha256):
            assert len(bytes.fromhex(digest)) == 32
