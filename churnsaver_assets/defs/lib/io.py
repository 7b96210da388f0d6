"""IO managers: parquet for tables, files in memory for small artefacts, folders for large ones.

All write under one base path, local or remote (fsspec), one place per asset. Never pickle.
"""

import shutil
import tempfile
from pathlib import Path
from typing import ClassVar

import pandas as pd
from dagster import (
    AssetKey,
    ConfigurableIOManagerFactory,
    InitResourceContext,
    InputContext,
    OutputContext,
    UPathIOManager,
)
from upath import UPath

Files = dict[str, bytes]

RELEASE_ID = "release_id"
"""The name of the one file in the release asset's value."""


class ParquetIOManager(UPathIOManager):
    """Tables. `frame.attrs` travels in the parquet metadata."""

    extension: str = ".parquet"

    def dump_to_path(self, context: OutputContext, obj: pd.DataFrame, path: UPath) -> None:
        """Write the table beside the old one, then take its place in one step."""
        del context
        draft = path.with_name(f".{path.name}.draft")
        with draft.open("wb") as file:
            obj.to_parquet(file, index=False)
        draft.rename(path)

    def load_from_path(self, context: InputContext, path: UPath) -> pd.DataFrame:
        """Read the table."""
        del context
        with path.open("rb") as file:
            return pd.read_parquet(file)


class FilesIOManager(UPathIOManager):
    """Artefacts made of files: name to contents, kept as a directory."""

    def dump_to_path(self, context: OutputContext, obj: Files, path: UPath) -> None:
        """Write the files beside the old ones, then take their place.

        What is cut short leaves the old artefact or none, never a mixture of both.
        """
        del context
        draft = path.with_name(f".{path.name}.draft")
        if draft.exists():
            draft.fs.rm(draft.path, recursive=True)
        for name, data in obj.items():
            (draft / name).parent.mkdir(parents=True, exist_ok=True)
            (draft / name).write_bytes(data)
        if path.exists():
            path.fs.rm(path.path, recursive=True)
        path.fs.mv(draft.path, path.path, recursive=True)

    def load_from_path(self, context: InputContext, path: UPath) -> Files:
        """Read every file below the directory."""
        del context
        if not path.is_dir():
            raise FileNotFoundError(f"{path}: no artefact there; materialise the asset first")
        return {
            found.path.removeprefix(path.path).lstrip("/"): found.read_bytes()
            for found in sorted(path.rglob("*"), key=str)
            if found.is_file()
        }


class DirectoryIOManager(UPathIOManager):
    """Artefacts too large for memory, language models above all: a local folder each.

    The folder that an asset returns is handed over: it is gone from where it was.
    """

    def dump_to_path(self, context: OutputContext, obj: Path, path: UPath) -> None:
        """Put the folder beside the old one, then take its place."""
        del context
        draft = path.with_name(f".{path.name}.draft")
        if draft.exists():
            draft.fs.rm(draft.path, recursive=True)
        if _is_local(path):
            Path(draft.path).parent.mkdir(parents=True, exist_ok=True)
            shutil.move(obj, draft.path)
        else:
            draft.fs.put(str(obj), draft.path, recursive=True)
            shutil.rmtree(obj)
        if path.exists():
            path.fs.rm(path.path, recursive=True)
        path.fs.mv(draft.path, path.path, recursive=True)

    def load_from_path(self, context: InputContext, path: UPath) -> Path:
        """Return the folder itself where it is local, else a copy for as long as the process."""
        if not path.is_dir():
            raise FileNotFoundError(f"{path}: no artefact there; materialise the asset first")
        if _is_local(path):
            return Path(path.path)
        copy = Path(tempfile.mkdtemp(prefix="churnsaver-")) / path.name
        context.log.info("fetching %s", path)
        path.fs.get(path.path, str(copy), recursive=True)
        return copy


def _is_local(path: UPath) -> bool:
    return path.protocol in {"", "file", "local"}


class StoredIO(ConfigurableIOManagerFactory[UPathIOManager]):
    """Configures an IO manager that keeps each asset's value at a path of its own.

    Attributes:
        base_path: A folder or an fsspec URL, below which the values are kept.
    """

    base_path: str

    suffix: ClassVar[str] = ""
    """The end of a value's name, after the asset's."""

    def has(self, key: AssetKey) -> bool:
        """Return whether there is a value of this asset."""
        path = UPath(self.base_path).joinpath(*key.path)
        return path.with_name(path.name + self.suffix).exists()


class ParquetIO(StoredIO):
    """Configures `ParquetIOManager`."""

    suffix = ParquetIOManager.extension

    def create_io_manager(self, context: InitResourceContext) -> ParquetIOManager:
        """Make the manager."""
        del context
        return ParquetIOManager(UPath(self.base_path))


class FilesIO(StoredIO):
    """Configures `FilesIOManager`."""

    def create_io_manager(self, context: InitResourceContext) -> FilesIOManager:
        """Make the manager."""
        del context
        return FilesIOManager(UPath(self.base_path))


class ReleaseIdIO(FilesIO):
    """Configures `FilesIOManager` for the release, whose value is the id of a folder elsewhere.

    Attributes:
        releases_path: A folder or an fsspec URL, below which the releases are.
    """

    releases_path: str

    def has(self, key: AssetKey) -> bool:
        """Return whether there is an id, and the release that it names."""
        if not super().has(key):
            return False
        release_id = UPath(self.base_path).joinpath(*key.path, RELEASE_ID).read_text()
        return (UPath(self.releases_path) / release_id / "manifest.json").exists()


class DirectoryIO(StoredIO):
    """Configures `DirectoryIOManager`."""

    def create_io_manager(self, context: InitResourceContext) -> DirectoryIOManager:
        """Make the manager."""
        del context
        return DirectoryIOManager(UPath(self.base_path))
