"""The circumstances in which a stage of the text models runs."""

from dataclasses import dataclass, replace
from pathlib import Path

from churnsaver_assets.common.progress import Progress
from churnsaver_assets.experiments.text_spec import HardwareSpec


@dataclass(frozen=True, slots=True)
class Run:
    """Machine, seed, and where unfinished work is kept: the same for whatever a stage does.

    Attributes:
        hardware: The device, its threads and precision.
        seed: The seed for every random draw of the stage.
        checkpoints: The folder of unfinished work, which a cut run goes on from; None keeps none.
        progress: The function that is told how far the work is; None tells nobody.
    """

    hardware: HardwareSpec
    seed: int
    checkpoints: Path | None = None
    progress: Progress | None = None

    @property
    def folder(self) -> Path:
        """Return the folder of unfinished work, for work that can't go without one.

        Raises:
            ValueError: The run keeps no unfinished work.
        """
        if self.checkpoints is None:
            raise ValueError("expected a folder for unfinished work: give the run `checkpoints`")
        return self.checkpoints

    def within(self, name: str) -> "Run":
        """Return the same run with a folder below this one, for a part of the work."""
        folder = None if self.checkpoints is None else self.checkpoints / name
        return replace(self, checkpoints=folder)
