"""Runs a command of Dagster's, or any other, with our home: `... with_home dagster dev`."""

import os
import sys
from pathlib import Path

from churnsaver_assets.commands.setup import SetupFailed, prepare_dagster_home, prepare_home


def main() -> int:
    """Prepare the home folders, then become the command that the arguments name."""
    command = sys.argv[1:]
    if not command:
        sys.stderr.write("expected a command to run, such as: dagster dev --port 3000\n")
        return 2
    try:
        prepare_dagster_home(prepare_home())
    except SetupFailed as error:
        sys.stderr.write(f"{error}\n")
        return 2
    # The environment's own scripts first: this may be run without activating it.
    scripts = str(Path(sys.executable).parent)
    os.environ["PATH"] = os.pathsep.join([scripts, os.environ.get("PATH", os.defpath)])
    try:
        os.execvp(command[0], command)  # noqa: S606 - the command is the caller's own
    except FileNotFoundError:
        sys.stderr.write(f"{command[0]}: no such command in {scripts} or on the PATH\n")
        return 127


if __name__ == "__main__":
    sys.exit(main())
