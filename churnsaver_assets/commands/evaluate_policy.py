"""`make evaluate-policy`: the whole evaluation of the decision policies, printed and written.

`--smoke` takes less than a minute: every step runs, on a few customers. Its figures mean nothing.
"""

import argparse
import os
import sys
import time
from functools import partial
from typing import Any

from dagster import AssetKey, DagsterInstance, Definitions

from churnsaver_assets.commands.graph import GraphFailed, materialise, upstream_of
from churnsaver_assets.commands.setup import Setup, run_command
from churnsaver_assets.common.atomic import write_bytes
from churnsaver_assets.data.errors import DataError
from churnsaver_assets.decision.evaluation.whole import EvaluationInputs, evaluate_whole
from churnsaver_assets.definitions import build_defs
from churnsaver_assets.defs.environment import holdout_setting, training_setting
from churnsaver_assets.defs.experiment import read_experiment
from churnsaver_assets.defs.lib.labels import label_of
from churnsaver_assets.defs.lib.unsynced import unsynced
from churnsaver_assets.defs.planning import read_budgets
from churnsaver_assets.defs.policy import CURVES_FILE
from churnsaver_assets.defs.settings.assets import slice_of
from churnsaver_assets.defs.settings.decision import SimulatorSettings

TAKEN = (
    "experiment",
    "telco_customers",
    "retention_environment",
    "upper_bound",
    "baseline_policies",
    "ppo_policy",
)

# Columns where the output is no terminal: the tables are wider than the usual 80.
_LOG_WIDTH = 190

_SMOKE = "[bold red]SMOKE MODE: every step runs, and no figure here means anything.[/]"


def read_inputs(defs: Definitions, instance: DagsterInstance) -> EvaluationInputs:
    """Load the values of the assets that the evaluation takes."""
    import msgspec

    from churnsaver_assets.decision.ppo.curves import LearningCurves
    from churnsaver_serving.runtime.learned import LearnedPolicy

    value: dict[str, Any] = {
        name: defs.load_asset_value(AssetKey(name), instance=instance) for name in TAKEN
    }
    experiment = read_experiment(value["experiment"])
    environment = value["retention_environment"]
    simulator = slice_of(experiment, SimulatorSettings)
    return EvaluationInputs(
        experiment=experiment,
        training=training_setting(environment, simulator),
        holdout=holdout_setting(environment, simulator),
        budgets=read_budgets(value["upper_bound"]),
        policy=LearnedPolicy.from_files(value["ppo_policy"]),
        curves=msgspec.json.decode(value["ppo_policy"][CURVES_FILE], type=LearningCurves),
        baselines=value["baseline_policies"],
        data=label_of(value["telco_customers"]),
    )


def run(setup: Setup, *, smoke: bool = False) -> None:
    """Bring the assets up to date where they are not, evaluate, print, write.

    Args:
        setup: The console, the home folder and the experiment.
        smoke: Evaluate at a size that takes seconds, and write into a folder of its own.

    Raises:
        GraphFailed: an asset could not be made.
    """
    from churnsaver_assets.decision.evaluation.report import print_evaluation
    from churnsaver_assets.decision.evaluation.results import encode
    from churnsaver_assets.decision.evaluation.smoke import shrink

    start, console = time.perf_counter(), setup.console

    def progress(what: str) -> None:
        console.print(f"  {time.perf_counter() - start:5.0f} s  {what}", highlight=False)

    defs = build_defs(str(setup.home), setup.experiment, setup.profile)
    with DagsterInstance.get() as instance:
        needed = upstream_of(defs, TAKEN)
        if unsynced(defs, instance) & needed:
            console.print("[bold]Bringing the graph up to date[/]")
            materialise(defs, instance, console, only=needed)
        inputs = read_inputs(defs, instance)
    folder, workers = setup.home, os.cpu_count() or 1
    if smoke:
        # A process costs seconds to start, more than it saves here.
        inputs, folder, workers = shrink(inputs), setup.home / "smoke", 1
        console.print(_SMOKE)
    console.print("[bold]Evaluating the policies[/]")
    found = evaluate_whole(inputs, workers=workers, progress=progress)
    print_evaluation(console, found.evaluation, learned=inputs.experiment.evaluation.learned)
    target = folder / "policy_evaluation.json"
    write_bytes(target, encode(found.evaluation))
    pictures = target.with_suffix("")
    for name, png in found.pictures.items():
        write_bytes(pictures / f"{name}.png", png)
    console.print(f"Figures: {target}\nPictures: {pictures}/*.png", highlight=False)
    if smoke:
        console.print(_SMOKE)


def main() -> int:
    """Run the command and return its exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--smoke", action="store_true", help="seconds long, figures mean nothing")
    body = partial(run, smoke=parser.parse_args().smoke)
    return run_command(
        "The evaluation stopped", body, failures=(DataError, GraphFailed), width=_LOG_WIDTH
    )


if __name__ == "__main__":
    sys.exit(main())
