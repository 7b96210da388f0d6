"""`make train-text`: every text asset at a profile's scale, its figures written to a file."""

import argparse
import os
import sys
import time
from pathlib import Path
from typing import cast

from dagster import AssetKey, DagsterInstance, Definitions
from rich.console import Console

from churnsaver_assets.commands.graph import GraphFailed, materialise
from churnsaver_assets.data.errors import DataError
from churnsaver_assets.definitions import build_defs
from churnsaver_assets.defs.text.bank import BANK_CSV
from churnsaver_assets.defs.text.evaluation import TEXT_EVALUATION_FILE
from churnsaver_assets.experiments.profiles import DEFAULT_PROFILE

TARGETS = ("message_bank", "text_evaluation", "shield_report")

# Columns where the output is no terminal: the tables are wider than the usual 80.
_LOG_WIDTH = 120


def run(console: Console, home: Path, profile: str, report: Path) -> None:
    """Bring the text assets and what they come from up to date; write what was found.

    What was cut goes on where it was: finished assets are reused, a training that was killed
    resumes from its last checkpoint.

    Args:
        console: for the progress.
        home: folder of all state.
        profile: sets the scale.
        report: the evaluation's figures go there; pictures and tables beside it.

    Raises:
        GraphFailed: an asset could not be made, or a blocking check failed.
    """
    defs = build_defs(str(home), os.environ.get("CHURNSAVER_EXPERIMENT", ""), profile)
    with DagsterInstance.get() as instance:
        graph = defs.resolve_asset_graph()
        keys = {AssetKey(name) for name in TARGETS}
        needed = keys.union(*(graph.get_ancestor_asset_keys(key) for key in keys))
        failed: GraphFailed | None = None
        try:
            materialise(defs, instance, console, only=needed)
        except GraphFailed as error:  # a check that failed leaves figures worth having
            failed = error
        if (
            failed is not None
            and instance.get_latest_materialization_event(AssetKey("text_evaluation")) is None
        ):
            raise failed
        evaluation = _files(defs, instance, "text_evaluation")
        bank = _files(defs, instance, "message_bank") if failed is None else {}
    report.parent.mkdir(parents=True, exist_ok=True)
    report.write_bytes(evaluation[TEXT_EVALUATION_FILE])
    beside = report.with_suffix("")
    beside.mkdir(exist_ok=True)
    for name, data in evaluation.items():
        if name != TEXT_EVALUATION_FILE:
            (beside / name).write_bytes(data)
    if BANK_CSV in bank:
        (beside / BANK_CSV).write_bytes(bank[BANK_CSV])
    console.print(f"Figures: {report}\nReport, pictures, messages: {beside}/", highlight=False)
    if failed is not None:
        raise failed


def _files(defs: Definitions, instance: DagsterInstance, name: str) -> dict[str, bytes]:
    return cast("dict[str, bytes]", defs.load_asset_value(AssetKey(name), instance=instance))


def main() -> int:
    """Entry point; the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--report", type=Path, help="file for the evaluation's figures")
    options = parser.parse_args()
    console = Console(width=None if sys.stdout.isatty() else _LOG_WIDTH)
    home = Path(os.environ.setdefault("CHURNSAVER_HOME", str(Path(".churnsaver").resolve())))
    home.mkdir(parents=True, exist_ok=True)
    os.environ.setdefault("DAGSTER_HOME", str(Path.cwd()))
    profile = os.environ.get("CHURNSAVER_PROFILE") or DEFAULT_PROFILE
    start = time.perf_counter()
    console.print(f"[bold]Text models, profile {profile}[/bold]")
    try:
        run(console, home, profile, options.report or home / "text_evaluation.json")
    except (DataError, GraphFailed) as error:
        console.print("[bold red]The training stopped:[/bold red]")
        console.print(str(error), markup=False)
        return 1
    console.print(f"{time.perf_counter() - start:.0f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
