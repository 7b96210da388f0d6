"""Pictures: PNG of a readable size, the same bytes for the same data, without pyplot's state."""

from __future__ import annotations

import struct
import subprocess
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import pytest

from churnsaver_assets.tabular.families import logistic_family
from churnsaver_assets.tabular.metrics import measure
from churnsaver_assets.tabular.model import FittedModel, fit_model
from churnsaver_assets.tabular.plots import (
    importance_png,
    reliability_png,
    roc_png,
    shap_importance,
    temporal_png,
)
from churnsaver_assets.tabular.temporal import evaluate_over_time

if TYPE_CHECKING:
    from churnsaver_assets.experiments.spec import TabularSpec
    from tests.support.data.small_tables import Small

rng = np.random.default_rng(42)
PROBABILITIES = rng.beta(1.2, 6.0, 1500)
LABELS = rng.random(1500) < PROBABILITIES


def roc() -> bytes:
    metrics = measure(LABELS, PROBABILITIES, seed=42, resamples=50)
    return roc_png(LABELS, PROBABILITIES, metrics, title="A model", seed=42)


def reliability() -> bytes:
    metrics = measure(LABELS, PROBABILITIES, seed=42, resamples=50)
    return reliability_png(
        LABELS, PROBABILITIES, metrics, title="A model", event="an event", seed=42
    )


def importance() -> bytes:
    return importance_png([("contract", 0.6), ("tenure_months", 0.4)], title="A model")


def temporal() -> bytes:
    matrix = np.random.default_rng(42).normal(size=(900, 2)).astype(np.float32)
    labels = np.random.default_rng(1).random(900) < 0.3
    evaluation = evaluate_over_time("lr", logistic_family(), matrix, labels, blocks=3, seed=42)
    return temporal_png(evaluation, title="A model")


@pytest.mark.parametrize("draw", [roc, reliability, importance, temporal])
def test_a_picture_is_a_png_and_repeats_bit_by_bit(draw: Callable[[], bytes]) -> None:
    picture = draw()
    assert picture.startswith(b"\x89PNG\r\n\x1a\n")
    width, height = struct.unpack(">II", picture[16:24])
    assert 600 <= width <= 1000
    assert 200 <= height <= 1000
    assert draw() == picture


@pytest.mark.parametrize("draw", [roc, reliability, importance, temporal])
def test_a_style_set_for_the_process_changes_no_picture(draw: Callable[[], bytes]) -> None:
    from matplotlib import style

    picture = draw()
    with style.context("fivethirtyeight"):  # as causalml sets it
        assert draw() == picture


def test_other_data_make_another_picture() -> None:
    metrics = measure(LABELS, PROBABILITIES, seed=42, resamples=50)
    other = roc_png(LABELS, PROBABILITIES**2 * LABELS, metrics, title="A model", seed=42)
    assert other != roc()


def test_importance_ranks_the_fields_by_mean_absolute_shap(
    small_telco: Small, churn_spec: TabularSpec
) -> None:
    fitted: FittedModel = fit_model(
        small_telco.frame, small_telco.splits, churn_spec, 42, "churn_risk"
    )
    ranked = shap_importance(fitted.model, small_telco.matrix[:500], seed=42)
    values = [value for _, value in ranked]
    assert values == sorted(values, reverse=True)
    assert {name for name, _ in ranked} == {f.name for f in fitted.model.encoder.spec.fields}
    by_hand = np.abs(fitted.model.contributions(small_telco.matrix[:500])[:, :-1]).mean(axis=0)
    np.testing.assert_allclose(sorted(values), np.sort(by_hand), rtol=1e-9)
    assert ranked[0][0] == "contract"


def test_heavy_libraries_load_on_use_and_pyplot_never() -> None:
    code = (
        "import sys\n"
        "from churnsaver_assets.tabular import evaluation, model, plots\n"
        "heavy = {'xgboost', 'sklearn', 'scipy', 'catboost', 'matplotlib', 'venn_abers'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)\n"
        "plots.importance_png([('a', 1.0)], title='t')\n"
        "assert 'matplotlib' in sys.modules and 'matplotlib.pyplot' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
