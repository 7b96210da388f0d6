"""The manifest of a release: its files, their origin, and the checks that it passed."""

import hashlib
from typing import Literal

import msgspec

SCHEMA_VERSION = 4
MANIFEST_FILE = "manifest.json"

DataLabel = Literal["real", "sample"]


class FileEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One file: size in bytes and sha256 of its contents."""

    size: int
    sha256: str


class Upstream(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The materialisation of an upstream asset that went into the release."""

    run_id: str
    data_version: str


class CheckRecord(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One asset check that the release passed."""

    asset: str
    name: str
    run_id: str


class Dataset(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One data set behind the release."""

    name: str
    label: DataLabel
    sha256: str
    rows: int
    licence: str


class Experiment(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The experiment file behind the release."""

    name: str
    sha256: str


class MessageSource(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where the release's messages come from.

    Attributes:
        source: "bank" where a trained writer's messages are in it, vetted templates behind them;
            "templates" where there are these alone.
        reason: Why there is no bank; None where there is one.
    """

    source: Literal["bank", "templates"]
    reason: str | None


class Manifest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Everything about a release but its files' contents.

    Attributes:
        schema_version: Version of this layout.
        created_at: RFC 3339, UTC.
        data: "sample" as soon as one data set is generated.
        experiment: The experiment file.
        datasets: The data sets.
        upstream: The assets that went in, by asset key.
        checks: The blocking asset checks, all passed.
        metrics: The headline figures, by model.
        libraries: Versions of the libraries that trained it.
        files: Every other file of the release, by relative path.
        messages: Where its messages come from; None where it was made before that was recorded.
    """

    schema_version: int
    created_at: str
    data: DataLabel
    experiment: Experiment
    datasets: tuple[Dataset, ...]
    upstream: dict[str, Upstream]
    checks: tuple[CheckRecord, ...]
    metrics: dict[str, dict[str, float]]
    libraries: dict[str, str]
    files: dict[str, FileEntry]
    messages: MessageSource | None = None


def encode_manifest(manifest: Manifest) -> bytes:
    """Encode to canonical bytes (sorted keys), of which the release id is the hash."""
    return msgspec.json.format(msgspec.json.encode(manifest, order="sorted"), indent=2)


def release_id(manifest_bytes: bytes) -> str:
    """Name of the release: sha256 of its manifest's bytes, hexadecimal."""
    return hashlib.sha256(manifest_bytes).hexdigest()


def file_entries(files: dict[str, bytes]) -> dict[str, FileEntry]:
    """Make the manifest entries for files' contents."""
    return {
        path: FileEntry(size=len(data), sha256=hashlib.sha256(data).hexdigest())
        for path, data in sorted(files.items())
    }
