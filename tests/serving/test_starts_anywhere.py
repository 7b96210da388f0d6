"""Servers in processes of their own, started where deployments and people start them."""

import json
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest
from upath import UPath

from tests.serving.test_serving_settings import OF_SERVICES
from tests.support.serving.process import ServerProcess, cli


def decided(running: ServerProcess, body: dict[str, Any]) -> str:
    """Return the id of the release that a ready server decides by."""
    ready = httpx.get(f"{running.url}/readyz", timeout=30)
    assert ready.status_code == 200, ready.text
    answer = httpx.post(f"{running.url}/retain", json=body, timeout=30)
    assert answer.status_code == 200, answer.text
    assert answer.json()["release"]["id"] == ready.json()["release"]
    return str(ready.json()["release"])


def rows(ledger: Path) -> int:
    with closing(sqlite3.connect(ledger)) as connection:
        (count,) = connection.execute("SELECT count(*) FROM decisions").fetchone()
    return int(count)


def home_with(release: UPath, home: Path) -> Path:
    """Make a home folder whose current release is a copy of that one."""
    shutil.copytree(str(release), home / "releases" / release.name)
    (home / "releases" / "CURRENT").write_text(f"{release.name}\n")
    return home


def test_beside_a_kubernetes_service_of_its_own_name(
    tmp_path: Path, release_dir: UPath, body: dict[str, Any]
) -> None:
    home = home_with(release_dir, tmp_path / "home")
    env = OF_SERVICES | {"CHURNSAVER_HOME": str(home)}
    assert cli("migrate", env=env).returncode == 0
    with ServerProcess(tmp_path / "log", env) as running:
        assert decided(running, body) == release_dir.name
    events = [json.loads(line) for line in running.log.read_text().splitlines() if line[0] == "{"]
    [said] = [event for event in events if event["event"] == "service_variables_ignored"]
    assert said["variables"] == sorted(OF_SERVICES)
    assert said["port"] == int(running.url.rpartition(":")[2])


def test_an_unknown_variable_stops_it_with_the_closest_name(tmp_path: Path) -> None:
    env = {"CHURNSAVER_HOME": str(tmp_path), "CHURNSAVER_BUGDET_USD": "5"}
    done = cli("serve", env=env)
    assert done.returncode == 2
    assert "CHURNSAVER_BUGDET_USD is no setting; did you mean CHURNSAVER_BUDGET_USD?" in done.stderr


def link(release: Path, place: Path) -> None:
    place.symlink_to(release)


def mount(release: Path, place: Path) -> None:
    """Copy the release: a mount shows the same files under another name too."""
    shutil.copytree(release, place)


@pytest.mark.parametrize("put", [link, mount])
def test_a_release_under_another_name(
    tmp_path: Path, own_release: Path, body: dict[str, Any], put: Callable[[Path, Path], None]
) -> None:
    place = tmp_path / "release"
    put(own_release, place)
    env = {"CHURNSAVER_HOME": str(tmp_path / "home"), "CHURNSAVER_RELEASE": str(place)}
    with ServerProcess(tmp_path / "log", env) as running:
        assert decided(running, body) == own_release.name


def test_litter_is_no_change_and_any_other_file_is(
    tmp_path: Path, own_release: Path, body: dict[str, Any]
) -> None:
    env = {"CHURNSAVER_HOME": str(tmp_path / "home"), "CHURNSAVER_RELEASE": str(own_release)}
    (own_release / ".DS_Store").write_bytes(b"Bud1")
    with ServerProcess(tmp_path / "log", env) as running:
        for name in ("._model.ubj", ".nfs00000000004a0001", ".fuse_hidden0001", "Thumbs.db"):
            (own_release / "churn_risk" / name).write_bytes(b"x")
        assert decided(running, body) == own_release.name
        (own_release / "churn_risk" / "notes.txt").write_bytes(b"x")
        ready = httpx.get(f"{running.url}/readyz", timeout=30)
        assert ready.status_code == 503
        assert "doesn't name: churn_risk/notes.txt" in ready.json()["detail"]


def test_a_home_of_any_name(tmp_path: Path, release_dir: UPath, body: dict[str, Any]) -> None:
    name = "a%2Fb ?x=1&y #z ~ Zoë"
    home = home_with(release_dir, tmp_path / name)
    log = tmp_path.parent / f"{tmp_path.name}.log"
    with ServerProcess(log, {"CHURNSAVER_HOME": str(home)}) as running:
        assert decided(running, body) == release_dir.name
    assert rows(home / "ledger.db") == 1
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert {path.name for path in home.iterdir()} == {"releases", "ledger.db"}


def test_a_home_below_a_tilde(tmp_path: Path, release_dir: UPath, body: dict[str, Any]) -> None:
    home = home_with(release_dir, tmp_path / "state")
    env = {"HOME": str(tmp_path), "CHURNSAVER_HOME": "~/state"}
    with ServerProcess(tmp_path / "log", env) as running:
        assert decided(running, body) == release_dir.name
    assert rows(home / "ledger.db") == 1
