"""Code versions from sources, data versions from content: a second run skips the unchanged."""

import hashlib
from pathlib import Path

import pandas as pd
from dagster import DataVersion

from churnsaver_assets.defs.io import Files

_ROOT = Path(__file__).resolve().parents[2]


def code_version(*places: str) -> str:
    """Version of the code an asset runs: the hash of its sources.

    Args:
        places: packages or modules as paths from the root, such as "churnsaver_assets/tabular" or
            "churnsaver_assets/defs/tabular.py". Packages are taken with everything below.

    Raises:
        FileNotFoundError: a place is neither a module nor a package.
    """
    digest = hashlib.sha256()
    for place in places:
        path = _ROOT / place
        if not path.exists():
            raise FileNotFoundError(f"{place}: no such module or package")
        for source in [path] if path.is_file() else sorted(path.rglob("*.py")):
            digest.update(source.relative_to(_ROOT).as_posix().encode())
            digest.update(hashlib.sha256(source.read_bytes()).digest())
    return digest.hexdigest()[:16]


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
