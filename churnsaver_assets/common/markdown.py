"""Tables and cells in Markdown."""

from collections.abc import Sequence

from churnsaver_assets.common.estimates import Interval

_MARKS = "\\`*_[]<>|#!~"


def table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Return a table; "None." where it has no rows.

    Args:
        head: Names of the columns.
        rows: Cells of each row, as text already safe in a table.
    """
    if not rows:
        return "None."
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(map(str, line))} |" for line in lines)


def percent(found: Interval) -> str:
    """Return a share in percent with its interval."""
    return plain(found.scaled(100), 1)


def plain(found: Interval, digits: int = 3) -> str:
    """Return a mean with its interval."""
    return f"{found.mean:.{digits}f} [{found.low:.{digits}f}, {found.high:.{digits}f}]"


def counts(found: dict[str, int]) -> str:
    """Return counts by name in one cell."""
    return ", ".join(f"{name} {often}" for name, often in found.items()) or "-"


def written(text: str) -> str:
    """Return a model's text on one line, with all Markdown escaped."""
    line = " ".join(text.split())
    return "".join(f"\\{letter}" if letter in _MARKS else letter for letter in line)
