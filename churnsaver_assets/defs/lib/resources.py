"""Resources: the places of all state, and the experiment that is run."""

import shutil
from pathlib import Path

from dagster import ConfigurableResource
from upath import UPath

from churnsaver_assets.defs.lib.io import DirectoryIO, FilesIO, ParquetIO, ReleaseIdIO
from churnsaver_assets.experiments.profiles import (
    DEFAULT_PROFILE,
    apply_profile,
    profile_source,
)
from churnsaver_assets.experiments.spec import experiment_source

DEFAULT_HOME = ".churnsaver"


class ExperimentFile(ConfigurableResource[None]):
    """The experiment file to run.

    Attributes:
        path: A YAML file; empty for the packaged default.
        profile: A packaged profile's name; it sets scale and hardware.
    """

    path: str = ""
    profile: str = DEFAULT_PROFILE

    def read(self) -> bytes:
        """Read the file's bytes, with the profile's values in place."""
        source = experiment_source(Path(self.path) if self.path else None)
        return apply_profile(source, profile_source(self.profile), where=f"profile {self.profile}")


class ReleaseStore(ConfigurableResource[None]):
    """The store that releases are written to.

    Attributes:
        base_path: A folder or an fsspec URL; releases go below it, the pointer `CURRENT` beside.
    """

    base_path: str

    @property
    def root(self) -> UPath:
        """Return the folder of the releases."""
        return UPath(self.base_path)

    def point_to(self, release_id: str) -> None:
        """Make `CURRENT` name this release, in one step."""
        self.root.mkdir(parents=True, exist_ok=True)
        pointer, draft = self.root / "CURRENT", self.root / f"CURRENT.{release_id[:12]}"
        draft.write_text(release_id + "\n", encoding="utf-8")
        draft.rename(pointer)


class Checkpoints(ConfigurableResource[None]):
    """The store that trainings keep their state in, so that one that was cut goes on.

    Attributes:
        base_path: A local folder.
    """

    base_path: str

    def folder(self, name: str, *versions: str) -> Path:
        """Return the folder of one training, of just these versions of what it is made from.

        What is left of a training of other versions can't be gone on with and is deleted.
        """
        folder = Path(self.base_path, name, "-".join(versions))
        for other in folder.parent.glob("*"):
            if other != folder:
                shutil.rmtree(other)
        return folder

    def fresh(self, name: str) -> Path:
        """Make an empty folder for an artefact; what was there is deleted."""
        folder = Path(self.base_path, name)
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        return folder

    def clear(self, name: str) -> None:
        """Forget a training that is done, and those of other versions."""
        shutil.rmtree(Path(self.base_path, name), ignore_errors=True)


def build_resources(
    home: str, experiment: str = "", profile: str = DEFAULT_PROFILE
) -> dict[str, object]:
    """Build the local set of resources.

    Args:
        home: Folder below which everything is kept.
        experiment: Path of the experiment file; empty for the packaged default.
        profile: Name of the profile.
    """
    assets = f"{home}/assets"
    return {
        "tables": ParquetIO(base_path=assets),
        "files": FilesIO(base_path=assets),
        "models": DirectoryIO(base_path=assets),
        "experiment_file": ExperimentFile(path=experiment, profile=profile),
        "checkpoints": Checkpoints(base_path=f"{home}/checkpoints"),
        "releases": ReleaseStore(base_path=f"{home}/releases"),
        "release_ids": ReleaseIdIO(base_path=assets, releases_path=f"{home}/releases"),
    }
