"""Runs the text chain and then the demo: the same release, now with messages of a trained writer.

At the demo profile's scale it shows that the path works; `train_text` trains in earnest.
"""

import sys

from churnsaver_assets.commands import demo, train_text
from churnsaver_assets.commands.setup import Setup, run_command


def body(setup: Setup) -> None:
    """Make the text models and the message bank, then the release and the demo's answers."""
    demo.body(setup, (*demo.TARGETS, *train_text.TARGETS))


def main() -> int:
    """Run the command and return its exit status."""
    return run_command("The demo stopped", body, failures=demo.FAILURES)


if __name__ == "__main__":
    sys.exit(main())
