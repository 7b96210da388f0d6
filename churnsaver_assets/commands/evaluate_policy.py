"""`make evaluate-policy`: the whole evaluation of the decision policies, printed and written."""

import os
import sys
import time
from pathlib import Path
from typing import Any

from dagster import AssetKey, DagsterInstance, Definitions
from rich.console import Console

from churnsaver_assets.commands.graph import GraphFailed, materialise
from churnsaver_assets.decision.evaluation.whole import Inputs, evaluate_whole
from churnsaver_assets.definitions import build_defs
from churnsaver_assets.defs.data import label_of, read_experiment
from churnsaver_assets.defs.lib.simulation import holdout_setting, training_setting
from churnsaver_assets.defs.lib.unsynced import unsynced
from churnsaver_assets.defs.planning import read_budgets
from churnsaver_assets.defs.policy import CURVES_FILE

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


def read_inputs(defs: Definitions, instance: DagsterInstance) -> Inputs:
    """The values of the assets that the evaluation takes."""
    import msgspec

    from churnsaver_assets.decision.ppo.curves import Curves
    from churnsaver_serving.runtime.learned import LearnedPolicy

    value: dict[str, Any] = {
        name: defs.load_asset_value(AssetKey(name), instance=instance) for name in TAKEN
    }
    experiment = read_experiment(value["experiment"])
    environment = value["retention_environment"]
    return Inputs(
        experiment=experiment,
        training=training_setting(environment, experiment),
        holdout=holdout_setting(environment, experiment),
        budgets=read_budgets(value["upper_bound"]),
        policy=LearnedPolicy.from_files(value["ppo_policy"]),
        curves=msgspec.json.decode(value["ppo_policy"][CURVES_FILE], type=Curves),
        baselines=value["baseline_policies"],
        data=label_of(value["telco_customers"]),
    )


def run(console: Console, home: Path) -> None:
    """Bring the assets up to date where they are not, evaluate, print, write.

    Raises:
        GraphFailed: an asset could not be made.
    """
    from churnsaver_assets.decision.evaluation.report import print_evaluation
    from churnsaver_assets.decision.evaluation.results import encode

    start = time.perf_counter()

    def progress(what: str) -> None:
        console.print(f"  {time.perf_counter() - start:5.0f} s  {what}", highlight=False)

    defs = build_defs(
        str(home),
        os.environ.get("CHURNSAVER_EXPERIMENT", ""),
        **({"profile": name} if (name := os.environ.get("CHURNSAVER_PROFILE")) else {}),
    )
    with DagsterInstance.get() as instance:
        graph = defs.resolve_asset_graph()
        keys = {AssetKey(name) for name in TAKEN}
        needed = keys.union(*(graph.get_ancestor_asset_keys(key) for key in keys))
        if unsynced(defs, instance) & needed:
            console.print("[bold]Bringing the graph up to date[/]")
            materialise(defs, instance, console)
        inputs = read_inputs(defs, instance)
    console.print("[bold]Evaluating the policies[/]")
    found = evaluate_whole(inputs, workers=os.cpu_count() or 1, progress=progress)
    print_evaluation(console, found.evaluation, learned=inputs.experiment.evaluation.learned)
    target = home / "policy_evaluation.json"
    target.write_bytes(encode(found.evaluation))
    pictures = home / "policy_evaluation"
    pictures.mkdir(exist_ok=True)
    for name, png in found.pictures.items():
        (pictures / f"{name}.png").write_bytes(png)
    console.print(f"Figures: {target}\nPictures: {pictures}/*.png", highlight=False)


def main() -> int:
    """Entry point; the exit status."""
    console = Console(width=None if sys.stdout.isatty() else _LOG_WIDTH)
    home = Path(os.environ.setdefault("CHURNSAVER_HOME", str(Path(".churnsaver").resolve())))
    home.mkdir(parents=True, exist_ok=True)
    os.environ.setdefault("DAGSTER_HOME", str(Path.cwd()))
    try:
        run(console, home)
    except GraphFailed as error:
        console.print("[bold red]The evaluation stopped:[/bold red]")
        console.print(str(error), markup=False)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
