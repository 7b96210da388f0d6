"""The gate before a release: what goes in fits together, and every blocking check on it passed.

A blocking check stops only what is downstream in its own run, and anyone may materialise a part of
the graph. So a release reads check results, lineage and contents itself.
"""

from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from dagster import (
    AssetCheckEvaluation,
    AssetCheckKey,
    AssetChecksDefinition,
    AssetKey,
    AssetsDefinition,
    AssetSelection,
    DagsterInstance,
    DataVersion,
    EventLogRecord,
)

from churnsaver_serving.runtime.manifest import CheckRecord, Upstream

OVERRIDDEN = "changed for one run"
"""Metadata of settings that were changed in the launchpad: what was put in place of the file's."""

_DATA_VERSION = "dagster/data_version"
_INPUT_VERSION = "dagster/input_data_version/"
_CODE_VERSION = "dagster/code_version"


class GateClosed(Exception):
    """A release was refused: names what is in the way and what to do."""


@dataclass(frozen=True, slots=True)
class Lineage:
    """Assets with all that they are made of, directly or not.

    Attributes:
        parents: The parents of each asset.
        code_versions: The code version of each asset, as the code is now.
    """

    parents: Mapping[AssetKey, AbstractSet[AssetKey]]
    code_versions: Mapping[AssetKey, str | None]


@dataclass(frozen=True, slots=True)
class Gate:
    """Everything that must be in order before some assets may be in a release.

    Attributes:
        lineage: The assets and all that is upstream of them, which must fit together.
        checks: The blocking checks on any of these, which must have passed on the latest data.
    """

    lineage: Lineage
    checks: frozenset[AssetCheckKey]


def gate_before(
    names: Iterable[str],
    assets: Iterable[AssetsDefinition],
    checks: Iterable[AssetChecksDefinition],
) -> Gate:
    """Build the gate before the assets of these names.

    Args:
        names: Names of the assets that go into a release.
        assets: All assets.
        checks: All checks.
    """
    lineage = lineage_of(names, assets)
    blocking = (spec for check in checks for spec in check.check_specs if spec.blocking)
    return Gate(lineage, frozenset(one.key for one in blocking if one.asset_key in lineage.parents))


def pass_gates(instance: DagsterInstance, *gates: Gate) -> list[CheckRecord]:
    """Return the results of the checks of these gates, all passed, sorted by key.

    Raises:
        GateClosed: An asset is missing or out of date, or a check is missing, failed or stale.
    """
    for gate in gates:
        check_lineage(instance, gate.lineage)
    return passed_checks(instance, {key for gate in gates for key in gate.checks})


def lineage_of(names: Iterable[str], assets: Iterable[AssetsDefinition]) -> Lineage:
    """Find the assets of these names and all that is upstream of them."""
    assets = list(assets)
    keys = AssetSelection.assets(*names).upstream().resolve(assets)
    parents: dict[AssetKey, AbstractSet[AssetKey]] = {}
    code_versions: dict[AssetKey, str | None] = {}
    for definition in assets:
        for key in definition.keys & keys:
            parents[key] = definition.asset_deps[key]
            code_versions[key] = definition.specs_by_key[key].code_version
    return Lineage(parents, code_versions)


def check_lineage(instance: DagsterInstance, lineage: Lineage) -> None:
    """Verify that today's code made each asset from the latest version of each of its parents.

    Without it a model could be released on the evaluation of another one.

    Raises:
        GateClosed: An asset was never materialised, is out of date with its code or a parent, or
            has settings that were changed for one run.
    """
    latest = {key: _latest(instance, key) for key in lineage.parents}
    tags = {key: _tags(record) for key, record in latest.items()}
    problems: list[str] = []
    for key, parents in sorted(lineage.parents.items(), key=str):
        name = key.to_user_string()
        if is_overridden(latest[key]):
            problems.append(f"{name} was {OVERRIDDEN} and is not as in the experiment file")
        if tags[key].get(_CODE_VERSION) != lineage.code_versions[key]:
            problems.append(f"{name} was made by other code than today's")
        problems.extend(
            f"{name} was made from another {parent.to_user_string()} than the latest"
            for parent in sorted(parents, key=str)
            if tags[key].get(_INPUT_VERSION + parent.to_user_string())
            != tags[parent].get(_DATA_VERSION)
        )
    if problems:
        raise GateClosed(
            "no release: " + "; ".join(problems) + ". Materialise what is unsynced, then release."
        )


def passed_checks(instance: DagsterInstance, keys: Iterable[AssetCheckKey]) -> list[CheckRecord]:
    """Return the latest results of these checks, all passed.

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
        if not evaluation.passed:
            problems.append(f"{name} failed in run {record.run_id}")
        elif target is None or target.storage_id != _latest(instance, key.asset_key).storage_id:
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


def verified_upstream(
    instance: DagsterInstance, versions: Mapping[str, DataVersion]
) -> dict[str, Upstream]:
    """Return run id and data version of each asset, whose stored value is the one recorded.

    Args:
        instance: The instance that has the records.
        versions: Versions of the values as they were loaded, by asset.

    Raises:
        GateClosed: an asset was never materialised, or its value was changed since (by hand, by a
            run that was killed before it was recorded, by one beside this one).
    """
    result: dict[str, Upstream] = {}
    for name, version in sorted(versions.items()):
        record = _latest(instance, AssetKey(name))
        recorded = _tags(record).get(_DATA_VERSION)
        if recorded != version.value:
            raise GateClosed(
                f"no release: the stored value of {name} is not the one that was recorded "
                f"(expected version {recorded}, found {version.value}). Materialise {name} again."
            )
        result[name] = Upstream(run_id=record.run_id, data_version=version.value)
    return result


def is_overridden(record: EventLogRecord) -> bool:
    """Return whether a materialisation is of settings that were changed for one run."""
    materialization = record.event_log_entry.asset_materialization
    return materialization is not None and OVERRIDDEN in materialization.metadata


def _tags(record: EventLogRecord) -> Mapping[str, str]:
    materialization = record.event_log_entry.asset_materialization
    return (materialization.tags if materialization else None) or {}


def _latest(instance: DagsterInstance, key: AssetKey) -> EventLogRecord:
    found = instance.fetch_materializations(key, limit=1).records
    if not found:
        raise GateClosed(f"no release: {key.to_user_string()} was never materialised")
    return found[0]
