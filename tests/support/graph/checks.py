"""Verdicts of checks on given values, and inputs that they can be given."""

from typing import Any

import dagster as dg
import yaml
from dagster._core.definitions.decorators.op_decorator import DecoratedOpFunction

from churnsaver_assets.defs.experiment import EXPERIMENT_FILE
from churnsaver_assets.defs.lib.io import Files
from churnsaver_assets.defs.settings.assets import STAGES, slice_of, stage_files
from churnsaver_assets.experiments.spec import parse_experiment
from tests.support.graph.harness import Graph


def verdict(check: dg.AssetChecksDefinition, *inputs: Any) -> dg.AssetCheckResult:
    """A check's result on these values.

    By its function: called as it is, a check leaves a Dagster instance open behind it.
    """
    function = check.node_def.compute_fn
    assert isinstance(function, DecoratedOpFunction)
    found = function.decorated_fn(*inputs)
    assert isinstance(found, dg.AssetCheckResult)
    return found


def other_settings(graph: Graph, stage: str, **changes: Any) -> Files:
    """The settings of a stage in an experiment with other values, as their asset would hold them.

    Args:
        graph: Has the experiment.
        stage: Name of the settings asset.
        changes: Values by dotted path, with `__` for the dot.
    """
    content = yaml.safe_load(graph.load("experiment")[EXPERIMENT_FILE])
    for path, value in changes.items():
        *parents, last = path.split("__")
        at = content
        for parent in parents:
            at = at[parent]
        at[last] = value
    experiment = parse_experiment(yaml.safe_dump(content).encode())
    return stage_files(slice_of(experiment, STAGES[stage]))
