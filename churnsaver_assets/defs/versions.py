"""Code versions from sources, data versions from content: a second run skips the unchanged."""

import ast
import hashlib
from functools import cache
from pathlib import Path

import pandas as pd
from dagster import DataVersion

from churnsaver_assets.defs.io import Files
from churnsaver_assets.libraries import library_versions

_ROOT = Path(__file__).resolve().parents[2]
_PACKAGES = ("churnsaver_assets", "churnsaver_serving")


def code_version(module: str) -> str:
    """Version of the code behind an asset: its module's source and that of all of ours it imports.

    Imports are read off the sources, those inside functions too, and followed to the end. So no
    list has to be kept, and a change in what an asset calls makes it stale, however far away. The
    versions of the libraries that train are in it too.

    Args:
        module: name of the module that defines the asset, `__name__`.

    Raises:
        ModuleNotFoundError: there is no such module below the project's root.
    """
    if _source(module) is None:
        raise ModuleNotFoundError(f"{module}: no such module below {_ROOT}")
    seen: set[str] = set()
    waiting = [module]
    while waiting:
        name = waiting.pop()
        if name not in seen:
            seen.add(name)
            waiting.extend(_imports(name))
    digest = hashlib.sha256(repr(sorted(library_versions().items())).encode())
    for name in sorted(seen):
        source = _source(name)
        if source is not None:  # else a function or class that was imported by its name
            digest.update(name.encode() + hashlib.sha256(source.read_bytes()).digest())
    return digest.hexdigest()[:16]


@cache
def _imports(module: str) -> tuple[str, ...]:
    """Names of ours that a module imports; of `from a import b` both a and a.b."""
    source = _source(module)
    if source is None:
        return ()
    names: list[str] = []
    for node in ast.walk(ast.parse(source.read_bytes())):
        if isinstance(node, ast.Import):
            names.extend(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.append(node.module)
            names.extend(f"{node.module}.{alias.name}" for alias in node.names)
    return tuple(name for name in names if name.partition(".")[0] in _PACKAGES)


def _source(module: str) -> Path | None:
    """The file of a module or package; None where the name is neither."""
    place = _ROOT.joinpath(*module.split("."))
    for file in (place.with_suffix(".py"), place / "__init__.py"):
        if file.exists():
            return file
    return None


def files_version(files: Files) -> DataVersion:
    """Data version of an artefact made of files: the hash of names and contents."""
    digest = hashlib.sha256()
    for name, data in sorted(files.items()):
        digest.update(name.encode() + b"\0" + hashlib.sha256(data).digest())
    return DataVersion(digest.hexdigest())


def frame_version(frame: pd.DataFrame) -> DataVersion:
    """Data version of a table: the hash of its schema, attributes and rows in their order."""
    digest = hashlib.sha256()
    digest.update(repr([(name, str(kind)) for name, kind in frame.dtypes.items()]).encode())
    digest.update(repr(sorted(frame.attrs.items())).encode())
    digest.update(pd.util.hash_pandas_object(frame, index=False).to_numpy().tobytes())
    return DataVersion(digest.hexdigest())
