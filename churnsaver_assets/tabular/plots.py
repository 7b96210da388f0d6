"""Pictures of a model's quality as PNG. Drawn on `Figure` alone: pyplot keeps global state."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from churnsaver_assets.common.bootstrap import LEVELS, resampled
from churnsaver_assets.common.drawing import (
    BLUE,
    GREEN,
    GREY,
    ORANGE,
    figure,
    label,
    plain_style,
    png,
)
from churnsaver_assets.tabular.reliability import EqualMassBins

if TYPE_CHECKING:
    from churnsaver_assets.tabular.metrics import Metrics
    from churnsaver_assets.tabular.temporal import LatestBlock, TemporalEvaluation
    from churnsaver_serving.runtime.arrays import Bools, Floats, Floats32
    from churnsaver_serving.runtime.scoring.scores import ScoringModel


_ROC_RESAMPLES = 300
_SHAP_ROWS = 2000


@plain_style
def roc_png(
    labels: Bools, probabilities: Floats, metrics: Metrics, *, title: str, seed: int
) -> bytes:
    """Draw the ROC curve with a pointwise 95 % bootstrap band, and the AUC with its interval.

    Args:
        labels: Labels, shape (n,).
        probabilities: Probabilities, shape (n,).
        metrics: Metrics of the same rows.
        title: The model's name.
        seed: Seed for the bootstrap.
    """
    grid = np.linspace(0.0, 1.0, 201)
    curves = resampled(
        lambda drawn: np.stack(
            [_roc(labels[rows], probabilities[rows], grid) for rows in drawn], axis=-1
        ),
        len(labels),
        resamples=_ROC_RESAMPLES,
        seed=seed,
    )
    low, high = np.quantile(curves, LEVELS, axis=-1)

    drawn = figure(5.4, 5.2)
    axes = drawn.subplots()
    axes.plot([0, 1], [0, 1], color=GREY, lw=1, ls="--", label="chance")
    axes.fill_between(grid, low, high, color=BLUE, alpha=0.22, lw=0, label="95 % band")
    auc = metrics.auc
    axes.plot(
        grid,
        _roc(labels, probabilities, grid),
        color=BLUE,
        lw=1.8,
        label=f"AUC {auc.mean:.3f} [{auc.low:.3f}, {auc.high:.3f}]",
    )
    axes.set(xlim=(0, 1), ylim=(0, 1.005), aspect="equal")
    label(
        axes,
        f"{title}\nROC of out-of-fold predictions",
        "False positive rate (share of non-events)",
        "True positive rate (share of events)",
    )
    axes.legend(loc="lower right", frameon=False)
    return png(drawn)


@plain_style
def reliability_png(
    labels: Bools, probabilities: Floats, metrics: Metrics, *, title: str, event: str, seed: int
) -> bytes:
    """Draw a reliability diagram with its 95 % consistency band, over a histogram of the scores.

    The band is where bins of perfectly calibrated scores lie (Bröcker & Smith 2007).

    Args:
        labels: Labels, shape (n,).
        probabilities: Probabilities, shape (n,).
        metrics: Metrics of the same rows.
        title: The model's name.
        event: The predicted event, for the axis.
        seed: Seed for the band's simulation.
    """
    from matplotlib.ticker import NullFormatter

    bins = EqualMassBins(probabilities)
    low, high = np.quantile(bins.simulate(seed=seed), LEVELS, axis=0)
    observed = bins.observed(labels)
    end = min(1.0, 1.02 * max(float(probabilities.max()), float(observed.max()), float(high[-1])))

    drawn = figure(5.4, 6.4)
    axes, below = drawn.subplots(2, 1, sharex=True, height_ratios=(3.6, 1))
    axes.plot([0, end], [0, end], color=GREY, lw=1, ls="--", label="perfect calibration")
    axes.fill_between(
        bins.predicted, low, high, color=GREY, alpha=0.3, lw=0, label="95 % of perfect models"
    )
    ece, floor = metrics.ece, metrics.ece_noise_floor
    axes.plot(
        bins.predicted,
        observed,
        color=BLUE,
        marker="o",
        ms=4.5,
        lw=1.2,
        label=f"ECE {ece.mean:.4f}; noise alone {floor.mean:.4f} (95 %: {floor.p95:.4f})",
    )
    # Rare events crowd near 0: a square root scale gives each bin about as much room.
    scale = (lambda p: np.sqrt(np.maximum(p, 0.0)), np.square)
    axes.set_xscale("function", functions=scale)
    axes.set_yscale("function", functions=scale)
    ticks = [tick for tick in (0, 0.01, 0.05, 0.1, 0.2, 0.3, 0.4, 0.6, 0.8, 1) if tick <= end]
    axes.set_xticks(ticks, labels=[f"{tick:g}" for tick in ticks])
    axes.set_yticks(ticks, labels=[f"{tick:g}" for tick in ticks])
    axes.set(xlim=(0, end), ylim=(0, end))
    label(
        axes,
        f"{title}\nReliability of out-of-fold predictions",
        "",
        f"Observed share of {event}",
    )
    axes.legend(loc="upper left", frameon=False)
    below.hist(
        probabilities, bins=(np.linspace(0, end**0.5, 61) ** 2).tolist(), color=BLUE, alpha=0.75
    )
    below.set_yscale("log")
    below.yaxis.set_minor_formatter(NullFormatter())
    label(below, "", f"Predicted probability of {event} (square root scale)", "Rows (log)")
    return png(drawn)


@plain_style
def importance_png(importance: Sequence[tuple[str, float]], *, title: str) -> bytes:
    """Draw the mean absolute SHAP contribution of each field.

    Args:
        importance: The fields with their contributions, strongest first.
        title: The model's name.
    """
    names = [name.replace("_", " ") for name, _ in importance]
    values = [value for _, value in importance]
    drawn = figure(6.4, 1.3 + 0.27 * len(names))
    axes = drawn.subplots()
    axes.barh(names, values, color=BLUE, height=0.68)
    axes.invert_yaxis()
    axes.bar_label(
        axes.containers[0], labels=[f"{v:.2f}" for v in values], padding=3, fontsize=8, color=GREY
    )
    axes.set_xlim(0, 1.12 * max(values))
    axes.margins(y=0.02)
    axes.tick_params(axis="y", length=0)
    label(axes, f"{title}\nImportance of its features", "Mean |SHAP contribution| (log-odds)", "")
    axes.grid(visible=False, axis="y")
    return png(drawn)


@plain_style
def temporal_png(evaluation: TemporalEvaluation, *, title: str) -> bytes:
    """Draw AUC and ECE in each block, by the use of the block before it; base rates below.

    Args:
        evaluation: A family over time.
        title: The model's name.
    """
    styles: dict[LatestBlock, tuple[str, str, str]] = {
        "ignored": (GREY, "s", "latest block not used"),
        "recalibrated": (ORANGE, "^", "latest block recalibrates"),
        "retrained": (BLUE, "o", "latest block trained on"),
    }
    blocks = np.array([block.block for block in evaluation.blocks])
    drawn = figure(6.4, 7.2)
    top, middle, bottom = drawn.subplots(3, 1, sharex=True, height_ratios=(1.3, 1.3, 0.8))
    for shift, (use, (color, marker, text)) in zip((-0.1, 0.0, 0.1), styles.items(), strict=True):
        for axes, name in ((top, "auc"), (middle, "ece")):
            estimates = [getattr(block.metrics[use], name) for block in evaluation.blocks]
            values = np.array([estimate.mean for estimate in estimates])
            ends = np.array([(estimate.low, estimate.high) for estimate in estimates]).T
            axes.vlines(blocks + shift, *ends, color=color, lw=1.2, alpha=0.8)
            axes.plot(blocks + shift, values, color=color, marker=marker, ms=5, lw=1.2, label=text)
    top.axhline(0.5, color=GREY, lw=1, ls="--")
    floors = [block.metrics["retrained"].ece_noise_floor.p95 for block in evaluation.blocks]
    middle.plot(blocks, floors, color=GREY, lw=1, ls=":", label="noise alone (95 %)")
    middle.set_ylim(bottom=0)
    width = 0.36
    bottom.bar(
        blocks - width / 2,
        [100 * block.base_rate_before for block in evaluation.blocks],
        width,
        color=GREY,
        label="all rows before",
    )
    bottom.bar(
        blocks + width / 2,
        [100 * block.base_rate for block in evaluation.blocks],
        width,
        color=GREEN,
        label="in the block",
    )
    label(top, f"{title}\n{evaluation.family} over time", "", "AUC (95 % interval)")
    label(middle, "", "", "ECE (95 % interval)")
    label(bottom, "", "Block in date order (expanding window)", "Base rate (%)")
    bottom.set_xticks(blocks)
    for axes in (middle, bottom):
        axes.legend(loc="upper left", frameon=False, fontsize=8)
    return png(drawn)


def shap_importance(model: ScoringModel, matrix: Floats32, *, seed: int) -> list[tuple[str, float]]:
    """Return the mean absolute SHAP contribution of each field in log-odds, strongest first.

    Args:
        model: The model to explain.
        matrix: Encoded rows, shape (n, columns); of more than 2,000 a random sample is taken.
        seed: Seed for that sample.
    """
    rng = np.random.default_rng(seed)
    rows = rng.permutation(len(matrix))[:_SHAP_ROWS]
    mean = np.abs(model.contributions(matrix[rows])[:, :-1]).mean(axis=0)
    names = [field.name for field in model.encoder.spec.fields]
    return sorted(zip(names, mean.tolist(), strict=True), key=lambda pair: -pair[1])


def _roc(labels: Bools, probabilities: Floats, grid: Floats) -> Floats:
    """Return the true positive rate at each false positive rate of the grid."""
    from sklearn.metrics import roc_curve

    false_positives, true_positives, _ = roc_curve(labels, probabilities)
    return np.asarray(np.interp(grid, false_positives, true_positives))
