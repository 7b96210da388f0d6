"""Where state lies, whatever the folders are called: real processes, as a shell starts them."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support import PYTHON_PATH, ROOT

AWKWARD = "my home %2F?#~ é"
"""What URLs, shells and globs read as something else."""


def run(
    command: list[str], folder: Path, **variables: str | None
) -> subprocess.CompletedProcess[str]:
    """Run a command through `with_home` in a folder, with these variables set or taken away."""
    environment = os.environ | {"PYTHONPATH": PYTHON_PATH, "DAGSTER_DISABLE_TELEMETRY": "1"}
    for name in ("CHURNSAVER_HOME", "DAGSTER_HOME"):
        environment.pop(name, None)
    environment |= {name: value for name, value in variables.items() if value is not None}
    return subprocess.run(
        [sys.executable, "-m", "churnsaver_assets.commands.with_home", *command],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


def homes(done: subprocess.CompletedProcess[str]) -> tuple[Path, Path]:
    """Return `CHURNSAVER_HOME` and `DAGSTER_HOME` as a command saw them."""
    assert done.returncode == 0, done.stderr
    home, records = done.stdout.splitlines()
    return Path(home), Path(records)


PRINT = [
    "python",
    "-c",
    "import os; print(os.environ['CHURNSAVER_HOME']); print(os.environ['DAGSTER_HOME'])",
]


def test_state_is_below_the_current_folder_where_nothing_is_named(tmp_path: Path) -> None:
    folder = tmp_path / "check out"
    folder.mkdir()
    home, records = homes(run(PRINT, folder))
    assert home == folder / ".churnsaver"
    assert records == home / "dagster"
    assert (records / "dagster.yaml").read_bytes() == (ROOT / "dagster.yaml").read_bytes()
    assert [path.name for path in folder.iterdir()] == [".churnsaver"]


def test_a_home_of_any_name_is_the_folder_of_that_name_and_no_other(tmp_path: Path) -> None:
    home, records = homes(run(PRINT, tmp_path, CHURNSAVER_HOME=str(tmp_path / AWKWARD)))
    assert home == tmp_path / AWKWARD
    assert records.resolve() == home / "dagster"
    assert [path.name for path in tmp_path.iterdir()] == [AWKWARD]


def test_a_tilde_is_the_users_folder(tmp_path: Path) -> None:
    home, _ = homes(run(PRINT, tmp_path, HOME=str(tmp_path), CHURNSAVER_HOME="~/state"))
    assert home == tmp_path / "state"
    assert [path.name for path in tmp_path.iterdir()] == ["state"]


def test_dagster_keeps_its_records_in_a_home_of_any_name(tmp_path: Path) -> None:
    """With `?` in a path, Dagster's own SQLite address would end there."""
    home = tmp_path / AWKWARD
    first = run(["dagster", "run", "list"], tmp_path, CHURNSAVER_HOME=str(home))
    assert first.returncode == 0, first.stderr
    assert (home / "dagster" / "history" / "runs.db").is_file()
    assert [path.name for path in tmp_path.iterdir()] == [AWKWARD]


def test_a_shells_own_dagster_home_is_kept_as_it_is(tmp_path: Path) -> None:
    own = tmp_path / "own"
    own.mkdir()
    (own / "dagster.yaml").write_text("telemetry:\n  enabled: false\n")
    _, records = homes(run(PRINT, tmp_path, DAGSTER_HOME=str(own)))
    assert records == own
    assert (own / "dagster.yaml").read_text() == "telemetry:\n  enabled: false\n"


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ({"DAGSTER_HOME": "some/where"}, "DAGSTER_HOME=some/where: expected an absolute path"),
        ({"CHURNSAVER_HOME": "/dev/null/home"}, "/dev/null/home can't be made (Not a directory)"),
    ],
)
def test_a_folder_that_cant_be_used_is_one_sentence(
    tmp_path: Path, variables: dict[str, str], said: str
) -> None:
    done = run(PRINT, tmp_path, **variables)
    assert done.returncode == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_a_link_that_cant_be_made_is_one_sentence(tmp_path: Path) -> None:
    """The link's name is known beforehand; somebody else's folder may be in its place."""
    home = tmp_path / AWKWARD
    variables = {"CHURNSAVER_HOME": str(home), "TMPDIR": str(tmp_path / "temporary")}
    (tmp_path / "temporary").mkdir()
    _, records = homes(run(PRINT, tmp_path, **variables))
    records.unlink()
    records.mkdir()
    done = run(PRINT, tmp_path, **variables)
    assert done.returncode == 2
    assert f"{records} can't be made" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_command_that_isnt_there_is_one_sentence(tmp_path: Path) -> None:
    done = run(["no-such-command"], tmp_path)
    assert done.returncode == 127
    assert "no-such-command: no such command" in done.stderr


def test_dagsters_own_commands_work_without_make_and_without_a_variable(tmp_path: Path) -> None:
    environment = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("CHURNSAVER_", "DAGSTER_"))
    }
    done = subprocess.run(
        [
            Path(sys.executable).with_name("dagster"),
            *("definitions", "validate", "-m", "churnsaver_assets.definitions"),
        ],
        cwd=tmp_path,
        env=environment | {"PYTHONPATH": PYTHON_PATH, "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "All code locations passed validation" in done.stdout + done.stderr
