"""A release's files as they were written: every one checked against the manifest."""

import hashlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TypeVar

import msgspec
from upath import UPath

from churnsaver_serving.runtime.manifest import (
    MANIFEST_FILE,
    SCHEMA_VERSION,
    Manifest,
    release_id,
)

T = TypeVar("T")

# What operating systems and network drives leave behind in any folder, in lower case.
_LITTER = (".ds_store", "._*", ".nfs*", ".fuse_hidden*", "thumbs.db", "desktop.ini")
_HASH = re.compile(r"[0-9a-f]{64}")


class ReleaseError(ValueError):
    """A release that must not be served: names the file and what is wrong with it."""


@dataclass(frozen=True, slots=True)
class VerifiedFiles:
    """The contents of a release's directory, checked.

    Attributes:
        id: The release's identity, the sha256 of its manifest.
        manifest: The manifest, decoded.
        files: The contents of the files that the manifest names, by relative path.
    """

    id: str
    manifest: Manifest
    files: dict[str, bytes]


def read_verified(directory: UPath) -> VerifiedFiles:
    """Read a release's files and check every one of them against the manifest.

    The directory may have any name, as a link to a release or a mount of one has. A name that is
    a hash is a promise, though, and must be that of the manifest.

    Raises:
        ReleaseError: A file is missing, added or changed, or the directory is named by the hash of
            another manifest.
    """
    try:
        head = (directory / MANIFEST_FILE).read_bytes()
    except FileNotFoundError as error:
        raise ReleaseError(f"{MANIFEST_FILE} is missing in {directory}: no release") from error
    identity = release_id(head)
    if _HASH.fullmatch(directory.name) and identity != directory.name:
        raise ReleaseError(
            f"{MANIFEST_FILE} was changed: its sha256 is {identity}, "
            f"the directory is named {directory.name}"
        )
    manifest = decode(head, Manifest, MANIFEST_FILE)
    if manifest.schema_version != SCHEMA_VERSION:
        raise ReleaseError(
            f"{MANIFEST_FILE}: schema_version {manifest.schema_version}, this version of "
            f"churnsaver_serving reads {SCHEMA_VERSION}"
        )
    check_paths(manifest)
    present = {
        found.path.removeprefix(directory.path).lstrip("/")
        for found in entries(directory)
        if found.is_file()
    }
    if extra := present - set(manifest.files) - {MANIFEST_FILE}:
        raise ReleaseError(f"files that the manifest doesn't name: {', '.join(sorted(extra))}")
    return VerifiedFiles(
        identity,
        manifest,
        {
            path: _read_checked(directory, path, entry.size, entry.sha256)
            for path, entry in manifest.files.items()
        },
    )


def entries(directory: UPath) -> Iterator[UPath]:
    """Yield all below a release's directory, save what operating systems leave behind there."""
    for found in directory.rglob("*"):
        if not any(fnmatchcase(found.name.lower(), pattern) for pattern in _LITTER):
            yield found


def check_paths(manifest: Manifest) -> None:
    """Refuse paths that lead anywhere but below the release's directory.

    Raises:
        ReleaseError: A path does; the message names it.
    """
    for path in manifest.files:
        parts = path.replace("\\", "/").split("/")
        if "" in parts or ".." in parts:  # an absolute path begins with an empty part
            raise ReleaseError(f"{MANIFEST_FILE} names {path!r}, which is not below the release")


def decode(data: bytes, kind: type[T], path: str) -> T:
    """Decode a part of a release from its JSON.

    Raises:
        ReleaseError: It can't be read; the message names `path`.
    """
    try:
        return msgspec.json.decode(data, type=kind)
    except msgspec.MsgspecError as error:
        raise ReleaseError(f"{path} can't be read: {error}") from error


def part(files: Mapping[str, bytes], path: str, kind: type[T]) -> T:
    """Decode one of a release's files from its JSON.

    Raises:
        ReleaseError: It is missing, or can't be read; the message names `path`.
    """
    if path not in files:
        raise ReleaseError(f"{path} is missing: the manifest doesn't name it")
    return decode(files[path], kind, path)


def within(files: Mapping[str, bytes], folder: str) -> dict[str, bytes]:
    """Return the files below a folder, by their paths in it."""
    return {
        path.removeprefix(folder): data for path, data in files.items() if path.startswith(folder)
    }


def _read_checked(directory: UPath, path: str, size: int, sha256: str) -> bytes:
    try:
        data = (directory / path).read_bytes()
    except FileNotFoundError as error:
        raise ReleaseError(f"{path} is missing in release {directory}") from error
    if len(data) != size:
        raise ReleaseError(f"{path} was changed: expected {size} bytes, found {len(data)}")
    if (found := hashlib.sha256(data).hexdigest()) != sha256:
        raise ReleaseError(f"{path} was changed: expected sha256 {sha256}, found {found}")
    return data
