"""`make evaluate-policy`: every policy as it is served, over worlds, months, budgets and truths.

`--quick` takes three minutes, `--smoke` less than one: every step runs, on fewer customers and
lives; the figures of `--smoke` mean nothing. What is cut goes on where it was.
"""

import argparse
import os
import sys
import time
from datetime import date, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

from dagster import AssetKey, DagsterInstance, Definitions
from rich.console import Console

from churnsaver_assets.commands.graph import GraphFailed, materialise, upstream_of
from churnsaver_assets.commands.setup import Setup, run_command
from churnsaver_assets.common.atomic import write_bytes
from churnsaver_assets.data.errors import DataError
from churnsaver_assets.definitions import build_defs
from churnsaver_assets.defs.environment import training_setting
from churnsaver_assets.defs.experiment import read_experiment
from churnsaver_assets.defs.lib.field import evaluation_inputs
from churnsaver_assets.defs.lib.labels import label_of
from churnsaver_assets.defs.lib.unsynced import unsynced
from churnsaver_assets.defs.lib.versions import code_version
from churnsaver_assets.defs.pacing import read_pacing
from churnsaver_assets.defs.settings.assets import slice_of
from churnsaver_assets.defs.settings.decision import EvaluationSettings
from churnsaver_assets.experiments.baselines_spec import BaselinesSpec

if TYPE_CHECKING:
    from churnsaver_assets.decision.evaluation.results import PolicyEvaluation
    from churnsaver_assets.decision.evaluation.trained import Workshop
    from churnsaver_assets.decision.evaluation.whole import EvaluationInputs
    from churnsaver_serving.runtime.engine.release import Release

Size = Literal["full", "quick", "smoke"]

TAKEN = (
    "experiment",
    "telco_customers",
    "retention_environment",
    "simulated_truth",
    "upper_bound",
    "baseline_policies",
    "ppo_policy",
    "pacing_rule",
    "contact_holidays",
)

# Columns where the output is no terminal: lines are wider than the usual 80.
_LOG_WIDTH = 160
_SMOKE = "[bold red]SMOKE MODE: every step runs, and no figure here means anything.[/]"
_CODE = (
    "churnsaver_assets.decision.evaluation.cells.jobs",
    "churnsaver_assets.decision.evaluation.trained",
)
_ASKED_CUSTOMERS, _MULTIPLIERS = 400, (0.0, 1.0)


def load_values(defs: Definitions, instance: DagsterInstance) -> dict[str, Any]:
    """Load the values of the assets that the evaluation takes."""
    return {name: defs.load_asset_value(AssetKey(name), instance=instance) for name in TAKEN}


def prepared(values: dict[str, Any], size: Size, workshop: "Workshop") -> "EvaluationInputs":
    """Build the inputs, with baselines tuned to each table and further training seeds.

    Args:
        values: Values of the assets in `TAKEN`.
        size: How much is played.
        workshop: Where tuning and training are done.
    """
    from dataclasses import replace

    from churnsaver_assets.decision.evaluation.contenders import Same, tuned_baselines
    from churnsaver_assets.decision.evaluation.trained import Training
    from churnsaver_assets.decision.simulator.cohort_files import read_cohort

    experiment = read_experiment(values["experiment"])
    settings = slice_of(experiment, EvaluationSettings)
    spec, chosen = settings.evaluation, getattr(settings.evaluation, size)
    inputs = evaluation_inputs(
        settings,
        chosen,
        environment=values["retention_environment"],
        bounds=values["upper_bound"],
        policy=values["ppo_policy"],
        pacing=values["pacing_rule"],
        holidays=values["contact_holidays"],
        data=label_of(values["telco_customers"]),
    )
    training = Training(
        setting=training_setting(values["retention_environment"], settings),
        assumptions=settings.assumptions,
        baselines=_tuned_with(experiment.baselines, chosen.tuning_customers),
        policy=experiment.policy,
        files=values["baseline_policies"],
        pacing=read_pacing(values["pacing_rule"]),
        new_share=spec.new_share,
        seed=settings.seed,
    )
    tuned = workshop.tuned(training, inputs.grid.conditions())
    served = [one for one in inputs.ground.contenders if one.name != spec.today]
    again = {
        f"ppo_seed_{seed}": Same(f"ppo_seed_{seed}", "learned", policy)
        for seed, policy in workshop.trained(training, chosen.training_seeds).items()
    }
    shown = (*served, *tuned_baselines(tuned, spec.today))
    ground = replace(
        inputs.ground,
        truth=read_cohort(values["simulated_truth"], "holdout"),
        contenders=(*shown, *again.values()),
    )
    grid = replace(
        inputs.grid,
        contenders=tuple(one.name for one in shown),
        truths=("model", "other_family"),
        seeds={"ppo": tuple(again)} if again else {},
    )
    return replace(inputs, ground=ground, grid=grid)


def _tuned_with(spec: BaselinesSpec, customers: int | None) -> BaselinesSpec:
    """Return the baselines' settings with another number of customers to tune with."""
    if customers is None:
        return spec
    tuning = spec.tuning.model_copy(update={"customers": customers})
    return spec.model_copy(update={"tuning": tuning})


def contact_shares(release: "Release", customers: Any, year: date) -> dict[str, dict[str, float]]:  # noqa: ANN401 - a data frame
    """Return the share of some customers that a release contacts, by multiplier and day of a year.

    Args:
        release: The release that is served.
        customers: The canonical Telco table.
        year: First of the days.
    """
    from churnsaver_assets.data.profiles import profile_of
    from churnsaver_assets.decision.evaluation.contact_share import contact_share
    from churnsaver_serving.runtime.customer import ContactHistory, Customer

    step = max(len(customers) // _ASKED_CUSTOMERS, 1)
    asked = [
        Customer(str(row["customer_id"]), profile_of(row), "cellular", ContactHistory())
        for row in customers.iloc[::step].head(_ASKED_CUSTOMERS).to_dict("records")
    ]
    days = [year + timedelta(days=day) for day in range(365)]
    return {
        f"{multiplier:g}": {
            day.isoformat(): share
            for day, share in contact_share(release, asked, multiplier, days).items()
        }
        for multiplier in _MULTIPLIERS
    }


def run(setup: Setup, *, size: Size = "full") -> None:
    """Bring the assets up to date where they are not, evaluate, print, write.

    Args:
        setup: The console, the home folder and the experiment.
        size: How much is played.

    Raises:
        GraphFailed: an asset could not be made.
    """
    from dataclasses import replace

    from churnsaver_assets.common.fingerprint import fingerprint
    from churnsaver_assets.decision.evaluation.cells.jobs import processes
    from churnsaver_assets.decision.evaluation.trained import Workshop
    from churnsaver_assets.decision.evaluation.whole import Run, evaluate
    from churnsaver_assets.defs.lib.versions import files_version

    start, console = time.perf_counter(), setup.console

    def progress(what: str) -> None:
        console.print(f"  {time.perf_counter() - start:5.0f} s  {what}", highlight=False)

    defs = build_defs(str(setup.home), setup.experiment, setup.profile)
    with DagsterInstance.get() as instance:
        needed = upstream_of(defs, TAKEN)
        if unsynced(defs, instance) & needed:
            console.print("[bold]Bringing the graph up to date[/]")
            materialise(defs, instance, console, only=needed)
        values = load_values(defs, instance)
    if size == "smoke":
        console.print(_SMOKE)
    console.print("[bold]Evaluating the policies[/]")
    # Of all that is taken, the customers' table alone reaches no cell: it is asked about by day.
    taken = [files_version(values[name]).value for name in TAKEN if name != "telco_customers"]
    mark = fingerprint([code_version(module) for module in _CODE], taken)
    kept = setup.home / "evaluation" / size
    with processes(os.cpu_count() or 1) as pool:
        workshop = Workshop(pool, kept, mark, progress)
        inputs = prepared(values, size, workshop)
        release = _served(setup)
        if release is None:
            progress("no release yet: what it contacts by day is left out")
        else:
            year = inputs.grid.spec.start_on
            progress("what the release contacts by day")
            shares = contact_shares(release, values["telco_customers"], year)
            inputs = replace(inputs, contact_share=shares)
        found = evaluate(inputs, Run(pool, kept, mark, progress))
    _write(setup, found, size, console)
    progress("done")


def _served(setup: Setup) -> "Release | None":
    """Load the release that the home folder serves, if it has one."""
    from upath import UPath

    from churnsaver_serving.runtime.engine.release import load_release

    releases = UPath(setup.home) / "releases"
    pointer = releases / "CURRENT"
    if not pointer.exists():
        return None
    return load_release(releases / pointer.read_text(encoding="utf-8").strip())


def _write(setup: Setup, found: "PolicyEvaluation", size: Size, console: Console) -> None:
    from churnsaver_assets.decision.evaluation.report import evaluation_markdown, headline
    from churnsaver_assets.decision.evaluation.results import encode

    folder = setup.home if size == "full" else setup.home / size
    target = folder / "policy_evaluation.json"
    write_bytes(target, encode(found))
    write_bytes(target.with_suffix(".md"), evaluation_markdown(found).encode())
    pictures = target.with_suffix("")
    for name, png in _pictures(found).items():
        write_bytes(pictures / f"{name}.png", png)
    for line in headline(found):
        console.print(line, highlight=False, markup=False)
    console.print(
        f"Figures: {target}\nTables: {target.with_suffix('.md')}\nPictures: {pictures}/*.png",
        highlight=False,
    )
    if size == "smoke":
        console.print(_SMOKE)


def _pictures(found: "PolicyEvaluation") -> dict[str, bytes]:
    from churnsaver_assets.decision.evaluation.pictures.served_plots import days_png, months_png
    from churnsaver_assets.decision.evaluation.pictures.world_plots import (
        prior_png,
        tornado_png,
        wrong_worlds_png,
    )

    pictures = {"months": months_png(found), "days": days_png(found), "prior": prior_png(found)}
    if found.tornado:
        pictures["tornado"] = tornado_png(found)
    if found.misspecified:
        pictures["wrong_worlds"] = wrong_worlds_png(found)
    return pictures


def main() -> int:
    """Run the command and return its exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    sizes = parser.add_mutually_exclusive_group()
    sizes.add_argument("--quick", action="store_true", help="three minutes")
    sizes.add_argument("--smoke", action="store_true", help="seconds long, figures mean nothing")
    options = parser.parse_args()
    size: Size = "smoke" if options.smoke else "quick" if options.quick else "full"
    return run_command(
        "The evaluation stopped",
        partial(run, size=size),
        failures=(DataError, GraphFailed),
        width=_LOG_WIDTH,
    )


if __name__ == "__main__":
    sys.exit(main())
