"""Settings changed for one run: a Dagster config for each stage, generated from its type.

In the launchpad every setting of a stage can be given another value; what is left out stays as in
the experiment file. Unknown names are refused by Dagster, values out of range by the stage's type.
"""

import inspect
import re
import types
from collections.abc import Mapping
from datetime import date
from enum import Enum
from typing import Any, Literal, Union, cast, get_args, get_origin, get_type_hints

import msgspec
from dagster import Config
from pydantic import BaseModel, Field, create_model

from churnsaver_assets.defs.settings.stage import StageSettings

_SCALARS = (bool, int, float, str)


def config_of(kind: type[BaseModel] | type[msgspec.Struct]) -> type[Config]:
    """Generate the config of a type of settings: its fields, each of which may be left out.

    Args:
        kind: A stage's settings, or a part of them.
    """
    said = _attributes(kind)
    fields: dict[str, Any] = {
        name: (
            _config_type(kind_of_field, name) | None,
            Field(default=None, description=said.get(name)),
        )
        for name, kind_of_field in _fields(kind).items()
    }
    return cast("type[Config]", create_model(f"{kind.__name__}Config", __base__=Config, **fields))


def given(config: Config) -> dict[str, Any]:
    """Return what was given in a config, nested as the settings are; empty where nothing was."""
    return _without_empty(config.model_dump(mode="json", exclude_none=True))


def overridden(settings: StageSettings, changes: Mapping[str, Any]) -> StageSettings:
    """Put other values in the place of a stage's own.

    Args:
        settings: The settings as in the experiment file.
        changes: The other values, nested as the settings are.

    Raises:
        pydantic.ValidationError: A value out of its range.
    """
    return type(settings).model_validate(_merged(settings.model_dump(mode="json"), changes))


def _fields(kind: type[BaseModel] | type[msgspec.Struct]) -> dict[str, Any]:
    if issubclass(kind, BaseModel):
        return {name: field.annotation for name, field in kind.model_fields.items()}
    return {name: get_type_hints(kind)[name] for name in kind.__struct_fields__}


def _config_type(kind: Any, name: str) -> Any:  # noqa: ANN401 - a type of any form
    """Find what Dagster has for the type of a field."""
    kind = _plain(kind)
    origin, inner = get_origin(kind), get_args(kind)
    if isinstance(kind, type) and issubclass(kind, (BaseModel, msgspec.Struct)):
        return config_of(kind)
    if origin is Literal:
        texts = isinstance(inner[0], str)
        return Enum(name, {one: one for one in inner}) if texts else type(inner[0])
    if origin in (tuple, list, frozenset):
        item = _config_type(inner[0], name)
        simple = item in _SCALARS or issubclass(item, Enum)
        return types.GenericAlias(list, item if simple else dict[str, Any])
    if kind is date:
        return str
    return kind if kind in _SCALARS else dict[str, Any]


def _plain(kind: Any) -> Any:  # noqa: ANN401 - a type of any form
    """Take a type out of `Annotated` and out of `| None`."""
    if hasattr(kind, "__metadata__"):
        return _plain(kind.__origin__)
    if get_origin(kind) in (Union, types.UnionType):
        (kept,) = (one for one in get_args(kind) if one is not type(None))
        return _plain(kept)
    return kind


def _attributes(kind: type) -> dict[str, str]:
    """Read what a docstring says of each attribute, those of the bases among them."""
    said: dict[str, str] = {}
    for base in reversed(kind.__mro__):
        text = inspect.cleandoc(base.__doc__ or "").partition("Attributes:\n")[2]
        for name, line in re.findall(r"^ {4}(\w+): (.*(?:\n {8}.*)*)", text, re.MULTILINE):
            said[name] = " ".join(line.split())
    return said


def _without_empty(changes: Mapping[str, Any]) -> dict[str, Any]:
    cut = {
        name: _without_empty(value) if isinstance(value, dict) else value
        for name, value in changes.items()
    }
    return {name: value for name, value in cut.items() if value != {}}


def _merged(values: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    return dict(values) | {
        name: _merged(values[name], value)
        if isinstance(value, dict) and isinstance(values.get(name), dict)
        else value
        for name, value in changes.items()
    }
