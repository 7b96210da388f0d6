"""The mechanism of settings: a typed part of the experiment for each stage, read by name.

Every part comes straight from the `experiment` asset, so a changed value makes stale what reads it
and nothing else, and the graph shows every arrow from the experiment to what depends on it.
"""

from dataclasses import dataclass
from typing import Annotated, Final, TypeVar

from churnsaver_assets.defs.lib.io import Files
from churnsaver_assets.experiments.strict import Strict

SETTINGS_FILE: Final = "settings.json"

StageSettings = TypeVar("StageSettings", bound=Strict)


@dataclass(frozen=True, slots=True)
class At:
    """Where in the experiment the value of a field stands.

    A field whose type is a base class of the value's takes that part of the value alone.

    Attributes:
        path: Names of attributes of `Experiment`, with dots between them.
    """

    path: str


Seed = Annotated[int, At("seed")]


def read_stage(files: Files, kind: type[StageSettings]) -> StageSettings:
    """Read the settings in a settings asset's value.

    Args:
        files: The asset's value.
        kind: The type that the stage declares.

    Raises:
        pydantic.ValidationError: The value is another stage's.
    """
    return kind.model_validate_json(files[SETTINGS_FILE])
