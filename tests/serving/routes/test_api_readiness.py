"""Alive is not ready: damaged, missing and sample releases, ledgers that aren't up to date."""

import json
import os
import shutil
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest
from litestar.testing import TestClient
from upath import UPath

from churnsaver_serving.app import create_app
from churnsaver_serving.live.store.database import Database
from churnsaver_serving.live.store.schema import migrate
from churnsaver_serving.runtime.engine.release import Release
from churnsaver_serving.runtime.policies.pacing import Basis, Day, Pacing
from churnsaver_serving.schemas import DayPacing
from churnsaver_serving.settings import Settings
from tests.support.serving.clock import Clock
from tests.support.serving.process import ServerProcess, cli

Client = TestClient[Any]


def start(**settings: Any) -> Client:
    app = create_app(Settings(**settings), clock=Clock())
    return TestClient(app, raise_server_exceptions=False)


def not_ready(client: Client, part: str) -> str:
    """Return what `/readyz` says is wrong with that part, and only with that."""
    response = client.get("/readyz")
    assert response.status_code == 503
    assert response.headers["content-type"] == "application/problem+json"
    assert "retry-after" in response.headers
    errors = response.json()["errors"]
    assert [error["field"] for error in errors] == [part]
    assert client.get("/healthz").status_code == 200
    return str(errors[0]["message"])


def test_ready(release_dir: UPath, sqlite_url: str) -> None:
    with start(release=str(release_dir), database_url=sqlite_url) as client:
        response = client.get("/readyz")
        assert response.status_code == 200
        assert response.json() == {
            "status": "ready",
            "release": release_dir.name,
            "data": "real",
            "policy": "one_step",
            "policies": ["one_step", "propensity_threshold"],
            "ledger_revision": "0004",
        }


@pytest.mark.parametrize("model", ["churn_risk/model.ubj", "offer_acceptance/model.ubj"])
def test_deleted_model(own_release: Path, sqlite_url: str, model: str) -> None:
    with start(release=str(own_release), database_url=sqlite_url) as client:
        assert client.get("/readyz").status_code == 200
        data = (own_release / model).read_bytes()
        (own_release / model).unlink()
        assert model in not_ready(client, "release")
        (own_release / model).write_bytes(data)
        assert client.get("/readyz").status_code == 200


def test_changed_model_of_the_same_size_and_time(own_release: Path, sqlite_url: str) -> None:
    path = own_release / "churn_risk" / "model.ubj"
    before = path.stat()
    with start(release=str(own_release), database_url=sqlite_url) as client:
        data = bytearray(path.read_bytes())
        data[len(data) // 2] ^= 1
        path.write_bytes(data)
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
        assert "churn_risk/model.ubj was changed" in not_ready(client, "release")


def test_added_file(own_release: Path, sqlite_url: str) -> None:
    with start(release=str(own_release), database_url=sqlite_url) as client:
        (own_release / "policy" / "extra.json").write_bytes(b"{}")
        assert "policy/extra.json" in not_ready(client, "release")


def test_another_release_in_the_same_place(
    own_release: Path, release_dir: UPath, tmp_path: Path, sqlite_url: str
) -> None:
    place = Path(shutil.copytree(own_release, tmp_path / "release"))
    with start(release=str(place), database_url=sqlite_url) as client:
        assert client.get("/readyz").json()["release"] == own_release.name
        shutil.rmtree(place)
        shutil.copytree(str(release_dir), place)
        said = not_ready(client, "release")
        assert f"{release_dir.name} has taken the place of {own_release.name}" in said


def test_a_link_that_moves_on_takes_nothing_away(
    own_release: Path, release_dir: UPath, tmp_path: Path, sqlite_url: str
) -> None:
    link = tmp_path / "current"
    link.symlink_to(own_release)
    with start(release=str(link), database_url=sqlite_url) as client:
        link.unlink()
        link.symlink_to(release_dir)
        assert client.get("/readyz").json()["release"] == own_release.name


def test_release_that_cannot_be_loaded(
    own_release: Path, sqlite_url: str, body: dict[str, Any]
) -> None:
    (own_release / "offer_acceptance" / "calibrator.json").unlink()
    with start(release=str(own_release), database_url=sqlite_url) as client:
        assert "offer_acceptance/calibrator.json" in not_ready(client, "release")
        response = client.post("/retain", json=body)
        assert response.status_code == 503
        assert "offer_acceptance/calibrator.json" in response.json()["detail"]


def test_no_release_at_all(tmp_path: Path, sqlite_url: str, body: dict[str, Any]) -> None:
    with start(home=tmp_path / "nothing", database_url=sqlite_url) as client:
        assert "CHURNSAVER_RELEASE" in not_ready(client, "release")
        assert client.post("/retain", json=body).status_code == 503


def test_current_release_of_the_home_directory(
    tmp_path: Path, release_dir: UPath, sqlite_url: str
) -> None:
    shutil.copytree(str(release_dir), tmp_path / "releases" / release_dir.name)
    (tmp_path / "releases" / "CURRENT").write_text(f"{release_dir.name}\n")
    with start(home=tmp_path, database_url=sqlite_url) as client:
        assert client.get("/readyz").json()["release"] == release_dir.name


def test_sample_release_is_refused(
    sample_dir: UPath, sqlite_url: str, body: dict[str, Any]
) -> None:
    with start(release=str(sample_dir), database_url=sqlite_url) as client:
        assert "CHURNSAVER_ALLOW_SAMPLE=1" in not_ready(client, "release")
        assert client.post("/retain", json=body).status_code == 503


def test_sample_release_is_labelled_where_allowed(
    sample_dir: UPath, sqlite_url: str, body: dict[str, Any]
) -> None:
    with start(release=str(sample_dir), database_url=sqlite_url, allow_sample=True) as client:
        assert client.get("/readyz").json()["data"] == "sample"
        assert client.post("/retain", json=body).json()["data"] == "sample"


def test_years_whose_holidays_are_not_known(release_dir: UPath, sqlite_url: str) -> None:
    clock = Clock(datetime(2035, 12, 31, 12, tzinfo=UTC))
    settings = Settings(release=str(release_dir), database_url=sqlite_url)
    with TestClient(create_app(settings, clock=clock)) as client:
        assert client.get("/readyz").status_code == 200
        clock.advance(1)
        assert "2024 to 2035 alone" in not_ready(client, "holidays")


def test_ledger_without_tables(release_dir: UPath, tmp_path: Path, body: dict[str, Any]) -> None:
    url = f"sqlite:///{tmp_path / 'new.db'}"
    with start(release=str(release_dir), database_url=url) as client:
        assert "python -m churnsaver_serving migrate" in not_ready(client, "ledger")
        response = client.post("/retain", json=body)
        assert response.status_code == 503
        assert "no such table" not in response.text  # what happened inside is for the log


def test_ledger_that_cannot_be_reached(release_dir: UPath, tmp_path: Path) -> None:
    url = f"postgresql://nobody@/none?host={tmp_path}"
    with start(release=str(release_dir), database_url=url) as client:
        assert "ledger" in not_ready(client, "ledger")


def test_ledger_of_a_newer_program(release_dir: UPath, sqlite_url: str) -> None:
    database = Database(sqlite_url)
    with database.write() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    database.close()
    with start(release=str(release_dir), database_url=sqlite_url) as client:
        message = not_ready(client, "ledger")
    assert "9999, which this program does not know" in message
    assert "migrate" not in message.partition("9999")[2].replace("migrated", "")


def test_baseline_policy_by_setting(
    release_dir: UPath, sqlite_url: str, body: dict[str, Any]
) -> None:
    with start(release=str(release_dir), database_url=sqlite_url, force_baseline=True) as client:
        answer = client.post("/retain", json=body).json()
        assert answer["policy"] == "propensity_threshold"
        assert client.get("/readyz").json()["policy"] == "propensity_threshold"


def test_another_policy_by_setting(several: Release, sqlite_url: str, body: dict[str, Any]) -> None:
    place: dict[str, Any] = {"release": str(several.path), "database_url": sqlite_url}
    with start(**place, policy="ppo") as client:
        assert client.post("/retain", json=body).json()["policy"] == "ppo"
        ready = client.get("/readyz").json()
        assert ready["policy"] == "ppo"
        assert ready["policies"] == ["one_step", "planner", "ppo", "propensity_threshold"]
    with start(**place, policy="ppo", force_baseline=True) as client:
        assert client.get("/readyz").json()["policy"] == "propensity_threshold"


def test_a_policy_that_the_release_does_not_have(
    several: Release, sqlite_url: str, body: dict[str, Any]
) -> None:
    path = str(several.path)
    with start(release=path, database_url=sqlite_url, policy="oracle") as client:
        said = not_ready(client, "release")
        assert "no policy 'oracle'" in said
        assert "one_step, planner, ppo, propensity_threshold" in said
        assert client.post("/retain", json=body).status_code == 503


@pytest.mark.parametrize(
    ("rule", "constraint"), [("budget_usd", "budget"), ("daily_capacity", "capacity")]
)
def test_rules_by_setting(
    release_dir: UPath, sqlite_url: str, body: dict[str, Any], rule: str, constraint: str
) -> None:
    body |= {"message": {"time_zone": "America/Chicago"}}  # where it is Monday
    with start(release=str(release_dir), database_url=sqlite_url, **{rule: 0}) as client:
        answer = client.post("/retain", json=body).json()
        assert not answer["decision"]["contact"]
        assert answer["reasons"]["constraints"] == [constraint]
        assert answer["reasons"]["only_no_contact"]


def logged(capfd: pytest.CaptureFixture[str]) -> dict[str, Any]:
    """Return the one line that was logged."""
    line: dict[str, Any] = json.loads(capfd.readouterr().err)
    return line


def test_ledger_errors_are_logged_and_not_shown(
    release_dir: UPath, tmp_path: Path, body: dict[str, Any], capfd: pytest.CaptureFixture[str]
) -> None:
    url = f"sqlite:///{tmp_path / 'new.db'}"
    with start(release=str(release_dir), database_url=url) as client:
        response = client.post("/retain", json=body)
    line = logged(capfd)
    assert (line["event"], line["level"]) == ("ledger_unavailable", "error")
    assert "no such table" in line["detail"]
    assert "no such table" not in response.text


def test_bugs_are_logged_and_not_shown(
    release_dir: UPath, sqlite_url: str, body: dict[str, Any], capfd: pytest.CaptureFixture[str]
) -> None:
    def broken(count: int) -> Any:
        raise RuntimeError(f"no {count} random numbers")

    settings = Settings(release=str(release_dir), database_url=sqlite_url)
    app = create_app(settings, clock=Clock(), uniforms=broken)
    with TestClient(app, raise_server_exceptions=False) as client:
        response = client.post("/retain", json=body)
        assert client.get("/readyz").status_code == 200
    assert response.status_code == 500
    assert response.headers["content-type"] == "application/problem+json"
    assert "random numbers" not in response.text
    line = logged(capfd)
    assert line["event"] == "unhandled"
    assert "RuntimeError: no 1 random numbers" in line["exception"]


def test_missing_release_is_logged(
    tmp_path: Path, sqlite_url: str, capfd: pytest.CaptureFixture[str]
) -> None:
    with start(home=tmp_path, database_url=sqlite_url):
        pass
    line = logged(capfd)
    assert line["event"] == "release_unavailable"
    assert "make demo" in line["detail"]


def test_serve_migrates_the_default_ledger(tmp_path: Path, release_dir: UPath) -> None:
    env = {"CHURNSAVER_HOME": str(tmp_path), "CHURNSAVER_RELEASE": str(release_dir)}
    with ServerProcess(tmp_path / "server.log", env):
        pass
    assert (tmp_path / "ledger.db").exists()


def test_command_line(tmp_path: Path, postgres: Callable[[], str]) -> None:
    url = postgres()
    done = cli("migrate", env={"CHURNSAVER_DATABASE_URL": url})
    assert (done.returncode, done.stdout) == (0, "ledger at revision 0004\n")
    database = Database(url)
    assert migrate(database, "base") is None
    database.close()
    wrong = cli("serve", env={"CHURNSAVER_PORT": "many"})
    assert wrong.returncode == 2
    assert "CHURNSAVER_PORT='many'" in wrong.stderr
    assert "Traceback" not in wrong.stderr


@pytest.mark.parametrize("policy", ["one_step", "planner", "ppo", "propensity_threshold"])
def test_pacing_of_the_day(
    several: Release, sqlite_url: str, body: dict[str, Any], policy: str
) -> None:
    """Whatever decides is paced, and its answers say how."""
    settings: dict[str, Any] = {"budget_usd": 4_000.0, "customers": 400, "exploration": 0.0}
    place: dict[str, Any] = {"release": str(several.path), "database_url": sqlite_url}
    with start(**place, **settings, policy=policy) as client:
        assert client.get("/pacing").json() == {"policy": policy, "today": None}
        answer = client.post("/retain", json=body).json()
        today = client.get("/pacing").json()["today"]
        msgspec.convert(today, DayPacing)
        told = ("multiplier", "capacity_price_usd", "belief")
        assert answer["pacing"] == {name: today[name] for name in told}
        assert (today["day"], today["release"]) == ("2026-11-02", several.id)
        assert (today["budget_usd"], today["expected_usd"]) == (4_000.0, 0.0)
        pacing = Pacing(several.pacing, 400)
        assert today["kept"] == pacing.start(Basis(400_000))
        assert today["multiplier"] == pacing.in_force(
            today["kept"], Day(2, 30, 400_000, 0, first=2)
        )
        record = client.get(f"/decisions/{answer['decision_id']}").json()
        assert record["log"]["multiplier"] == today["multiplier"] > 0
        assert record["log"]["belief"] == [0.0, 0.0, 0.0]


def test_no_pacing_without_release(tmp_path: Path, sqlite_url: str) -> None:
    with start(home=tmp_path / "nothing", database_url=sqlite_url) as client:
        response = client.get("/pacing")
        assert response.status_code == 503
        assert "CHURNSAVER_RELEASE" in response.json()["detail"]
