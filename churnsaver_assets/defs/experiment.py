"""The experiment asset: the one file that every setting comes from."""

from typing import Final

from dagster import MaterializeResult, MetadataValue, asset

from churnsaver_assets.defs.lib.io import Files
from churnsaver_assets.defs.lib.resources import ExperimentFile
from churnsaver_assets.defs.lib.versions import code_version, files_version
from churnsaver_assets.experiments.spec import Experiment, parse_experiment

EXPERIMENT_FILE: Final = "experiment.yaml"


@asset(
    group_name="experiment",
    kinds={"yaml"},
    owners=["team:growth"],
    code_version=code_version(__name__, "experiment"),
    io_manager_key="files",
)
def experiment(experiment_file: ExperimentFile) -> MaterializeResult[Files]:
    """Read the experiment file: seeds, hyperparameters, assumptions, rules and gates.

    The settings assets take from it what each stage reads.
    """
    source = experiment_file.read()
    parsed = parse_experiment(source, where=experiment_file.path or "packaged experiment")
    files = {EXPERIMENT_FILE: source}
    return MaterializeResult(
        value=files,
        data_version=files_version(files),
        metadata={
            "name": parsed.name,
            "seed": parsed.seed,
            "file": MetadataValue.md(f"```yaml\n{source.decode()}\n```"),
        },
    )


def read_experiment(files: Files) -> Experiment:
    """Read the typed experiment in the `experiment` asset's value."""
    return parse_experiment(files[EXPERIMENT_FILE])
