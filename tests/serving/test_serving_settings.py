"""Settings from the environment."""

from pathlib import Path

import pytest
from upath import UPath

from churnsaver_serving.live.database import Database
from churnsaver_serving.settings import Settings, SettingsError


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
    with pytest.raises(SettingsError, match=r"CHURNSAVER_BUDGET .*CHURNSAVER_BUDGET_USD"):
        Settings.from_env({"CHURNSAVER_BUDGET": "5"})


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
