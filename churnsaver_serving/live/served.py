"""The release that a server serves: loaded once, watched ever after."""

from collections.abc import Callable

from upath import UPath

from churnsaver_serving.live.errors import ReleaseUnavailableError
from churnsaver_serving.runtime.engine.release import Release, load_release
from churnsaver_serving.runtime.manifest import MANIFEST_FILE
from churnsaver_serving.runtime.verified import ReleaseError, entries, read_verified

# Size, times of the last change to contents and to the file's entry, and which file it is.
_Stamp = tuple[int, float, float, int]


class ServedRelease:
    """A release, or the reason why there is none.

    Args:
        locate: Returns the release's directory; may raise ValueError.
        allow_sample: True to serve a release that was built on generated data too.
        policy: Name of a policy that the release must have; None where its own choice will do.

    Attributes:
        reason: Sentence that says why there is none.
    """

    def __init__(
        self, locate: Callable[[], UPath], *, allow_sample: bool, policy: str | None = None
    ) -> None:
        self._locate = locate
        self._allow_sample = allow_sample
        self._policy = policy
        self._loaded: Release | None = None
        self.reason = "no release has been loaded yet"
        self._stamps: dict[str, _Stamp] = {}

    def load(self) -> Release | None:
        """Verify and load the release; where that fails, remember why for `check`."""
        try:
            # Where a link leads now: one that is moved on to another release meanwhile takes
            # nothing away from this one.
            directory = self._locate().resolve()
            stamps = _stamps(directory)
            release = load_release(directory)
            release.engine(policy=self._policy)
        # ReleaseError, UnknownPolicyError and SettingsError are ValueErrors; fsspec lacks a driver:
        # ImportError.
        except (ValueError, OSError, ImportError) as error:
            self.reason = str(error)
            return None
        if release.manifest.data == "sample" and not self._allow_sample:
            self.reason = (
                f"release {release.id} was built on generated data (data: sample); set "
                f"CHURNSAVER_ALLOW_SAMPLE=1 to serve it all the same"
            )
            return None
        self._loaded, self._stamps = release, stamps
        return release

    def check(self) -> Release:
        """Return the release, if its files still are what was loaded.

        Files are read again only where their size or times have changed.

        Raises:
            ReleaseUnavailableError: None is loaded, or a file is missing or changed; the message
                names it.
        """
        if self._loaded is None:
            raise ReleaseUnavailableError(self.reason)
        release = self._loaded
        try:
            stamps = _stamps(release.path)
            if stamps != self._stamps:
                _read_again(release)
                self._stamps = stamps
        except (ReleaseError, OSError) as error:
            raise ReleaseUnavailableError(str(error)) from error
        return release


def _read_again(release: Release) -> None:
    """Refuse a directory that no longer holds the release that was loaded from it."""
    found = read_verified(release.path).id
    if found != release.id:
        raise ReleaseError(
            f"release {found} has taken the place of {release.id} in {release.path}; restart the "
            "server to serve it"
        )


def _stamps(directory: UPath) -> dict[str, _Stamp]:
    """Read what can be told of each file, the manifest included, without opening it."""
    if not (directory / MANIFEST_FILE).exists():
        raise ReleaseError(f"{MANIFEST_FILE} is missing in {directory}: no release")
    stamps = {}
    for path in entries(directory):
        stat = path.stat()
        stamps[str(path)] = (stat.st_size, stat.st_mtime, stat.st_ctime, stat.st_ino)
    return stamps
