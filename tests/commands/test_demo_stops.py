"""How the demo gets data: real where there is some, else the sample, loudly; a stop where wrong."""

import io
import os
import subprocess
import sys
from pathlib import Path

import pytest
from rich.console import Console

from churnsaver_assets.commands import demo
from churnsaver_assets.commands.setup import Setup
from churnsaver_assets.data.errors import SourceUnavailable
from churnsaver_assets.data.sources.registry_tables import TABLE_SOURCES
from tests.support.data.site import mirror_file


def test_without_a_source_it_goes_on_with_the_sample_and_says_so(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def none_answers(*_: object) -> None:
        raise SourceUnavailable("telco: no source answers. Tried: nothing")

    monkeypatch.setattr(demo, "load_sources", none_answers)
    for name in ("CHURNSAVER_DATA", "CHURNSAVER_ALLOW_SAMPLE"):
        monkeypatch.setenv(name, "")
    output = io.StringIO()
    demo.choose_data(Setup(Console(width=100, file=output), tmp_path, "", "demo"))
    said = output.getvalue()
    assert "GENERATED SAMPLE, NOT REAL DATA" in said
    assert "no source answers" in said
    assert os.environ["CHURNSAVER_DATA"] == "sample"
    assert os.environ["CHURNSAVER_ALLOW_SAMPLE"] == "1"


def test_a_corrupted_file_stops_it_with_what_was_expected_and_found(tmp_path: Path) -> None:
    pinned = mirror_file(TABLE_SOURCES["telco"])
    broken = tmp_path / "mirror" / pinned.at
    broken.parent.mkdir(parents=True)
    broken.write_bytes(b"x" * 970_457)
    environment = os.environ | {
        "CHURNSAVER_DATA": "",
        "CHURNSAVER_DATA_MIRROR": str(tmp_path / "mirror"),
        "CHURNSAVER_HOME": str(tmp_path / "home"),
    }
    done = subprocess.run(
        [sys.executable, "-m", "churnsaver_assets.commands.demo"],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    said = done.stdout.replace("\n", "")
    assert done.returncode == 1
    assert "SourceCorrupt" in said
    assert broken.name in said
    assert str(pinned.sha256) in said
    assert not (tmp_path / "home" / "demo.json").exists()
