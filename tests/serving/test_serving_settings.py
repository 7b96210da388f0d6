"""Settings from the environment."""

from pathlib import Path

import pytest
from upath import UPath

from churnsaver_serving.live.store.database import Database
from churnsaver_serving.live.store.schema import migrate
from churnsaver_serving.settings import (
    Settings,
    SettingsError,
    home_folder,
    service_variables,
    sqlite_url,
)

# As Kubernetes sets them for services named churnsaver (with a named port) and churnsaver-db.
OF_SERVICES = {
    "CHURNSAVER_PORT": "tcp://10.0.0.1:8000",
    "CHURNSAVER_SERVICE_HOST": "10.0.0.1",
    "CHURNSAVER_SERVICE_PORT": "8000",
    "CHURNSAVER_SERVICE_PORT_HTTP": "8000",
    "CHURNSAVER_PORT_8000_TCP": "tcp://10.0.0.1:8000",
    "CHURNSAVER_PORT_8000_TCP_PROTO": "tcp",
    "CHURNSAVER_PORT_8000_TCP_PORT": "8000",
    "CHURNSAVER_PORT_8000_TCP_ADDR": "10.0.0.1",
    "CHURNSAVER_DB_SERVICE_HOST": "fd00::1",
    "CHURNSAVER_DB_PORT": "tcp://[fd00::1]:5432",
    "CHURNSAVER_DB_PORT_5432_TCP": "tcp://[fd00::1]:5432",
}


def test_defaults() -> None:
    settings = Settings.from_env({"PATH": "/bin", "CHURNSAVER_DATA": "x", "CHURNSAVER_HOST": ""})
    assert settings == Settings()
    assert settings.ledger_url() == "sqlite:///.churnsaver/ledger.db"


def test_every_setting_has_a_variable() -> None:
    settings = Settings.from_env(
        {
            "CHURNSAVER_HOME": "/srv",
            "CHURNSAVER_RELEASE": "gs://bucket/releases/abc",
            "CHURNSAVER_DATABASE_URL": "postgresql://host/ledger",
            "CHURNSAVER_ALLOW_SAMPLE": "1",
            "CHURNSAVER_POLICY": "one_step",
            "CHURNSAVER_FORCE_BASELINE": "true",
            "CHURNSAVER_BUDGET_USD": "12.5",
            "CHURNSAVER_CUSTOMERS": "500",
            "CHURNSAVER_DAILY_CAPACITY": "7",
            "CHURNSAVER_EXPLORATION": "0.1",
            "CHURNSAVER_LIVE_MODEL": "/srv/models/writer",
            "CHURNSAVER_LIVE_DEADLINE_S": "0.5",
            "CHURNSAVER_MAX_BODY_BYTES": "2048",
            "CHURNSAVER_MAX_BATCH": "8",
            "CHURNSAVER_MAX_QUEUE": "9",
            "CHURNSAVER_REQUEST_DEADLINE_S": "2",
            "CHURNSAVER_LOG_LEVEL": "error",
            "CHURNSAVER_HOST": "0.0.0.0",
            "CHURNSAVER_PORT": "80",
        }
    )
    assert settings == Settings(
        home=Path("/srv"),
        release="gs://bucket/releases/abc",
        database_url="postgresql://host/ledger",
        allow_sample=True,
        policy="one_step",
        force_baseline=True,
        budget_usd=12.5,
        customers=500,
        daily_capacity=7,
        exploration=0.1,
        live_model=Path("/srv/models/writer"),
        live_deadline_s=0.5,
        max_body_bytes=2048,
        max_batch=8,
        max_queue=9,
        request_deadline_s=2.0,
        log_level="error",
        host="0.0.0.0",
        port=80,
    )


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("CHURNSAVER_PORT", "http"),
        ("CHURNSAVER_PORT", "-1"),
        ("CHURNSAVER_ALLOW_SAMPLE", "maybe"),
        ("CHURNSAVER_BUDGET_USD", "nan"),
        ("CHURNSAVER_BUDGET_USD", "inf"),
        ("CHURNSAVER_BUDGET_USD", "-5"),
        ("CHURNSAVER_EXPLORATION", "1.5"),
        ("CHURNSAVER_LOG_LEVEL", "loud"),
        ("CHURNSAVER_MAX_BATCH", "0"),
        ("CHURNSAVER_REQUEST_DEADLINE_S", "0"),
        ("CHURNSAVER_LIVE_DEADLINE_S", "0"),
    ],
)
def test_wrong_values_name_the_variable(variable: str, value: str) -> None:
    with pytest.raises(SettingsError, match=f"{variable}='{value}': "):
        Settings.from_env({variable: value})


def test_unknown_variables_name_the_known_ones() -> None:
    wanted = r"CHURNSAVER_BUDGET is no setting; did you mean CHURNSAVER_BUDGET_USD\?; known are "
    with pytest.raises(SettingsError, match=wanted):
        Settings.from_env({"CHURNSAVER_BUDGET": "5"})


def test_what_kubernetes_says_of_services_is_no_setting() -> None:
    assert service_variables(OF_SERVICES | {"CHURNSAVER_HOST": "0.0.0.0"}) == sorted(OF_SERVICES)
    assert Settings.from_env(OF_SERVICES | {"CHURNSAVER_HOST": "0.0.0.0"}) == Settings(
        host="0.0.0.0", port=8000
    )


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("CHURNSAVER_PORT", "8080/tcp"),
        ("CHURNSAVER_PORT", "http://10.0.0.1:8000"),
        ("CHURNSAVER_DB_PORT", "5432"),
        ("CHURNSAVER_SERVICE", "10.0.0.1"),
        ("CHURNSAVER_PORT_TCP", "tcp://10.0.0.1:8000"),
    ],
)
def test_other_forms_stay_errors(variable: str, value: str) -> None:
    assert not service_variables({variable: value})
    with pytest.raises(SettingsError, match=variable):
        Settings.from_env({variable: value})


def test_a_tilde_is_the_home_directory(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    given = {
        "CHURNSAVER_HOME": "~/state",
        "CHURNSAVER_RELEASE": "~/r",
        "CHURNSAVER_LIVE_MODEL": "~",
    }
    settings = Settings.from_env(given)
    assert settings.home == home_folder(given) == tmp_path / "state"
    assert settings.release_directory() == UPath(tmp_path / "r")
    assert settings.live_model == tmp_path
    with pytest.raises(SettingsError, match=r"CHURNSAVER_HOME='~nobody-here/x': .*in full"):
        Settings.from_env({"CHURNSAVER_HOME": "~nobody-here/x"})


@pytest.mark.parametrize(
    "name", ["a%2Fb", "a?b=c", "a#b", "two words", "~", "Zoë", "100%", "a&b;c", "a@b:c", "'", "[x]"]
)
def test_the_ledger_lies_in_the_folder_of_that_very_name(tmp_path: Path, name: str) -> None:
    (tmp_path / name).mkdir()
    database = Database(sqlite_url(tmp_path / name / "ledger.db"))
    migrate(database)
    database.close()
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert (tmp_path / name / "ledger.db").is_file()


def test_release_by_name_and_by_pointer(tmp_path: Path) -> None:
    assert Settings(release="memory://r/abc").release_directory() == UPath("memory://r/abc")
    (tmp_path / "releases").mkdir()
    (tmp_path / "releases" / "CURRENT").write_text("abc\n")
    found = Settings(home=tmp_path).release_directory()
    assert found == UPath(tmp_path / "releases" / "abc")


@pytest.mark.parametrize(
    "url", ["sqlite://", "sqlite:///:memory:", "mysql://host/db", "not a url", "ledger.db"]
)
def test_ledgers_that_would_not_last(url: str) -> None:
    with pytest.raises(ValueError, match="database_url"):
        Database(url)
