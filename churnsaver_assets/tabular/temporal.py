"""Rolling evaluation over rows in date order: learn from the past, test on the next block."""

from collections.abc import Mapping
from itertools import pairwise
from typing import Literal

import msgspec
import numpy as np

from churnsaver_assets.tabular.calibration import fit_intercept
from churnsaver_assets.tabular.families import Family
from churnsaver_assets.tabular.metrics import Metrics, measure
from churnsaver_serving.runtime.arrays import Bools, Floats, Floats32
from churnsaver_serving.runtime.scoring.calibration import sigmoid

LatestBlock = Literal["ignored", "recalibrated", "retrained"]
"""What is done with the block before the tested one: nothing, moving the older model's intercept to
its base rate, or training on it too."""
LATEST_BLOCK: tuple[LatestBlock, ...] = ("ignored", "recalibrated", "retrained")


class TemporalBlock(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One tested block.

    Attributes:
        block: The block's number, from 2 on; 0 is the oldest.
        rows_before: Number of rows before the block.
        base_rate_before: Share of events among the rows before.
        base_rate: Share of events in the block.
        metrics: Figures by the use of the latest block before it.
    """

    block: int
    rows_before: int
    base_rate_before: float
    base_rate: float
    metrics: Mapping[LatestBlock, Metrics]


class TemporalEvaluation(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A family over time.

    Attributes:
        family: The family's name.
        blocks: The tested blocks, oldest first.
        pooled: Figures of all tested rows together. AUC across blocks also rewards knowing the
            period's base rate; `mean_block_auc` doesn't.
    """

    family: str
    blocks: tuple[TemporalBlock, ...]
    pooled: Mapping[LatestBlock, Metrics]

    def mean_block_auc(self, use: LatestBlock) -> float:
        """Return the mean over the blocks of the AUC within each."""
        return float(np.mean([block.metrics[use].auc.mean for block in self.blocks]))


def evaluate_over_time(
    name: str, family: Family, matrix: Floats32, labels: Bools, *, blocks: int, seed: int
) -> TemporalEvaluation:
    """Test on an expanding window: block k is predicted from blocks 0 to k - 1, from k = 2 on.

    The latest block, k - 1, can be ignored, used to recalibrate or used to train; each is measured,
    so that the gain of recalibration and that of training on fresh rows are told apart.

    Args:
        name: The family's name.
        family: The family to train.
        matrix: Encoded rows in date order, shape (n, columns).
        labels: Labels, shape (n,).
        blocks: Number of blocks of equal size that the rows are cut into, at least 3.
        seed: Seed for the metrics' resampling.

    Raises:
        ValueError: There are fewer than 3 blocks, or a block has labels of one class only.
    """
    if blocks < 3:  # noqa: PLR2004
        raise ValueError(f"recalibration needs at least 3 blocks, got {blocks}")
    bounds = _bounds(len(labels), blocks)
    tested: list[TemporalBlock] = []
    probabilities: dict[LatestBlock, list[Floats]] = {use: [] for use in LATEST_BLOCK}
    older = family(matrix[: bounds[1]], labels[: bounds[1]])
    for block in range(2, blocks):
        latest = slice(bounds[block - 1], bounds[block])
        test = slice(bounds[block], bounds[block + 1])
        newer = family(matrix[: test.start], labels[: test.start])
        margins = older(matrix[test])
        shift = fit_intercept(older(matrix[latest]), labels[latest])
        predicted: dict[LatestBlock, Floats] = {
            "ignored": sigmoid(margins),
            "recalibrated": shift.transform(margins),
            "retrained": sigmoid(newer(matrix[test])),
        }
        for use, values in predicted.items():
            probabilities[use].append(values)
        tested.append(
            TemporalBlock(
                block=block,
                rows_before=test.start,
                base_rate_before=float(labels[: test.start].mean()),
                base_rate=float(labels[test].mean()),
                metrics=_measure_each(labels[test], predicted, seed),
            )
        )
        older = newer
    pooled = {use: np.concatenate(parts) for use, parts in probabilities.items()}
    return TemporalEvaluation(
        family=name, blocks=tuple(tested), pooled=_measure_each(labels[bounds[2] :], pooled, seed)
    )


def base_rates(labels: Bools, blocks: int) -> tuple[float, ...]:
    """Return the share of events in each of `blocks` blocks of rows in date order."""
    bounds = _bounds(len(labels), blocks)
    return tuple(float(labels[start:end].mean()) for start, end in pairwise(bounds))


def _bounds(rows: int, blocks: int) -> list[int]:
    """Return where each block begins, and where the last one ends."""
    return [int(bound) for bound in np.linspace(0, rows, blocks + 1)]


def _measure_each(
    labels: Bools, probabilities: Mapping[LatestBlock, Floats], seed: int
) -> dict[LatestBlock, Metrics]:
    return {use: measure(labels, values, seed=seed) for use, values in probabilities.items()}
