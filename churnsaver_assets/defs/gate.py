"""The gate before a release: every blocking check present, passed, and about the latest data.

A blocking check stops only what is downstream in its own run, so a release reads the results
itself.
"""

from collections.abc import Iterable

from dagster import AssetCheckEvaluation, AssetCheckKey, AssetKey, DagsterInstance, EventLogRecord

from churnsaver_serving.runtime.manifest import CheckRecord, Upstream


class GateClosed(Exception):
    """A release was refused: names each check that is missing, failed or stale."""


def passed_checks(instance: DagsterInstance, keys: Iterable[AssetCheckKey]) -> list[CheckRecord]:
    """The latest results of these checks, all passed.

    A result is stale when its asset was materialised again since.

    Raises:
        GateClosed: any check is missing, failed or stale.
    """
    records: list[CheckRecord] = []
    problems: list[str] = []
    for key in sorted(keys, key=str):
        name = f"{key.asset_key.to_user_string()}:{key.name}"
        record = instance.get_latest_asset_check_evaluation_record(key)
        evaluation = record.evaluation if record else None
        # A check that was planned and not reached (its run stopped before) has a record, too.
        if record is None or not isinstance(evaluation, AssetCheckEvaluation):
            problems.append(f"{name} is missing (not run on the latest data)")
            continue
        target = evaluation.target_materialization_data
        latest = _latest(instance, key.asset_key)
        if not evaluation.passed:
            problems.append(f"{name} failed in run {record.run_id}")
        elif target is None or target.storage_id != latest.storage_id:
            problems.append(f"{name} is stale: {key.asset_key.to_user_string()} changed since")
        else:
            records.append(
                CheckRecord(
                    asset=key.asset_key.to_user_string(), name=key.name, run_id=record.run_id
                )
            )
    if problems:
        raise GateClosed(
            "no release: "
            + "; ".join(problems)
            + ". Materialise the assets named with their checks."
        )
    return records


def upstream_versions(instance: DagsterInstance, keys: Iterable[AssetKey]) -> dict[str, Upstream]:
    """Run id and data version of the latest materialisation of each asset.

    Raises:
        GateClosed: an asset was never materialised.
    """
    result: dict[str, Upstream] = {}
    for key in sorted(keys, key=str):
        event = _latest(instance, key).event_log_entry
        materialization = event.asset_materialization
        tags = (materialization.tags if materialization else None) or {}
        result[key.to_user_string()] = Upstream(
            run_id=event.run_id, data_version=tags.get("dagster/data_version", "")
        )
    return result


def _latest(instance: DagsterInstance, key: AssetKey) -> EventLogRecord:
    found = instance.fetch_materializations(key, limit=1).records
    if not found:
        raise GateClosed(f"no release: {key.to_user_string()} was never materialised")
    return found[0]
