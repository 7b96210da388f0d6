"""IO managers: parquet for tables, a directory of open-format files for everything else.

Both write under one base path, local or remote (fsspec), one place per asset. Never pickle.
"""

import pandas as pd
from dagster import (
    ConfigurableIOManagerFactory,
    InitResourceContext,
    InputContext,
    OutputContext,
    UPathIOManager,
)
from upath import UPath

Files = dict[str, bytes]


class ParquetIOManager(UPathIOManager):
    """Tables. `frame.attrs` travels in the parquet metadata."""

    extension = ".parquet"

    def dump_to_path(self, context: OutputContext, obj: pd.DataFrame, path: UPath) -> None:
        """Write the table."""
        del context
        with path.open("wb") as file:
            obj.to_parquet(file, index=False)

    def load_from_path(self, context: InputContext, path: UPath) -> pd.DataFrame:
        """Read the table."""
        del context
        with path.open("rb") as file:
            return pd.read_parquet(file)


class FilesIOManager(UPathIOManager):
    """Artefacts made of files: name to contents, kept as a directory."""

    def dump_to_path(self, context: OutputContext, obj: Files, path: UPath) -> None:
        """Replace the directory's files by these."""
        del context
        if path.is_file():
            path.unlink()
        if path.exists():
            for old in path.rglob("*"):
                if old.is_file():
                    old.unlink()
        for name, data in obj.items():
            (path / name).parent.mkdir(parents=True, exist_ok=True)
            (path / name).write_bytes(data)

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


class ParquetIO(ConfigurableIOManagerFactory[ParquetIOManager]):
    """Configures `ParquetIOManager`: `base_path` is a folder or an fsspec URL."""

    base_path: str

    def create_io_manager(self, context: InitResourceContext) -> ParquetIOManager:
        """Make the manager."""
        del context
        return ParquetIOManager(UPath(self.base_path))


class FilesIO(ConfigurableIOManagerFactory[FilesIOManager]):
    """Configures `FilesIOManager`: `base_path` is a folder or an fsspec URL."""

    base_path: str

    def create_io_manager(self, context: InitResourceContext) -> FilesIOManager:
        """Make the manager."""
        del context
        return FilesIOManager(UPath(self.base_path))
