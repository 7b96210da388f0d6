"""Code versions from sources, data versions from content: a second run skips the unchanged."""

import hashlib

import pandas as pd
from dagster import DataVersion

from churnsaver_assets.common.libraries import library_versions
from churnsaver_assets.defs.lib.code import reached
from churnsaver_assets.defs.lib.io import Files


def code_version(module: str, *names: str) -> str:
    """Hash the code behind an asset, and all of ours that it runs.

    No list has to be kept: names are followed through the sources (`code.reached`), so a change in
    what an asset calls makes it stale, however far away, and a change in what it doesn't call
    leaves it alone. So does a move to another module. The versions of the libraries that train are
    in it too.

    Args:
        module: Name of the module that defines the asset, `__name__`.
        names: Names of the functions in it that make the asset; all of the module where none is
            given.

    Raises:
        ModuleNotFoundError: there is no such module or name below the project's root.
    """
    code = reached([(module, name) for name in names] or [(module, None)])
    digest = hashlib.sha256(repr(sorted(library_versions().items())).encode())
    for text in sorted(set(code.values())):
        digest.update(hashlib.sha256(text.encode()).digest())
    return digest.hexdigest()[:16]


def files_version(files: Files) -> DataVersion:
    """Return the data version of an artefact made of files: the hash of names and contents."""
    digest = hashlib.sha256()
    for name, data in sorted(files.items()):
        digest.update(name.encode() + b"\0" + hashlib.sha256(data).digest())
    return DataVersion(digest.hexdigest())


def frame_version(frame: pd.DataFrame) -> DataVersion:
    """Return the data version of a table: the hash of schema, attributes and rows in order."""
    digest = hashlib.sha256()
    digest.update(repr([(name, str(kind)) for name, kind in frame.dtypes.items()]).encode())
    digest.update(repr(sorted(frame.attrs.items())).encode())
    digest.update(pd.util.hash_pandas_object(frame, index=False).to_numpy().tobytes())
    return DataVersion(digest.hexdigest())
