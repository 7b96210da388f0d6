"""Says in which columns, rows or values a CSV file differs from the published table."""

from __future__ import annotations

import csv
import hashlib
import io
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from churnsaver_assets.data.sources.source import CsvLayout

_SEPARATORS = ",;\t|"
_MOST_NAMES = 12
_LONGEST_START = 40


def values_digest(values: Iterable[str]) -> str:
    """Return a short digest of a column's values, whatever their order; 8 hex digits."""
    joined = "\x1f".join(sorted(values))
    return hashlib.blake2b(joined.encode(), digest_size=4).hexdigest()


def differences(layout: CsvLayout, rows: int, content: bytes) -> str:
    """Describe how a file differs from the published table, as a part of a sentence.

    Args:
        layout: The published layout.
        rows: Published number of rows, the header not counted.
        content: The file, unpacked.
    """
    text = content.decode("utf-8-sig", errors="replace")
    try:
        header, *lines = _parsed(text, layout.separator) or [[]]
    except csv.Error as error:
        return f"it can't be read as CSV ({error}); it begins with {text[:_LONGEST_START]!r}"
    found = {name: [line[at] for line in lines] for at, name in enumerate(header)}
    missing = [name for name in layout.columns if name not in found]
    if len(missing) == len(layout.columns):
        return f"none of its columns is there; it begins with {text[:_LONGEST_START]!r}"
    extra = [name for name in header if name not in layout.columns]
    renamed = _renamed(missing, extra, layout.columns, found)
    said = []
    if renamed:
        pairs = [f"{old!r} is called {new!r}" for old, new in renamed.items()]
        said.append(f"columns renamed: {', '.join(pairs[:_MOST_NAMES])}")
    if lacking := [name for name in missing if name not in renamed]:
        said.append(f"columns missing: {_names(lacking)}")
    if added := [name for name in extra if name not in renamed.values()]:
        said.append(f"columns that should not be there: {_names(added)}")
    if not said:
        said.append(
            "the columns agree"
            if header == list(layout.columns)
            else "the columns agree but for their order"
        )
    if len(lines) != rows:
        return "; ".join([*said, f"expected {rows:,} rows, found {len(lines):,}"])
    named = {name: renamed.get(name, name) for name in layout.columns}
    shared = {name: found[named[name]] for name in named if named[name] in found}
    other = [
        name for name, values in shared.items() if values_digest(values) != layout.columns[name]
    ]
    said.append(f"the number of rows agrees ({rows:,})")
    if other:
        said.append(f"values differ in {len(other)} of {len(shared)} columns: {_names(other)}")
    elif not missing and not extra:
        said.append(
            "each column's values agree: rows are in another order, or fields are separated or "
            "quoted in another way"
        )
    return "; ".join(said)


def _parsed(text: str, expected: str) -> list[list[str]]:
    """Return header and lines as fields, all of the header's length."""
    first = text.partition("\n")[0]
    separator = expected if expected in first else max(_SEPARATORS, key=first.count)
    lines = [
        line for line in csv.reader(io.StringIO(text, newline=""), delimiter=separator) if line
    ]
    width = len(lines[0]) if lines else 0
    return [(line + [""] * width)[:width] for line in lines]


def _renamed(
    missing: Sequence[str],
    extra: Sequence[str],
    digests: Mapping[str, str],
    found: Mapping[str, Sequence[str]],
) -> dict[str, str]:
    """Return missing columns that stand under another name: same values, or same letters."""
    by_values = {values_digest(found[name]): name for name in extra}
    by_letters = {_letters(name): name for name in extra}
    pairs = {
        name: by_values.get(digests[name]) or by_letters.get(_letters(name)) for name in missing
    }
    return {old: new for old, new in pairs.items() if new is not None}


def _letters(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())


def _names(names: Sequence[str]) -> str:
    more = f" and {len(names) - _MOST_NAMES} more" if len(names) > _MOST_NAMES else ""
    return ", ".join(map(repr, names[:_MOST_NAMES])) + more
