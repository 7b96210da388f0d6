"""Resources: where state lives and which experiment is run."""

from pathlib import Path

from dagster import ConfigurableResource
from upath import UPath

from churnsaver_assets.defs.io import FilesIO, ParquetIO
from churnsaver_assets.experiments.spec import experiment_source

DEFAULT_HOME = ".churnsaver"


class ExperimentFile(ConfigurableResource[None]):
    """The experiment file to run.

    Attributes:
        path: a YAML file; empty for the packaged default.
    """

    path: str = ""

    def read(self) -> bytes:
        """The file's bytes."""
        return experiment_source(Path(self.path) if self.path else None)


class ReleaseStore(ConfigurableResource[None]):
    """Where releases are written.

    Attributes:
        base_path: a folder or an fsspec URL; releases go below it, the pointer `CURRENT` beside.
    """

    base_path: str

    @property
    def root(self) -> UPath:
        """Folder of the releases."""
        return UPath(self.base_path)

    def point_to(self, release_id: str) -> None:
        """Make `CURRENT` name this release, in one step."""
        self.root.mkdir(parents=True, exist_ok=True)
        pointer, draft = self.root / "CURRENT", self.root / f"CURRENT.{release_id[:12]}"
        draft.write_text(release_id + "\n", encoding="utf-8")
        draft.rename(pointer)


def build_resources(home: str, experiment: str = "") -> dict[str, object]:
    """The local set of resources.

    Args:
        home: folder below which everything is kept.
        experiment: path of the experiment file; empty for the packaged default.
    """
    assets = f"{home}/assets"
    return {
        "tables": ParquetIO(base_path=assets),
        "files": FilesIO(base_path=assets),
        "experiment_file": ExperimentFile(path=experiment),
        "releases": ReleaseStore(base_path=f"{home}/releases"),
    }
