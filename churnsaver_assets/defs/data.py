"""Table assets: sources, canonical tables with their schema checks, splits, catalog."""

from typing import Final

import pandas as pd
from dagster import (
    AssetCheckResult,
    AssetChecksDefinition,
    AssetIn,
    AssetsDefinition,
    DataVersion,
    MaterializeResult,
    MetadataValue,
    asset,
    asset_check,
)

from churnsaver_assets.data.catalog import build_catalog
from churnsaver_assets.data.load import load_sources
from churnsaver_assets.data.sources.raw import pack_sources, unpack_sources
from churnsaver_assets.data.sources.registry_tables import TABLE_SOURCES
from churnsaver_assets.data.tables.build import build_table
from churnsaver_assets.data.tables.splits import RULES, make_splits, straddling_groups
from churnsaver_assets.defs.lib import metadata
from churnsaver_assets.defs.lib.io import Files
from churnsaver_assets.defs.lib.labels import LABEL, label_of
from churnsaver_assets.defs.lib.versions import code_version, frame_version
from churnsaver_assets.defs.settings.data import SplitsSettings
from churnsaver_assets.defs.settings.stage import read_stage

OWNERS: Final = ["team:data"]

_CODE = code_version(__name__)


def _source_asset(name: str) -> AssetsDefinition:
    source = TABLE_SOURCES[name]

    @asset(
        name=f"{name}_source",
        group_name="data",
        kinds={"csv"},
        owners=OWNERS,
        code_version=_CODE,
        io_manager_key="files",
        description=(
            f"{source.citation} Taken from the local mirror, else from the pinned public address, "
            "each verified by sha256; the generated sample only where asked for by name."
        ),
    )
    def source_asset() -> MaterializeResult[Files]:
        raw = load_sources([name])[name]
        return MaterializeResult(
            value=pack_sources({name: raw}),
            # Where the bytes were read is not part of what they are.
            data_version=DataVersion(f"{raw.label}-{raw.sha256}"),
            metadata={
                "data": raw.label,
                "origin": raw.origin,
                "read_from": raw.read_from,
                "sha256": raw.sha256,
                "bytes": len(raw.content),
                "licence": raw.licence,
                "upstream": MetadataValue.url(raw.upstream),
            },
        )

    return source_asset


def _table_asset(name: str) -> AssetsDefinition:
    source = TABLE_SOURCES[name]

    @asset(
        name=source.table,
        ins={"source": AssetIn(f"{name}_source")},
        group_name="data",
        kinds={"pandas", "parquet"},
        owners=OWNERS,
        code_version=_CODE,
        io_manager_key="tables",
        description=f"The canonical table of {source.citation}",
    )
    def table_asset(source: Files) -> MaterializeResult[pd.DataFrame]:
        raw = unpack_sources(source)[name]
        frame = build_table(raw)
        frame.attrs[LABEL] = raw.label
        return MaterializeResult(
            value=frame,
            data_version=frame_version(frame),
            metadata={"data": raw.label, **metadata.frame_metadata(frame)},
        )

    return table_asset


def _schema_check(name: str) -> AssetChecksDefinition:
    table_name = TABLE_SOURCES[name].table

    @asset_check(
        asset=table_name,
        name="schema",
        blocking=True,
        description="Types, categories, ranges, nulls, uniqueness and row count of the table.",
    )
    def schema_check(frame: pd.DataFrame) -> AssetCheckResult:
        from churnsaver_assets.data.tables.schemas import validate

        report = validate(table_name, frame, label_of(frame))
        return AssetCheckResult(
            passed=report.passed,
            metadata={
                "rows": len(frame),
                "failures": metadata.table(report.failures.astype(str).to_dict("records")),
            },
        )

    return schema_check


def _splits_asset(name: str) -> AssetsDefinition:
    table_name, rule = TABLE_SOURCES[name].table, RULES[TABLE_SOURCES[name].table]

    @asset(
        name=f"{name}_splits",
        ins={"frame": AssetIn(table_name), "settings": AssetIn("splits_settings")},
        group_name="data",
        kinds={"pandas", "parquet"},
        owners=OWNERS,
        code_version=_CODE,
        io_manager_key="tables",
        description=(
            "Folds for cross-fitting and a train/holdout side for the policies, disjoint by "
            "customer, stratified on the label, independent of the rows' order."
        ),
    )
    def splits_asset(frame: pd.DataFrame, settings: Files) -> MaterializeResult[pd.DataFrame]:
        splits = make_splits(frame, rule, seed=read_stage(settings, SplitsSettings).seed)
        splits.attrs[LABEL] = label_of(frame)
        return MaterializeResult(
            value=splits,
            data_version=frame_version(splits),
            metadata={
                "data": label_of(frame),
                "holdout": int((splits["split"] == "holdout").sum()),
                **metadata.frame_metadata(splits),
            },
        )

    return splits_asset


def _splits_check(name: str) -> AssetChecksDefinition:
    table_name, rule = TABLE_SOURCES[name].table, RULES[TABLE_SOURCES[name].table]

    @asset_check(
        asset=f"{name}_splits",
        name="disjoint",
        additional_ins={"frame": AssetIn(table_name)},
        blocking=True,
        description=(
            "Folds and sides are what they should be, and no customer (equal rows, where there is "
            "no key) stands on two of them."
        ),
    )
    def splits_check(splits: pd.DataFrame, frame: pd.DataFrame) -> AssetCheckResult:
        from churnsaver_assets.data.tables.schemas import validate

        report = validate("splits", splits, label_of(splits))
        straddling = straddling_groups(frame, splits, rule)
        return AssetCheckResult(
            passed=report.passed and not straddling,
            metadata={
                "straddling": len(straddling),
                "examples": ", ".join(straddling[:5]) or "-",
                "failures": metadata.table(report.failures.astype(str).to_dict("records")),
            },
        )

    return splits_check


def catalog_version(catalog: pd.DataFrame) -> DataVersion:
    """Return the catalog's data version: where bytes were read is not part of what they are."""
    return frame_version(catalog.drop(columns=["origin", "read_from"]))


@asset(
    ins={name: AssetIn(f"{name}_source") for name in TABLE_SOURCES}
    | {"text": AssetIn("text_sources")},
    group_name="data",
    kinds={"pandas", "parquet"},
    owners=OWNERS,
    code_version=_CODE,
    io_manager_key="tables",
)
def data_catalog(
    telco: Files, bank: Files, hillstrom: Files, text: Files
) -> MaterializeResult[pd.DataFrame]:
    """List the data sets: sha256, rows, columns, licence, real or sample."""
    stored = (telco, bank, hillstrom, text)
    catalog = build_catalog(raw for files in stored for raw in unpack_sources(files).values())
    rows = [{key: str(value) for key, value in row.items()} for row in catalog.to_dict("records")]
    return MaterializeResult(
        value=catalog,
        data_version=catalog_version(catalog),
        metadata={"catalog": metadata.table(rows), "dagster/row_count": len(catalog)},
    )


table_assets = [
    build(name) for name in TABLE_SOURCES for build in (_source_asset, _table_asset, _splits_asset)
]
table_checks = [build(name) for name in TABLE_SOURCES for build in (_schema_check, _splits_check)]
