"""Checkpoints of a trainer: which are whole, and of this run."""

import hashlib
import re
import shutil
from dataclasses import dataclass
from pathlib import Path

import msgspec

from churnsaver_assets.common.atomic import write_bytes
from churnsaver_assets.common.checkpoint_file import CheckpointError

MARKER_FILE = "complete.json"
_FOLDER = re.compile(r"checkpoint-(\d+)")


class _Marker(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Written last into a checkpoint: it is complete, and of which run.

    Attributes:
        mark: Fingerprint of the run.
        step: Step of the trainer.
        files: Hash of every file of the checkpoint.
    """

    mark: str
    step: int
    files: dict[str, str]


@dataclass(slots=True)
class RunCheckpoints:
    """The checkpoints of one training.

    Attributes:
        folder: Folder for this training alone; the trainer's files in it are pickles in part, and
            stay here.
        mark: Fingerprint of all that the run depends on.
    """

    folder: Path
    mark: str

    def newest(self) -> Path | None:
        """Find the newest complete checkpoint. Those that were cut in the writing are removed.

        Raises:
            CheckpointError: The checkpoint is of a run with other data, settings or seed.
        """
        for _, path in sorted(self._numbered(), reverse=True):
            marker = _read_marker(path)
            if marker is None:
                shutil.rmtree(path, ignore_errors=True)
            elif marker.mark != self.mark:
                raise CheckpointError(
                    f"{path} is of a run with other data, settings or seed; remove "
                    f"{self.folder} to start anew"
                )
            else:
                return path
        return None

    def seal(self, step: int) -> None:
        """Mark the checkpoint of a step as complete."""
        path = self.folder / f"checkpoint-{step}"
        marker = _Marker(self.mark, step, _file_hashes(path))
        write_bytes(path / MARKER_FILE, msgspec.json.encode(marker))

    def _numbered(self) -> list[tuple[int, Path]]:
        if not self.folder.is_dir():
            return []
        found = [(_FOLDER.fullmatch(path.name), path) for path in self.folder.iterdir()]
        return [(int(match[1]), path) for match, path in found if match]


def step_of(checkpoint: Path | None) -> int:
    """Return the steps made before a checkpoint was written; 0 without one."""
    return 0 if checkpoint is None else int(checkpoint.name.rpartition("-")[2])


def _read_marker(path: Path) -> _Marker | None:
    """Read a checkpoint's marker; None where it or one of its files is missing or damaged."""
    try:
        marker = msgspec.json.decode((path / MARKER_FILE).read_bytes(), type=_Marker)
    except (FileNotFoundError, msgspec.DecodeError):
        return None
    return marker if marker.files == _file_hashes(path) else None


def _file_hashes(path: Path) -> dict[str, str]:
    return {
        one.relative_to(path).as_posix(): hashlib.sha256(one.read_bytes()).hexdigest()
        for one in sorted(path.rglob("*"))
        if one.is_file() and not one.name.startswith(MARKER_FILE)
    }
