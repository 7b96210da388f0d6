"""The one feature encoder: named columns in, a float32 matrix out. Training and serving share it.

The encoder is data (`EncoderSpec`, kept as JSON beside each model), so what a model was trained on
is what it is served. Nothing about models or scores belongs here.
"""

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from churnsaver_serving.runtime.arrays import Floats32


class NumericField(msgspec.Struct, tag="numeric", frozen=True, forbid_unknown_fields=True):
    """A number, passed through. `None` and NaN become NaN where `optional`, else an error."""

    name: str
    optional: bool = False

    @property
    def columns(self) -> tuple[str, ...]:
        """Return the matrix columns this field fills."""
        return (self.name,)


class FlagField(msgspec.Struct, tag="flag", frozen=True, forbid_unknown_fields=True):
    """True or False (also 1 or 0), encoded as 1.0 or 0.0."""

    name: str

    @property
    def columns(self) -> tuple[str, ...]:
        """Return the matrix columns this field fills."""
        return (self.name,)


class CategoryField(msgspec.Struct, tag="category", frozen=True, forbid_unknown_fields=True):
    """One of `categories`, encoded one-hot."""

    name: str
    categories: tuple[str, ...]

    @property
    def columns(self) -> tuple[str, ...]:
        """Return the matrix columns this field fills."""
        return tuple(f"{self.name}={category}" for category in self.categories)


Field = NumericField | FlagField | CategoryField

_FLAGS = (0, 1)  # True == 1 and False == 0


class EncoderSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The fields of a model in the order of its matrix columns."""

    fields: tuple[Field, ...]


class EncodingError(ValueError):
    """A value that the encoder can't take: names the field, the value and what was expected."""


class FeatureEncoder:
    """An encoder of columns of raw values after an `EncoderSpec`.

    Args:
        spec: The fields and their order.
    """

    def __init__(self, spec: EncoderSpec) -> None:
        self.spec = spec
        self._fillers = tuple(_filler(field) for field in spec.fields)

    @cached_property
    def columns(self) -> tuple[str, ...]:
        """Return the names of the matrix columns, in order."""
        return tuple(column for field in self.spec.fields for column in field.columns)

    @cached_property
    def field_starts(self) -> npt.NDArray[np.intp]:
        """Return the index of each field's first column, as `np.add.reduceat` needs them."""
        widths = [len(field.columns) for field in self.spec.fields]
        return np.cumsum([0, *widths[:-1]]).astype(np.intp)

    def encode(self, table: Mapping[str, Sequence[Any]]) -> Floats32:
        """Encode a table.

        Args:
            table: Values of each field by its name, all of one length n. Further columns are
                ignored.

        Returns:
            Matrix of shape (n, len(self.columns)), float32.

        Raises:
            EncodingError: A column is missing or a value is not of its field's kind.
        """
        missing = [field.name for field in self.spec.fields if field.name not in table]
        if missing:
            raise EncodingError(f"missing columns: {', '.join(missing)}")
        rows = len(table[self.spec.fields[0].name])
        matrix = np.zeros((rows, len(self.columns)), dtype=np.float32)
        start = 0
        for field, fill in zip(self.spec.fields, self._fillers, strict=True):
            width = len(field.columns)
            fill(table[field.name], matrix[:, start : start + width])
            start += width
        return matrix


def _filler(field: Field) -> Any:  # noqa: ANN401 - a closure (values, out) -> None
    match field:
        case NumericField():
            return _NumericFiller(field)
        case FlagField():
            return _FlagFiller(field)
        case CategoryField():
            return _CategoryFiller(field)


class _NumericFiller:
    def __init__(self, field: NumericField) -> None:
        self._field = field

    def __call__(self, values: Sequence[Any], out: Floats32) -> None:
        try:
            column = np.asarray(values, dtype=np.float64)  # None becomes NaN
        except (TypeError, ValueError) as error:
            raise EncodingError(f"{self._field.name}: expected numbers ({error})") from error
        bad = np.isinf(column) if self._field.optional else ~np.isfinite(column)
        if bad.any():
            row = int(np.flatnonzero(bad)[0])
            raise EncodingError(
                f"{self._field.name}: expected a finite number, got {values[row]!r} in row {row}"
            )
        out[:, 0] = column


class _FlagFiller:
    def __init__(self, field: FlagField) -> None:
        self._field = field

    def __call__(self, values: Sequence[Any], out: Floats32) -> None:
        bad = next((row for row, value in enumerate(values) if value not in _FLAGS), None)
        if bad is not None:
            raise EncodingError(
                f"{self._field.name}: expected true or false, got {values[bad]!r} in row {bad}"
            )
        out[:, 0] = values


class _CategoryFiller:
    def __init__(self, field: CategoryField) -> None:
        self._field = field
        self._codes = {category: code for code, category in enumerate(field.categories)}

    def __call__(self, values: Sequence[Any], out: Floats32) -> None:
        codes = [self._codes.get(value, -1) for value in values]
        if -1 in codes:
            bad = codes.index(-1)
            known = ", ".join(map(repr, self._field.categories))
            raise EncodingError(
                f"{self._field.name}: expected one of {known}, got {values[bad]!r} in row {bad}"
            )
        out[np.arange(len(codes)), codes] = 1.0
