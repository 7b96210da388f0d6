"""Optional dependencies: arrows to assets that an asset can do without."""

from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from typing import Any, Final

from dagster import AssetKey

_OPTIONAL: Final = "churnsaver/optional"


def optional(names: Iterable[str]) -> dict[str, list[str]]:
    """Build the metadata of an asset that can be made without the assets of these names.

    They are among its `deps`, so that the graph shows them and a new version makes it stale.
    """
    return {_OPTIONAL: sorted(names)}


def optional_keys(metadata: Mapping[str, Any]) -> AbstractSet[AssetKey]:
    """Return the keys of the assets that an asset with this metadata can do without."""
    return {AssetKey(name) for name in metadata.get(_OPTIONAL, ())}
