"""Writes that take place whole or not at all, so that whoever is killed leaves no half file."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PARTIAL = ".partial"
"""The suffix of a file or folder that is being written."""


def write_bytes(path: Path, data: bytes) -> None:
    """Write a file in place of an earlier one, in one step.

    Renaming is atomic: whoever reads finds the old file, the new one, or none. The bytes are on
    disk before the name is.

    Args:
        path: The file; its folder is made where it is missing.
        data: The file's content.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"{path.name}{PARTIAL}")
    with partial.open("wb") as stream:
        stream.write(data)
        stream.flush()
        os.fsync(stream.fileno())
    partial.replace(path)


def write_text(path: Path, text: str) -> None:
    """Write a text file as UTF-8 with plain line ends; otherwise as `write_bytes`."""
    write_bytes(path, text.encode())


@contextmanager
def new_folder(path: Path) -> Iterator[Path]:
    """Give a folder to fill, which takes the place of an earlier one once the block has ended.

    A block that fails leaves the earlier folder as it was, and nothing beside it.

    Args:
        path: The folder's final place; its parent is made where it is missing.

    Yields:
        An empty folder beside it.
    """
    partial = path.with_name(f".{path.name}{PARTIAL}")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    try:
        yield partial
        if path.exists():
            shutil.rmtree(path)
        partial.replace(path)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
