"""Tabular assets: each model, its out-of-fold predictions, its evaluation, and their checks."""

from collections.abc import Iterator
from typing import Final

import msgspec
import pandas as pd
from dagster import (
    AssetCheckResult,
    AssetChecksDefinition,
    AssetIn,
    AssetOut,
    AssetsDefinition,
    MaterializeResult,
    asset,
    asset_check,
    multi_asset,
)

from churnsaver_assets.data.tables.leaks import leaked_columns, outcome_copies
from churnsaver_assets.defs.lib import metadata
from churnsaver_assets.defs.lib.io import Files
from churnsaver_assets.defs.lib.labels import LABEL, label_of
from churnsaver_assets.defs.lib.versions import code_version, files_version, frame_version
from churnsaver_assets.defs.settings.stage import read_stage
from churnsaver_assets.defs.settings.tabular import (
    ChurnRiskEvaluationSettings,
    ChurnRiskGates,
    ChurnRiskSettings,
    ModelEvaluationSettings,
    ModelGates,
    ModelSettings,
    OfferAcceptanceEvaluationSettings,
    OfferAcceptanceGates,
    OfferAcceptanceSettings,
)
from churnsaver_assets.experiments.spec import TemporalSpec
from churnsaver_assets.tabular.evaluation import Evaluation, evaluate_model
from churnsaver_assets.tabular.metrics import METRIC_NAMES, Metrics
from churnsaver_assets.tabular.model import fit_model
from churnsaver_assets.tabular.report import (
    base_rate_rows,
    evaluation_rows,
    pictures,
    temporal_rows,
)
from churnsaver_assets.tabular.tasks import TASKS, ModelKind
from churnsaver_assets.tabular.temporal import LATEST_BLOCK
from churnsaver_serving.runtime.scoring.scores import ScoringModel

OWNERS: Final = ["team:ml"]
EVALUATION_FILE: Final = "evaluation.json"
SERVED_PROBABILITY: Final = "served_probability"

SOURCES: Final[dict[ModelKind, tuple[str, str]]] = {
    "churn_risk": ("telco_customers", "telco_splits"),
    "offer_acceptance": ("bank_contacts", "bank_splits"),
}
_SETTINGS: Final[dict[ModelKind, type[ModelSettings]]] = {
    "churn_risk": ChurnRiskSettings,
    "offer_acceptance": OfferAcceptanceSettings,
}
_EVALUATION_SETTINGS: Final[dict[ModelKind, type[ModelEvaluationSettings]]] = {
    "churn_risk": ChurnRiskEvaluationSettings,
    "offer_acceptance": OfferAcceptanceEvaluationSettings,
}
_GATES: Final[dict[ModelKind, type[ModelGates]]] = {
    "churn_risk": ChurnRiskGates,
    "offer_acceptance": OfferAcceptanceGates,
}
_CODE = code_version(__name__)


def read_evaluation(data: bytes) -> Evaluation:
    """Read the typed evaluation in an evaluation asset's `EVALUATION_FILE`."""
    return msgspec.json.decode(data, type=Evaluation)


def headline(data: bytes) -> dict[str, float]:
    """Return the figures of an evaluation that a release's manifest carries.

    `uncalibrated_*` are the released booster's without its calibrator. `base_rate_block_*` and
    `temporal_*`, the served family's over time, are there where the rows are in date order.
    """
    evaluation = read_evaluation(data)
    pooled = evaluation.served.pooled
    figures: dict[str, float] = {"rows": pooled.rows, "positives": pooled.positives}
    figures |= _pooled_figures(pooled, "")
    figures |= _pooled_figures(evaluation.uncalibrated.pooled, "uncalibrated_")
    figures |= {
        f"base_rate_block_{block}": rate for block, rate in enumerate(evaluation.base_rates)
    }
    for family in evaluation.temporal[:1]:
        for use in LATEST_BLOCK:
            figures |= {
                f"temporal_{use}_mean_block_auc": family.mean_block_auc(use),
                f"temporal_{use}_auc": family.pooled[use].auc.mean,
                f"temporal_{use}_ece": family.pooled[use].ece.mean,
                f"temporal_{use}_last_block_ece": family.blocks[-1].metrics[use].ece.mean,
            }
    return figures


def _pooled_figures(pooled: Metrics, prefix: str) -> dict[str, float]:
    figures = {f"{prefix}ece_noise_floor": pooled.ece_noise_floor.mean}
    for name in METRIC_NAMES:
        estimate = getattr(pooled, name)
        figures |= {
            f"{prefix}{name}": estimate.mean,
            f"{prefix}{name}_low": estimate.low,
            f"{prefix}{name}_high": estimate.high,
        }
    return figures


def _model_assets(kind: ModelKind) -> AssetsDefinition:
    table_name, splits_name = SOURCES[kind]
    title = TASKS[kind].title

    @multi_asset(
        name=kind,
        outs={
            f"{kind}_model": AssetOut(
                io_manager_key="files",
                kinds={"xgboost"},
                owners=OWNERS,
                code_version=_CODE,
                description=(
                    f"{title}: XGBoost trained on all rows, with the calibrator that "
                    "cross-validation chose. Reloaded and re-scored, bit by bit, before it counts."
                ),
            ),
            f"{kind}_predictions": AssetOut(
                io_manager_key="tables",
                kinds={"pandas", "parquet"},
                owners=OWNERS,
                code_version=_CODE,
                description=(
                    f"{title}: each row scored by boosters and calibrators that never saw it "
                    "(nested cross-fitting), and beside it the score of the served model."
                ),
            ),
        },
        ins={
            "frame": AssetIn(table_name),
            "splits": AssetIn(splits_name),
            "settings": AssetIn(f"{kind}_settings"),
        },
        group_name="tabular",
    )
    def model_and_predictions(
        frame: pd.DataFrame, splits: pd.DataFrame, settings: Files
    ) -> Iterator[MaterializeResult[Files | pd.DataFrame]]:
        parsed = read_stage(settings, _SETTINGS[kind])
        fitted = fit_model(frame, splits, parsed.model, parsed.seed, kind)
        files = dict(fitted.files)
        predictions = fitted.predictions.assign(
            **{SERVED_PROBABILITY: fitted.model.score(_columns(fitted.model, frame))}
        )
        predictions.attrs[LABEL] = label_of(frame)
        yield MaterializeResult(
            asset_key=f"{kind}_model",
            value=files,
            data_version=files_version(files),
            metadata={
                "data": label_of(frame),
                "calibrator": fitted.calibrator,
                "calibrators by cross-validated log loss": metadata.table(
                    [{"calibrator": name, "log loss": loss} for name, loss in fitted.losses.items()]
                ),
                "columns": len(fitted.model.encoder.columns),
                "bytes": sum(map(len, files.values())),
            },
        )
        yield MaterializeResult(
            asset_key=f"{kind}_predictions",
            value=predictions,
            data_version=frame_version(predictions),
            metadata={"data": label_of(frame), **metadata.frame_metadata(predictions)},
        )

    return model_and_predictions


def _evaluation_asset(kind: ModelKind) -> AssetsDefinition:
    @asset(
        name=f"{kind}_evaluation",
        ins={
            "model": AssetIn(f"{kind}_model"),
            "predictions": AssetIn(f"{kind}_predictions"),
            "frame": AssetIn(SOURCES[kind][0]),
            "settings": AssetIn(f"{kind}_evaluation_settings"),
        },
        # Its checks read them: a bound that was changed is checked anew.
        deps=[f"{kind}_gates"],
        group_name="tabular",
        kinds={"json", "matplotlib"},
        owners=OWNERS,
        code_version=_CODE,
        io_manager_key="files",
        description=(
            f"{TASKS[kind].title}: figures with 95 % intervals on the out-of-fold predictions, "
            "beside logistic regression, CatBoost and what was left out on the same folds; ROC, "
            "reliability diagram and feature importance as pictures."
        ),
    )
    def evaluation_asset(
        model: Files, predictions: pd.DataFrame, frame: pd.DataFrame, settings: Files
    ) -> MaterializeResult[Files]:
        parsed = read_stage(settings, _EVALUATION_SETTINGS[kind])
        scoring = ScoringModel.from_files(model)
        evaluation = evaluate_model(
            kind,
            scoring,
            predictions,
            frame,
            parsed.model,
            parsed.seed,
            rivals=parsed.model.rivals,
            temporal=isinstance(parsed.model, TemporalSpec) and parsed.model.temporal,
        )
        images = pictures(evaluation, scoring, predictions, frame, seed=parsed.seed)
        files = {
            EVALUATION_FILE: msgspec.json.format(msgspec.json.encode(evaluation), indent=2),
            **{f"{name}.png": png for name, png in images.items()},
        }
        by_date = {
            "base rate by block": base_rate_rows(evaluation),
            "over time": temporal_rows(evaluation),
        }
        return MaterializeResult(
            value=files,
            data_version=files_version(files),
            metadata={
                "data": label_of(frame),
                "figures": metadata.table(evaluation_rows(evaluation)),
                **{name: metadata.table(rows) for name, rows in by_date.items() if rows},
                **{name: metadata.picture(png, name) for name, png in images.items()},
            },
        )

    return evaluation_asset


def _reload_check(kind: ModelKind) -> AssetChecksDefinition:
    @asset_check(
        asset=f"{kind}_model",
        name="reload_equality",
        additional_ins={
            "frame": AssetIn(SOURCES[kind][0]),
            "predictions": AssetIn(f"{kind}_predictions"),
        },
        blocking=True,
        description="The stored files score every row exactly as the model did when it was made.",
    )
    def reload_equality(
        files: Files, frame: pd.DataFrame, predictions: pd.DataFrame
    ) -> AssetCheckResult:
        model = ScoringModel.from_files(files)
        now = model.score(_columns(model, frame))
        then = predictions[SERVED_PROBABILITY].to_numpy()
        differing = int((now != then).sum())
        return AssetCheckResult(
            passed=differing == 0, metadata={"rows": len(now), "rows that differ": differing}
        )

    return reload_equality


def _leak_check(kind: ModelKind) -> AssetChecksDefinition:
    @asset_check(
        asset=f"{kind}_model",
        name="no_leaked_column",
        additional_ins={"frame": AssetIn(SOURCES[kind][0])},
        blocking=True,
        description=(
            "No column that tells the outcome: none of the names known to, and none that alone "
            "ranks the outcome almost perfectly."
        ),
    )
    def no_leaked_column(files: Files, frame: pd.DataFrame) -> AssetCheckResult:
        encoder = ScoringModel.from_files(files).encoder
        fields = [field.name for field in encoder.spec.fields]
        leaked = leaked_columns(encoder.columns)
        copies = outcome_copies(frame[fields], frame[TASKS[kind].label])
        return AssetCheckResult(
            passed=not leaked and not copies,
            metadata={
                "columns": len(encoder.columns),
                "leaked by name": msgspec.json.encode(leaked).decode(),
                "leaked by value (AUC)": msgspec.json.encode(copies).decode(),
            },
        )

    return no_leaked_column


def _gate_check(kind: ModelKind, figure: str) -> AssetChecksDefinition:
    @asset_check(
        asset=f"{kind}_evaluation",
        name=figure,
        additional_ins={
            "gates": AssetIn(f"{kind}_gates"),
            "predictions": AssetIn(f"{kind}_predictions"),
        },
        blocking=True,
        description=(
            f"Pooled out-of-fold {figure.upper()} of the calibrated model against the experiment's "
            "gate for this kind of data."
        ),
    )
    def gate_check(evaluation: Files, gates: Files, predictions: pd.DataFrame) -> AssetCheckResult:
        pooled = read_evaluation(evaluation[EVALUATION_FILE]).served.pooled
        gate = read_stage(gates, _GATES[kind]).of(label_of(predictions))
        estimate = getattr(pooled, figure)
        value = estimate.mean
        passed = value >= gate.min_auc if figure == "auc" else value <= gate.max_ece
        return AssetCheckResult(
            passed=bool(passed),
            metadata={
                "value": value,
                "95 % interval": f"{estimate.low:.4f} to {estimate.high:.4f}",
                "bound": gate.min_auc if figure == "auc" else gate.max_ece,
                "rows": pooled.rows,
                "data": label_of(predictions),
                **({} if figure == "auc" else {"noise floor": pooled.ece_noise_floor.mean}),
            },
        )

    return gate_check


def _columns(model: ScoringModel, frame: pd.DataFrame) -> dict[str, list[object]]:
    """Return the model's raw fields of a table, as the encoder takes them."""
    return {field.name: frame[field.name].tolist() for field in model.encoder.spec.fields}


model_assets = [build(kind) for kind in TASKS for build in (_model_assets, _evaluation_asset)]
model_checks = [
    *(build(kind) for kind in TASKS for build in (_reload_check, _leak_check)),
    *(_gate_check(kind, figure) for kind in TASKS for figure in ("auc", "ece")),
]
