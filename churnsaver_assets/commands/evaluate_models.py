"""`make evaluate-models`: every figure of the two tabular models, printed and written.

Beside the released models stand what they are compared with: the booster without its calibrator,
rival families, and the acceptance model with the month that it leaves out.
"""

import sys
from collections.abc import Sequence
from typing import Any

import msgspec
from dagster import AssetKey, DagsterInstance
from rich.table import Table

from churnsaver_assets.commands.graph import GraphFailed, materialise, upstream_of
from churnsaver_assets.commands.setup import Setup, run_command
from churnsaver_assets.common.atomic import write_bytes
from churnsaver_assets.data.errors import DataError
from churnsaver_assets.definitions import build_defs
from churnsaver_assets.defs.experiment import read_experiment
from churnsaver_assets.defs.lib.labels import label_of
from churnsaver_assets.defs.lib.unsynced import unsynced
from churnsaver_assets.defs.tabular import SOURCES
from churnsaver_assets.tabular.evaluation import evaluate_model
from churnsaver_assets.tabular.report import Row, base_rate_rows, evaluation_rows, temporal_rows
from churnsaver_assets.tabular.tasks import TASKS
from churnsaver_serving.runtime.scoring.scores import ScoringModel

# Columns where the output is no terminal: the tables are wider than the usual 80.
_LOG_WIDTH = 230


def run(setup: Setup) -> None:
    """Bring models and predictions up to date where they are not, evaluate, print, write.

    Args:
        setup: The console, the home folder and the experiment.

    Raises:
        GraphFailed: an asset could not be made.
    """
    taken = [f"{kind}_{part}" for kind in TASKS for part in ("model", "predictions")]
    taken += ["experiment", *(table for table, _ in SOURCES.values())]
    defs = build_defs(str(setup.home), setup.experiment, setup.profile)
    with DagsterInstance.get() as instance:
        needed = upstream_of(defs, taken)
        if unsynced(defs, instance) & needed:
            setup.console.print("[bold]Bringing the graph up to date[/]")
            materialise(defs, instance, setup.console, only=needed)
        value: dict[str, Any] = {
            name: defs.load_asset_value(AssetKey(name), instance=instance) for name in taken
        }
    experiment = read_experiment(value["experiment"])
    for kind, task in TASKS.items():
        frame = value[SOURCES[kind][0]]
        found = evaluate_model(
            kind,
            ScoringModel.from_files(value[f"{kind}_model"]),
            value[f"{kind}_predictions"],
            frame,
            getattr(experiment, kind),
            experiment.seed,
        )
        setup.console.rule(f"{task.title}, data: {label_of(frame)}")
        _print(setup, "Pooled out-of-fold predictions [95 % interval]", evaluation_rows(found))
        _print(setup, "Base rate by block, in date order", base_rate_rows(found))
        _print(
            setup, "Over time: trained on the past, tested on the next block", temporal_rows(found)
        )
        target = setup.home / f"{kind}_evaluation.json"
        write_bytes(target, msgspec.json.format(msgspec.json.encode(found), indent=2))
        setup.console.print(f"Figures: {target}", highlight=False)


def _print(setup: Setup, title: str, rows: Sequence[Row]) -> None:
    """Print rows of equal columns as a table; nothing where there are none."""
    if not rows:
        return
    table = Table(*rows[0], title=title)
    for row in rows:
        table.add_row(*row.values())
    setup.console.print(table)


def main() -> int:
    """Run the command and return its exit status."""
    return run_command(
        "The evaluation stopped", run, failures=(DataError, GraphFailed), width=_LOG_WIDTH
    )


if __name__ == "__main__":
    sys.exit(main())
