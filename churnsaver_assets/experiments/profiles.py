"""Profiles: scale and hardware, which differ between machines; never what is being learnt."""

from collections.abc import Iterator, Mapping
from importlib import resources
from typing import Any

import yaml

from churnsaver_assets.experiments.spec import Experiment, ExperimentError
from churnsaver_assets.experiments.strict import Strict, Varies

DEFAULT_PROFILE = "demo"


def _marked(kind: type[Strict], above: str = "") -> Iterator[str]:
    """Find the dotted paths of a spec's fields that vary between machines, its parts' too."""
    for name, field in kind.model_fields.items():
        path = f"{above}{name}"
        if any(isinstance(one, Varies) for one in field.metadata):
            yield path
        elif isinstance(field.annotation, type) and issubclass(field.annotation, Strict):
            yield from _marked(field.annotation, f"{path}.")


SCALE_AND_HARDWARE = frozenset(_marked(Experiment))
"""All that a profile may set, as dotted paths in the experiment file."""


def profile_source(name: str) -> bytes:
    """Read a packaged profile.

    Raises:
        ExperimentError: There is no such profile.
    """
    folder = resources.files("churnsaver_assets.experiments") / "profiles"
    known = sorted(
        entry.name.removesuffix(".yaml")
        for entry in folder.iterdir()
        if entry.name.endswith(".yaml")
    )
    if name not in known:
        raise ExperimentError(f"profile {name!r}: unknown; expected one of {known}")
    return (folder / f"{name}.yaml").read_bytes()


def apply_profile(experiment: bytes, profile: bytes, *, where: str = "profile") -> bytes:
    """Put a profile's values in the place of an experiment file's own.

    An empty profile leaves the file as it is, comments and all.

    Args:
        experiment: The experiment file.
        profile: A mapping from dotted paths to values.
        where: Name of the profile in errors.

    Raises:
        ExperimentError: Not such a mapping, a path that is neither scale nor hardware, or one
            that the experiment file doesn't have.
    """
    try:
        overrides: Any = yaml.safe_load(profile) or {}
        content: Any = yaml.safe_load(experiment)
    except yaml.YAMLError as error:
        raise ExperimentError(f"{where}: {error}") from error
    if not isinstance(overrides, Mapping):
        raise ExperimentError(f"{where}: expected 'path: value' lines, found {overrides!r}")
    if foreign := sorted(str(path) for path in set(overrides) - SCALE_AND_HARDWARE):
        raise ExperimentError(
            f"{where}: {', '.join(foreign)}: a profile sets scale and hardware alone, which are "
            f"{', '.join(sorted(SCALE_AND_HARDWARE))}"
        )
    if not overrides:
        return experiment
    for path, value in overrides.items():
        *parents, last = path.split(".")
        at = content
        for parent in parents:
            at = at.get(parent) if isinstance(at, dict) else None
        if not isinstance(at, dict) or last not in at:
            raise ExperimentError(f"{where}: {path}: the experiment file has no such key")
        at[last] = value
    return yaml.safe_dump(content, sort_keys=False).encode()
