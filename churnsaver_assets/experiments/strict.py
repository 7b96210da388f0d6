"""The base of all specs, the marks on their fields, and the structs that serving shares."""

from dataclasses import dataclass
from enum import Enum
from typing import Annotated, TypeVar

import msgspec
from pydantic import BaseModel, ConfigDict, GetCoreSchemaHandler
from pydantic_core import CoreSchema, core_schema


class Strict(BaseModel):
    """A part of an experiment file: unknown keys are errors, and nothing changes once read."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Varies(Enum):
    """Marks a field that may differ between machines, so that a profile may set it."""

    SCALE = "scale"
    HARDWARE = "hardware"


Value = TypeVar("Value")
Scaled = Annotated[Value, Varies.SCALE]
"""A setting of how much is done: it may be less where less is to be shown."""
OnHardware = Annotated[Value, Varies.HARDWARE]
"""A setting of what it is done on."""


@dataclass(frozen=True, slots=True)
class Shared:
    """Marks a field whose type is a struct of serving's: msgspec reads and writes it.

    So what serving reads from a release is declared once, there.
    """

    def __get_pydantic_core_schema__(
        self, source: type[msgspec.Struct], handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        """Tell pydantic to leave the struct to msgspec."""
        del handler

        def convert(value: object) -> object:
            if isinstance(value, source):
                return value
            try:
                return msgspec.convert(value, source)
            except msgspec.ValidationError as error:
                raise ValueError(str(error)) from error

        return core_schema.no_info_plain_validator_function(
            convert, serialization=core_schema.plain_serializer_function_ser_schema(_builtins)
        )


def _builtins(struct: msgspec.Struct) -> object:
    return msgspec.to_builtins(struct)
