"""What a check says of given values, and inputs it can be given."""

from typing import Any

import dagster as dg
import yaml
from dagster._core.definitions.decorators.op_decorator import DecoratedOpFunction

from churnsaver_assets.defs.data import EXPERIMENT_FILE
from churnsaver_assets.defs.lib.io import Files
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


def other_experiment(graph: Graph, **changes: Any) -> Files:
    """The experiment with other values, as the asset would hold it."""
    files = graph.load("experiment")
    content = yaml.safe_load(files[EXPERIMENT_FILE])
    for path, value in changes.items():
        *parents, last = path.split("__")
        at = content
        for parent in parents:
            at = at[parent]
        at[last] = value
    return files | {EXPERIMENT_FILE: yaml.safe_dump(content).encode()}
