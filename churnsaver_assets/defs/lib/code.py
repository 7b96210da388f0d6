"""The code of ours that something runs, found by following names through the sources."""

import ast
import copy
import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
PACKAGES = ("churnsaver_assets", "churnsaver_serving")

Name = tuple[str, str | None]
"""A module and one of its top-level names; None for all of the module."""

_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
_BLOCKS = (ast.If, ast.Try, ast.With)


@dataclass(frozen=True, slots=True)
class Statement:
    """A statement at the top level of a module, read once.

    Attributes:
        text: The part that is hashed: no comments, layout or docstrings, and no imports of
            ours, which say where a thing lies and not what it does.
        names: Every name that it uses.
        imported: Origin of each name that it imports from us, by the name it has here.
    """

    text: str
    names: frozenset[str]
    imported: Mapping[str, Name]


@dataclass(frozen=True, slots=True)
class Module:
    """The top level of a module.

    Attributes:
        defined: The statements that bind each name.
        imported: Origin of each name that is imported from us.
        loose: The statements that bind no name; they run with whatever is used.
    """

    defined: dict[str, list[Statement]] = field(default_factory=dict)
    imported: dict[str, Name] = field(default_factory=dict)
    loose: list[Statement] = field(default_factory=list)


def reached(start: Iterable[Name]) -> dict[Name, str]:
    """Find what is run by some names, and by whatever they name, to the end.

    Imports inside functions count like those at the top. Comments, layout and docstrings don't
    count, so a better explanation is no reason to train anew; nor does where a thing lies, so a
    module can be moved, or a function to another module.

    Args:
        start: The names to begin with.

    Returns:
        The code of each name that is run, as text to hash. With the statements stands which code
        each of their names means, by its hash: two functions of one name are told apart.

    Raises:
        ModuleNotFoundError: there is no such module or name among ours.
    """
    waiting, code = list(start), dict[Name, str]()
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
        used = [one for each in _statements(found, name) for one in _used(each, module, found)]
        waiting.extend(target for _, target in used)
        meant = sorted({f"{bound}={_digest(target)}" for bound, target in used})
        code[module, name] = "\n".join([*(one.text for one in _statements(found, name)), *meant])
    return code


def _has(module: Module, name: str) -> bool:
    return name in module.defined or name in module.imported


def _statements(module: Module, name: str | None) -> list[Statement]:
    return [*module.loose, *module.defined.get(name or "", [])]


def _used(statement: Statement, module: str, found: Module) -> Iterator[tuple[str, Name]]:
    """Find the names of ours that a statement uses, each with what it stands for."""
    yield from statement.imported.items()
    for name in statement.names:
        if name in found.defined:
            yield name, (module, name)
        elif name in found.imported:
            yield name, found.imported[name]


@cache
def _digest(target: Name) -> str:
    """Hash the code that a name is bound to, without what that code names in turn."""
    module, name = target
    found = read_module(module)
    while found is not None and name is not None and name in found.imported:
        module, name = found.imported[name]
        found = read_module(module)
    if found is None or name is None:  # a module; what is used of it is named by itself
        return ""
    text = "\n".join(one.text for one in found.defined.get(name, []))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


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
    """Parse a module of ours; None where there is none of that name."""
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
            found.defined.setdefault(statement.name, []).append(_read(statement))
        elif isinstance(statement, _BLOCKS) and _only_imports(statement):
            waiting = [*ast.iter_child_nodes(statement), *waiting]  # type: ignore[list-item]
        elif names := list(_bound(statement)):
            read = _read(statement)
            for name in names:
                found.defined.setdefault(name, []).append(read)
        elif not _is_text(statement):
            found.loose.append(_read(statement))
    # A package's own code runs before that of the modules in it.
    parent = module.rpartition(".")[0]
    if parent and (above := read_module(parent)) is not None:
        found.loose.extend(above.loose)
    return found


def forget() -> None:
    """Read the sources anew when they are next asked for: they have changed."""
    read_module.cache_clear()
    _digest.cache_clear()


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


def _read(statement: ast.stmt) -> Statement:
    """Take from a statement what is hashed of it, and the names that it uses."""
    nodes = list(ast.walk(statement))
    imports = [one for one in nodes if isinstance(one, ast.Import | ast.ImportFrom)]
    return Statement(
        text=ast.dump(_Bare().visit(copy.deepcopy(statement))),
        names=frozenset(one.id for one in nodes if isinstance(one, ast.Name)),
        imported={name: target for one in imports for name, target in _targets(one)},
    )


class _Bare(ast.NodeTransformer):
    """Removes docstrings, and imports of ours."""

    def generic_visit(self, node: ast.AST) -> ast.AST:
        """Remove a function's or a class's docstring; an empty body becomes `pass`."""
        if isinstance(node, _FUNCTIONS) and _is_text(node.body[0]):
            node.body = node.body[1:]
        super().generic_visit(node)
        if isinstance(getattr(node, "body", None), list) and not node.body:  # type: ignore[attr-defined]
            node.body = [ast.Pass()]  # type: ignore[attr-defined]
        return node

    def visit_Import(self, node: ast.Import) -> ast.Import | None:
        """Remove an import of ours."""
        return None if list(_targets(node)) else node

    def visit_ImportFrom(self, node: ast.ImportFrom) -> ast.ImportFrom | None:
        """Remove an import from ours."""
        return None if list(_targets(node)) else node


def _file(module: str) -> Path | None:
    """Find the file of a module or package; None where the name is neither."""
    place = ROOT.joinpath(*module.split("."))
    for file in (place.with_suffix(".py"), place / "__init__.py"):
        if file.exists():
            return file
    return None
