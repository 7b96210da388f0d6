"""The beginning of every command: console, home folder, Dagster's home, experiment and profile."""

import hashlib
import os
import shutil
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from churnsaver_assets.experiments.profiles import DEFAULT_PROFILE
from churnsaver_serving.settings import HOME_VARIABLE, SettingsError, home_folder

DAGSTER_VARIABLE = "DAGSTER_HOME"

_CHECKOUT = Path(__file__).resolve().parents[2]
_CONFIG = "dagster.yaml"
# Dagster puts its folder into SQLite URLs as it is; there these stand for something else.
_NOT_IN_URLS = frozenset("?#%")
# Columns where the output is no terminal: the tables are wider than the usual 80.
_LOG_WIDTH = 120


class SetupFailed(Exception):
    """The environment names something that can't be used: says which variable, and what to do."""


@dataclass(frozen=True, slots=True)
class Setup:
    """What a command works with.

    Attributes:
        console: The terminal, or the log that stands in for it.
        home: The folder of all state, absolute.
        experiment: The path of the experiment file; empty for the packaged default.
        profile: The name of the profile, which sets scale and hardware.
    """

    console: Console
    home: Path
    experiment: str
    profile: str


def set_up(*, width: int = _LOG_WIDTH) -> Setup:
    """Prepare the console, the home folder and Dagster's home, and read what to run.

    The environment is changed: `CHURNSAVER_HOME` and `DAGSTER_HOME` are absolute afterwards, so
    that processes started from here, in whichever folder, mean the same.

    Args:
        width: Columns of the console where the output is no terminal.

    Raises:
        SetupFailed: a folder can't be made or written to.
    """
    home = prepare_home()
    prepare_dagster_home(home)
    return Setup(
        console=Console(width=None if sys.stdout.isatty() else width),
        home=home,
        experiment=os.environ.get("CHURNSAVER_EXPERIMENT", ""),
        profile=os.environ.get("CHURNSAVER_PROFILE") or DEFAULT_PROFILE,
    )


def prepare_home() -> Path:
    """Make the folder of all state and write its absolute path back into the environment.

    Returns:
        The folder that `CHURNSAVER_HOME` names, `~` expanded; `.churnsaver` where it names none.

    Raises:
        SetupFailed: it can't be made, or is a file.
    """
    try:
        home = Path(os.path.abspath(home_folder(os.environ)))  # noqa: PTH100 - links stay as named
    except SettingsError as error:
        raise SetupFailed(str(error)) from error
    _make(home, HOME_VARIABLE)
    os.environ[HOME_VARIABLE] = str(home)
    return home


def prepare_dagster_home(home: Path) -> Path:
    """Make the folder of Dagster's own records and write it into the environment.

    A `DAGSTER_HOME` that the shell has is kept, with whatever configuration lies there. Otherwise
    it is `dagster` in the home folder, with a copy of the checkout's `dagster.yaml`.

    Args:
        home: The folder of all state, absolute.

    Returns:
        The folder, as Dagster is told of it.

    Raises:
        SetupFailed: it can't be made, or the shell's is no absolute path.
    """
    if named := os.environ.get(DAGSTER_VARIABLE):
        own = Path(named).expanduser()
        if not own.is_absolute():
            raise SetupFailed(
                f"{DAGSTER_VARIABLE}={named}: expected an absolute path; unset it to keep "
                f"Dagster's records in {home / 'dagster'}"
            )
        _make(own, DAGSTER_VARIABLE)
        os.environ[DAGSTER_VARIABLE] = str(own)
        return own
    folder = home / "dagster"
    _make(folder, HOME_VARIABLE)
    for place in (Path.cwd(), _CHECKOUT):
        if (place / _CONFIG).is_file():
            shutil.copyfile(place / _CONFIG, folder / _CONFIG)
            break
    told = _link_to(folder) if _NOT_IN_URLS & set(str(folder)) else folder
    os.environ[DAGSTER_VARIABLE] = str(told)
    return told


def run_command(
    stopped: str,
    body: Callable[[Setup], None],
    *,
    failures: tuple[type[Exception], ...],
    width: int = _LOG_WIDTH,
) -> int:
    """Run a command's body; say in a sentence why it stopped, where it did.

    Args:
        stopped: What is said before the reason, such as "The demo stopped".
        body: The command itself.
        failures: The exceptions whose message is for people. Any other is a fault of ours and
            shows its traceback.
        width: Columns of the console where the output is no terminal.

    Returns:
        The exit status.
    """
    try:
        setup = set_up(width=width)
    except SetupFailed as error:
        sys.stderr.write(f"{stopped}: {error}\n")
        return 2
    try:
        body(setup)
    except failures as error:
        setup.console.print(f"[bold red]{stopped}:[/] {type(error).__name__}")
        setup.console.print(str(error), markup=False)
        return 1
    return 0


def _make(folder: Path, variable: str) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SetupFailed(
            f"{folder} can't be made ({error.strerror}); name a folder that you may write to in "
            f"{variable}"
        ) from error


def _link_to(folder: Path) -> Path:
    """Link a folder from a place whose path Dagster's SQLite URLs can carry.

    The records stay in the folder; only the path that Dagster is told of is the link's.

    Raises:
        SetupFailed: the link can't be made.
    """
    name = hashlib.sha256(str(folder).encode()).hexdigest()[:16]
    link = Path(tempfile.gettempdir()) / f"churnsaver-dagster-{os.getuid()}-{name}"
    try:
        if not (link.is_symlink() and link.readlink() == folder):
            link.unlink(missing_ok=True)
            link.symlink_to(folder, target_is_directory=True)
    except OSError as error:
        raise SetupFailed(
            f"{link} can't be made ({error.strerror}), by which Dagster reaches {folder}; name a "
            f"home without {' '.join(sorted(_NOT_IN_URLS))} in {HOME_VARIABLE}, or set "
            f"{DAGSTER_VARIABLE}"
        ) from error
    return link
