"""Runs every bench, evaluate and train command for seconds, so that none rots unseen.

Figures printed on the way mean nothing; what counts is that each command comes to its end. The
commands that read a release or a bank take those of the home folder: run it after `demo_text`.
"""

import subprocess
import sys
import time

from churnsaver_assets.commands.setup import Setup, run_command

COMMANDS = (
    ("ops.bench.retain", "--smoke"),
    ("ops.bench.ledger", "--smoke"),
    ("ops.bench.shield", "--smoke"),
    ("ops.bench.policy", "--smoke"),
    ("ops.bench.text", "--smoke"),
    ("churnsaver_assets.commands.evaluate_models",),
    ("churnsaver_assets.commands.evaluate_policy", "--smoke"),
    # All is up to date after `demo_text`: what is tried is the command and what it writes.
    ("churnsaver_assets.commands.train_text",),
)


class SmokeFailed(Exception):
    """Some commands did not come to their end: names them."""


def body(setup: Setup) -> None:
    """Run the commands one after the other, each in a process of its own.

    Raises:
        SmokeFailed: one or more failed; the others were run all the same.
    """
    failed: list[str] = []
    for module, *options in COMMANDS:
        setup.console.rule(f"{module} {' '.join(options)}")
        start = time.perf_counter()
        done = subprocess.run([sys.executable, "-m", module, *options], check=False)
        seconds = time.perf_counter() - start
        setup.console.print(f"{module}: exit {done.returncode} after {seconds:.0f} s")
        if done.returncode:
            failed.append(f"{module} (exit {done.returncode})")
    if failed:
        raise SmokeFailed(", ".join(failed))


def main() -> int:
    """Run the command and return its exit status."""
    return run_command("Not all commands run", body, failures=(SmokeFailed,))


if __name__ == "__main__":
    sys.exit(main())
