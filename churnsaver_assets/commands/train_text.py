"""Trains every text model at a profile's scale and writes the figures to a file."""

import argparse
import os
import sys
import time
from pathlib import Path
from typing import cast

from dagster import AssetKey, DagsterInstance, Definitions

from churnsaver_assets.commands.graph import GraphFailed, materialise, upstream_of
from churnsaver_assets.commands.setup import (
    Setup,
    SetupFailed,
    prepare_home,
    run_command,
)
from churnsaver_assets.common.atomic import write_bytes
from churnsaver_assets.data.errors import DataError
from churnsaver_assets.definitions import build_defs
from churnsaver_assets.defs.text.bank import BANK_CSV
from churnsaver_assets.defs.text.evaluation import TEXT_EVALUATION_FILE
from churnsaver_serving.settings import HOME_VARIABLE

TARGETS = ("message_bank", "text_evaluation", "shield_report")


def run(setup: Setup, report: Path) -> None:
    """Bring the text assets and what they come from up to date; write what was found.

    What was cut goes on where it was: finished assets are reused, a training that was killed
    resumes from its last checkpoint.

    Args:
        setup: The console, the home folder and what to run.
        report: The file for the evaluation's figures; pictures and tables go beside it.

    Raises:
        GraphFailed: an asset could not be made, or a blocking check failed.
    """
    defs = build_defs(str(setup.home), setup.experiment, setup.profile)
    with DagsterInstance.get() as instance:
        failed: GraphFailed | None = None
        try:
            materialise(defs, instance, setup.console, only=upstream_of(defs, TARGETS))
        except GraphFailed as error:  # a check that failed leaves figures worth having
            failed = error
        if (
            failed is not None
            and instance.get_latest_materialization_event(AssetKey("text_evaluation")) is None
        ):
            raise failed
        evaluation = _files(defs, instance, "text_evaluation")
        bank = _files(defs, instance, "message_bank") if failed is None else {}
    write_bytes(report, evaluation[TEXT_EVALUATION_FILE])
    beside = report.with_suffix("")
    for name, data in evaluation.items():
        if name != TEXT_EVALUATION_FILE:
            write_bytes(beside / name, data)
    if BANK_CSV in bank:
        write_bytes(beside / BANK_CSV, bank[BANK_CSV])
    setup.console.print(
        f"Figures: {report}\nReport, pictures, messages: {beside}/", highlight=False
    )
    if failed is not None:
        raise failed


def _files(defs: Definitions, instance: DagsterInstance, name: str) -> dict[str, bytes]:
    return cast("dict[str, bytes]", defs.load_asset_value(AssetKey(name), instance=instance))


def main() -> int:
    """Run the command and return its exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--report", type=Path, help="file for the evaluation's figures")
    parser.add_argument(
        "--profile",
        help="profile to train at, in a folder of that name in the home: what took an hour isn't "
        "replaced by the next demo; by default CHURNSAVER_PROFILE, in the home itself",
    )
    options = parser.parse_args()
    try:
        top = prepare_home()
    except SetupFailed as error:
        parser.error(str(error))
    if options.profile:
        os.environ[HOME_VARIABLE] = str(top / options.profile)
        os.environ["CHURNSAVER_PROFILE"] = options.profile

    def body(setup: Setup) -> None:
        start = time.perf_counter()
        setup.console.print(f"[bold]Text models, profile {setup.profile}[/bold]")
        run(setup, options.report or top / "text_evaluation.json")
        setup.console.print(f"{time.perf_counter() - start:.0f} s")

    return run_command("The training stopped", body, failures=(DataError, GraphFailed))


if __name__ == "__main__":
    sys.exit(main())
