"""A release's files as they were written: every one checked against the manifest."""

import hashlib
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


class ReleaseError(ValueError):
    """A release that must not be served: names the file and what is wrong with it."""


def read_verified(directory: UPath) -> tuple[Manifest, dict[str, bytes]]:
    """Read a release's files and check every one of them against the manifest.

    Returns:
        The manifest, and the files' contents by relative path.

    Raises:
        ReleaseError: a file is missing, added or changed, or the directory's name is not the hash
            of its manifest.
    """
    try:
        head = (directory / MANIFEST_FILE).read_bytes()
    except FileNotFoundError as error:
        raise ReleaseError(f"{MANIFEST_FILE} is missing in {directory}: no release") from error
    if release_id(head) != directory.name:
        raise ReleaseError(
            f"{MANIFEST_FILE} was changed: its sha256 is {release_id(head)}, "
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
        for found in directory.rglob("*")
        if found.is_file()
    }
    if extra := present - set(manifest.files) - {MANIFEST_FILE}:
        raise ReleaseError(f"files that the manifest doesn't name: {', '.join(sorted(extra))}")
    return manifest, {
        path: _read_checked(directory, path, entry.size, entry.sha256)
        for path, entry in manifest.files.items()
    }


def check_paths(manifest: Manifest) -> None:
    """Refuse paths that lead anywhere but below the release's directory.

    Raises:
        ReleaseError: names the path.
    """
    for path in manifest.files:
        parts = path.replace("\\", "/").split("/")
        if "" in parts or ".." in parts:  # an absolute path begins with an empty part
            raise ReleaseError(f"{MANIFEST_FILE} names {path!r}, which is not below the release")


def decode(data: bytes, kind: type[T], path: str) -> T:
    """A part of a release from its JSON.

    Raises:
        ReleaseError: it can't be read; names `path`.
    """
    try:
        return msgspec.json.decode(data, type=kind)
    except msgspec.MsgspecError as error:
        raise ReleaseError(f"{path} can't be read: {error}") from error


def _read_checked(directory: UPath, path: str, size: int, sha256: str) -> bytes:
    try:
        data = (directory / path).read_bytes()
    except FileNotFoundError as error:
        raise ReleaseError(f"{path} is missing in release {directory.name}") from error
    if len(data) != size:
        raise ReleaseError(f"{path} was changed: expected {size} bytes, found {len(data)}")
    if (found := hashlib.sha256(data).hexdigest()) != sha256:
        raise ReleaseError(f"{path} was changed: expected sha256 {sha256}, found {found}")
    return data
