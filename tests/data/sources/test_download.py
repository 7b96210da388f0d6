"""Downloads from a real server on this machine: good, missing, cut off, slow."""

import threading
import time

import pytest

from churnsaver_assets.data.sources.download import DownloadFailed, Timeouts, download
from tests.support.data.site import closed_address, hanging, join_downloads, serving

QUICK = Timeouts(connect=0.3, answer=0.3, total=1.0)
BODY = b"a,b\n1,2\n3,4\n"


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "*")


def test_the_body_comes_as_it_is_served() -> None:
    with serving({"/file": BODY}) as site:
        assert download(f"{site.address}/file") == BODY


def test_a_missing_page_fails_with_its_status() -> None:
    with serving({}) as site, pytest.raises(DownloadFailed, match="404"):
        download(f"{site.address}/file")


def test_a_cut_off_body_fails() -> None:
    with (
        serving({"/file": BODY}, declared_extra=10) as site,
        pytest.raises(DownloadFailed, match="IncompleteRead"),
    ):
        download(f"{site.address}/file")


def test_nothing_listening_fails_at_once() -> None:
    with pytest.raises(DownloadFailed, match="ConnectionRefusedError"):
        download(closed_address())


def test_a_connection_that_hangs_is_given_up() -> None:
    with hanging() as address:
        start = time.monotonic()
        with pytest.raises(DownloadFailed):
            download(address, QUICK)
        assert time.monotonic() - start < 1.0


def test_name_resolution_that_hangs_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """No connect timeout covers the resolver, so the deadline for the first answer must."""
    end = threading.Event()

    def stuck(*_: object, **__: object) -> list[object]:
        end.wait(10)
        raise OSError("gave up")

    monkeypatch.setattr("socket.getaddrinfo", stuck)
    with pytest.raises(DownloadFailed, match=r"no answer within 0\.3 s"):
        download("http://data.example.org/file", QUICK)
    end.set()
    join_downloads()


def test_a_body_that_never_ends_is_given_up() -> None:
    with serving({"/file": BODY}, drip_s=0.1, repeat=10) as site:
        with pytest.raises(DownloadFailed, match=r"not complete within 0\.5 s"):
            download(f"{site.address}/file", Timeouts(connect=0.3, answer=0.3, total=0.5))
        join_downloads()
