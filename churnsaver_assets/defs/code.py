"""Which of our code something runs, found by following names through the sources."""

import ast
import copy
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("churnsaver_assets", "churnsaver_serving")

Name = tuple[str, str | None]
"""A module and one of its top-level names; None for all of the module."""

_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
_BLOCKS = (ast.If, ast.Try, ast.With)


@dataclass(frozen=True, slots=True)
class Module:
    """A module's top level.

    Attributes:
        defined: statements that bind each name.
        imported: what each name that is imported from us stands for.
        loose: statements that bind no name; they run with whatever is used.
    """

    defined: dict[str, list[ast.stmt]] = field(default_factory=dict)
    imported: dict[str, Name] = field(default_factory=dict)
    loose: list[ast.stmt] = field(default_factory=list)


def reached(start: Iterable[Name]) -> dict[str, str]:
    """What is run by some names, and by whatever they name, to the end.

    Imports inside functions count like those at the top. Comments, layout and docstrings don't
    count, so a better explanation is no reason to train anew.

    Args:
        start: where to begin.

    Returns:
        The code of each name reached, as text to hash.

    Raises:
        ModuleNotFoundError: there is no such module or name among ours.
    """
    waiting, code = list(start), dict[str, str]()
    for module, name in waiting:
        found = read_module(module)
        if found is None or (name is not None and not _has(found, name)):
            raise ModuleNotFoundError(f"{module}{'' if name is None else f': {name}'}: not ours")
    seen: set[Name] = set()
    while waiting:
        module, name = waiting.pop()
        found = read_module(module)
        if (module, name) in seen or found is None:
            continue
        seen.add((module, name))
        if name is not None and name in found.imported:
            waiting.append(found.imported[name])
            continue
        if name is None:
            waiting.extend((module, each) for each in (*found.defined, *found.imported))
        statements = [*found.loose, *found.defined.get(name or "", [])]
        code[f"{module}:{name or ''}"] = "\n".join(map(_text, statements))
        for statement in statements:
            waiting.extend(_named(statement, module, found))
    return code


def _has(module: Module, name: str) -> bool:
    return name in module.defined or name in module.imported


def _named(statement: ast.stmt, module: str, found: Module) -> Iterator[Name]:
    """The names of ours that a statement uses."""
    for node in ast.walk(statement):
        if isinstance(node, ast.Import | ast.ImportFrom):
            yield from (target for _, target in _targets(node))
        elif isinstance(node, ast.Name) and _has(found, node.id):
            yield (module, node.id)


def _targets(node: ast.Import | ast.ImportFrom) -> Iterator[tuple[str, Name]]:
    """Bound name and what it stands for, for imports of ours."""
    for alias in node.names:
        if isinstance(node, ast.Import):
            module, name = alias.name, None
        else:
            module, name = node.module or "", alias.name
            if _file(f"{module}.{name}") is not None:  # a module, imported from its package
                module, name = f"{module}.{name}", None
        if module.partition(".")[0] in PACKAGES:
            yield alias.asname or alias.name.partition(".")[0], (module, name)


@cache
def read_module(module: str) -> Module | None:
    """A module of ours, parsed; None where there is none of that name."""
    file = _file(module)
    if file is None:
        return None
    found = Module()
    waiting = list(ast.parse(file.read_bytes()).body)
    while waiting:
        statement = waiting.pop(0)
        if isinstance(statement, ast.Import | ast.ImportFrom):
            found.imported.update(_targets(statement))
        elif isinstance(statement, _FUNCTIONS):
            found.defined.setdefault(statement.name, []).append(statement)
        elif isinstance(statement, _BLOCKS) and _only_imports(statement):
            waiting = [*ast.iter_child_nodes(statement), *waiting]  # type: ignore[list-item]
        elif names := list(_bound(statement)):
            for name in names:
                found.defined.setdefault(name, []).append(statement)
        elif not _is_text(statement):
            found.loose.append(statement)
    # A package's own code runs before that of the modules in it.
    parent = module.rpartition(".")[0]
    if parent and (above := read_module(parent)) is not None:
        found.loose.extend(above.loose)
    return found


def _only_imports(block: ast.stmt) -> bool:
    """As under TYPE_CHECKING: what is bound there is found by its name."""
    inner = [one for one in ast.iter_child_nodes(block) if isinstance(one, ast.stmt)]
    return all(isinstance(one, ast.Import | ast.ImportFrom) for one in inner)


def _bound(statement: ast.stmt) -> Iterator[str]:
    """Names that a statement binds at the top level."""
    if isinstance(statement, ast.Assign | ast.AnnAssign | ast.AugAssign):
        targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
        for target in targets:
            for node in ast.walk(target):
                if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                    yield node.id


def _is_text(statement: ast.stmt) -> bool:
    return (
        isinstance(statement, ast.Expr)
        and isinstance(statement.value, ast.Constant)
        and isinstance(statement.value.value, str)
    )


def _text(statement: ast.stmt) -> str:
    """A statement without comments, layout and docstrings."""
    bare = copy.deepcopy(statement)
    for node in ast.walk(bare):
        if isinstance(node, _FUNCTIONS) and _is_text(node.body[0]):
            node.body = node.body[1:] or [ast.Pass()]
    return ast.dump(bare)


def _file(module: str) -> Path | None:
    """The file of a module or package; None where the name is neither."""
    place = ROOT.joinpath(*module.split("."))
    for file in (place.with_suffix(".py"), place / "__init__.py"):
        if file.exists():
            return file
    return None
