"""How the house is built: rooms of a size that one can look over, docstrings that can be read."""

import ast
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import ROOT

PACKAGES = ("churnsaver_assets", "churnsaver_serving")
MOST_FILES = 15

ENTRY = re.compile(r"^    (\w+)(?: \([^)]*\))?: (.*)$", re.MULTILINE)
CONTINUES = re.compile(
    r"(of|in|for|by|to|from|with|at|on|as|likewise|its|per|over|between|after|before|below|above"
    r"|beside|against|under|and|or|but|so|if|where|when|while|until|once|what|which|who|whether|how"
    r"|that|than)\b"
)
"""What a description begins with that goes on from the name in place of standing by itself."""


def modules() -> Iterator[Path]:
    """Yield every module of ours."""
    for package in PACKAGES:
        yield from sorted((ROOT / package).rglob("*.py"))


def test_no_room_has_more_files_than_one_can_look_over() -> None:
    rooms = Counter(path.parent for path in modules() if path.name != "__init__.py")
    crowded = {
        str(room.relative_to(ROOT)): files for room, files in rooms.items() if files > MOST_FILES
    }
    assert crowded == {}


def described(text: str) -> list[tuple[str, str]]:
    """Return each argument or attribute that a docstring describes, with its first line."""
    named = re.finditer(r"^(?:Args|Attributes):\n((?:    .*\n?|\n)*)", text, re.MULTILINE)
    return [(entry[1], entry[2]) for section in named for entry in ENTRY.finditer(section[1])]


@pytest.mark.parametrize(
    ("description", "continues"),
    [
        ("of the bootstrap.", True),
        ("likewise.", True),
        ("in place of all roots.", True),
        ("Seed for the bootstrap.", False),
        ("The folder of the chunks.", False),
    ],
)
def test_a_fragment_is_told_from_a_phrase(description: str, *, continues: bool) -> None:
    assert bool(CONTINUES.match(description)) is continues


def test_every_description_stands_by_itself() -> None:
    fragments = [
        f"{path.relative_to(ROOT)}:{node.lineno if hasattr(node, 'lineno') else 1} {name}: {line}"
        for path in modules()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
        for name, line in described(ast.get_docstring(node) or "")
        if CONTINUES.match(line)
    ]
    assert fragments == []
