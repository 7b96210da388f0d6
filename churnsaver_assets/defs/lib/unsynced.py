"""Assets that need to run: never made or lost, out of date, or with a check in the way.

The same answer as the UI's "Materialize unsynced". Dagster keeps the resolver behind it private, so
this is the one module that imports from `dagster._core`.
"""

from collections.abc import Iterable
from collections.abc import Set as AbstractSet
from typing import TYPE_CHECKING, cast

from dagster import AssetKey, AssetsDefinition, DagsterInstance, Definitions
from dagster._core.asset_graph_view.asset_graph_view import AssetGraphView
from dagster._core.definitions.data_version import CachingStaleStatusResolver, StaleStatus
from dagster._core.definitions.temporal_context import TemporalContext
from dagster._core.storage.event_log.base import AssetRecord
from dagster._time import get_current_datetime

from churnsaver_assets.defs.lib.gate import GateClosed, is_overridden, passed_checks

if TYPE_CHECKING:
    from churnsaver_assets.defs.lib.io import StoredIO


def unsynced(defs: Definitions, instance: DagsterInstance) -> set[AssetKey]:
    """Find the assets that are missing or stale, or have a blocking check missing, failed or stale.

    An asset that is recorded and whose value is gone is missing, too: records and values may lie in
    different places. Settings that were changed for one run are out of date once that has ended. An
    asset whose upstream is about to change is not in the set until that has run: ask again.
    """
    graph = defs.resolve_asset_graph()
    view = AssetGraphView(
        temporal_context=TemporalContext(effective_dt=get_current_datetime(), last_event_id=None),
        instance=instance,
        asset_graph=graph,
    )
    # One query for all records, in place of one for each.
    AssetRecord.prepare(view, graph.materializable_asset_keys)
    resolver = CachingStaleStatusResolver(instance, graph, loading_context=view)
    keys = {
        key
        for key in graph.materializable_asset_keys
        if resolver.get_status(key) != StaleStatus.FRESH or _was_overridden(view, key)
    }
    keys |= _without_value(defs, graph.materializable_asset_keys - keys)
    for key in graph.asset_check_keys:
        if graph.get(key).blocking and key.asset_key not in keys:
            try:
                passed_checks(instance, [key])
            except GateClosed:
                keys.add(key.asset_key)
    return keys


def _was_overridden(view: AssetGraphView, key: AssetKey) -> bool:
    """Return whether these are settings that were changed for one run, which is over."""
    record = AssetRecord.blocking_get(view, key)
    latest = None if record is None else record.asset_entry.last_materialization_record
    return latest is not None and is_overridden(latest)


def _without_value(defs: Definitions, keys: AbstractSet[AssetKey]) -> set[AssetKey]:
    """Return those of the assets that have no stored value."""
    stores = defs.resources or {}
    return {
        key
        for definition in cast("Iterable[AssetsDefinition]", defs.assets)
        for key in definition.keys & keys
        if not cast("StoredIO", stores[definition.get_io_manager_key_for_asset_key(key)]).has(key)
    }
