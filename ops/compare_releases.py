"""Compares two releases: files by hash, figures by value, upstream assets by data version.

    python -m ops.compare_releases RELEASE OTHER

Exits with 1 where a file differs or only one has it. Code that was moved or renamed must give the
same bytes at the same settings; this shows whether it does.
"""

import argparse
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def read_manifest(release: Path) -> dict[str, Any]:
    """Read the manifest of a release's directory."""
    manifest: dict[str, Any] = json.loads((release / "manifest.json").read_bytes())
    return manifest


def different(one: Mapping[str, Any], other: Mapping[str, Any]) -> list[str]:
    """List the names whose values are not the same in both, with both values."""
    missing = "nothing"
    return [
        f"{name}: {one.get(name, missing)} | {other.get(name, missing)}"
        for name in sorted({*one, *other})
        if one.get(name, missing) != other.get(name, missing)
    ]


def figures(manifest: Mapping[str, Any]) -> dict[str, float]:
    """Flatten the metrics of a manifest to one level."""
    return {
        f"{group}.{name}": value
        for group, values in manifest["metrics"].items()
        for name, value in values.items()
    }


def main() -> int:
    """Print what differs, kind by kind, and return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("one", type=Path, help="directory of a release")
    parser.add_argument("other", type=Path, help="directory of another")
    options = parser.parse_args()
    one, other = read_manifest(options.one), read_manifest(options.other)
    files = [
        {name: entry["sha256"] for name, entry in each["files"].items()} for each in (one, other)
    ]
    versions = [
        {name: entry["data_version"] for name, entry in each["upstream"].items()}
        for each in (one, other)
    ]
    kinds = {
        "files": (files[0], files[1]),
        "figures": (figures(one), figures(other)),
        "data versions of upstream assets": (versions[0], versions[1]),
    }
    for kind, (left, right) in kinds.items():
        lines = different(left, right)
        same = len({*left} & {*right}) - sum(1 for line in lines if "nothing" not in line)
        print(f"{kind}: {same} the same, {len(lines)} not")
        for line in lines:
            print(f"  {line}")
    return 1 if different(*kinds["files"]) else 0


if __name__ == "__main__":
    sys.exit(main())
