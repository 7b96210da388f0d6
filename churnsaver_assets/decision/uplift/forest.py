"""Uplift trees: grown by causalml, kept as plain numbers, evaluated in NumPy."""

from __future__ import annotations

import logging
import warnings
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
import numpy.typing as npt

from churnsaver_assets.decision.uplift.outcomes import CONTROL

if TYPE_CHECKING:
    from churnsaver_assets.decision.uplift.outcomes import Randomised
    from churnsaver_assets.experiments.baselines_spec import UpliftForestSpec
    from churnsaver_serving.runtime.arrays import Floats


_LEAF = -1


class UpliftTree(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One tree as arrays over its nodes; node 0 is the root, children come after their parent.

    Attributes:
        feature: Column that a node splits on; -1 for a leaf.
        threshold: Rows with value <= threshold go left.
        left: Left child; -1 for a leaf.
        right: Right child; -1 for a leaf.
        rates: Probability of the outcome under each arm, at every node.
    """

    feature: tuple[int, ...]
    threshold: tuple[float, ...]
    left: tuple[int, ...]
    right: tuple[int, ...]
    rates: tuple[tuple[float, ...], ...]

    def __post_init__(self) -> None:
        """Refuse nodes that don't make a tree, or a row could walk in circles."""
        nodes = len(self.feature)
        if not nodes == len(self.threshold) == len(self.left) == len(self.right) == len(self.rates):
            raise ValueError("expected arrays of one length, one entry for each node")
        if nodes == 0 or len({len(rates) for rates in self.rates}) != 1:
            raise ValueError("rates: expected as many for each node, and at least one node")
        for node, children in enumerate(zip(self.left, self.right, strict=True)):
            leaf = self.feature[node] == _LEAF
            if any(not (child == _LEAF if leaf else node < child < nodes) for child in children):
                raise ValueError(f"node {node}: children {children} don't follow it")


class UpliftForest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The mean of some trees (an `OutcomeModel`)."""

    trees: tuple[UpliftTree, ...]

    def rates(self, matrix: Floats) -> Floats:
        """Return the probability of the outcome under each arm, shape (n, K + 1)."""
        # causalml grows and evaluates its trees on float32.
        narrow = matrix.astype(np.float32)
        total: Floats = np.sum([_tree_rates(tree, narrow) for tree in self.trees], axis=0)
        return total / len(self.trees)


def fit_forest(data: Randomised, spec: UpliftForestSpec, seed: int) -> UpliftForest:
    """Grow uplift trees on bootstraps of the data.

    Splits maximise the divergence between the arms' outcome distributions, all treatments at once
    (Rzepakowski and Jaroszewicz 2012).

    Args:
        data: The randomised rows, of all arms.
        spec: Number and shape of the trees.
        seed: Seed for bootstraps and feature subsets.

    Raises:
        ValueError: Too few rows, so that a bootstrap lacks an arm.
    """
    grown = grow(data, spec, seed)
    trees = tuple(_export(tree) for tree in grown.uplift_forest)
    if len(trees) != spec.trees or any(len(tree.rates[0]) != data.arms for tree in trees):
        raise ValueError(f"a bootstrap of {len(data.arm)} rows lacks one of {data.arms} arms")
    return UpliftForest(trees)


def grow(data: Randomised, spec: UpliftForestSpec, seed: int) -> Any:  # noqa: ANN401 - untyped
    """Fit causalml's own `UpliftRandomForestClassifier`."""
    # The import reports an optional package that is not there as an error.
    logging.getLogger("duecredit").setLevel(logging.CRITICAL)
    with warnings.catch_warnings():
        # The import reaches shap, which calls what matplotlib will deprecate.
        warnings.simplefilter("ignore")
        from causalml.inference.tree import UpliftRandomForestClassifier

    forest = UpliftRandomForestClassifier(
        control_name=CONTROL,
        n_estimators=spec.trees,
        evaluationFunction=spec.criterion,
        max_depth=spec.max_depth,
        max_features=spec.max_features,
        min_samples_leaf=spec.min_samples_leaf,
        min_samples_treatment=spec.min_samples_treatment,
        n_reg=spec.n_reg,
        normalization=spec.normalization,
        honesty=spec.honesty,
        n_jobs=1,
        random_state=seed,
    )
    return forest.fit(X=data.matrix, treatment=data.arm, y=data.outcome.astype(np.int64))


def _export(grown: Any) -> UpliftTree:  # noqa: ANN401 - causalml has no types
    kernel = grown.tree_
    leaf = kernel.children_left == _LEAF
    return UpliftTree(
        feature=tuple(np.where(leaf, _LEAF, kernel.feature).tolist()),
        threshold=tuple(np.where(leaf, 0.0, kernel.threshold).tolist()),
        left=tuple(kernel.children_left.tolist()),
        right=tuple(kernel.children_right.tolist()),
        # An arm that a node lacks counts as 0, as in causalml.
        rates=tuple(map(tuple, np.nan_to_num(kernel.value[:, :, 0]).tolist())),
    )


def _tree_rates(tree: UpliftTree, matrix: npt.NDArray[np.float32]) -> Floats:
    feature, threshold = np.asarray(tree.feature), np.asarray(tree.threshold)
    left, right = np.asarray(tree.left), np.asarray(tree.right)
    rows = np.arange(len(matrix))
    node = np.zeros(len(matrix), dtype=np.int64)
    while (inner := feature[node] != _LEAF).any():
        at = node[inner]
        goes_left = matrix[rows[inner], feature[at]] <= threshold[at]
        node[inner] = np.where(goes_left, left[at], right[at])
    rates: Floats = np.asarray(tree.rates, dtype=np.float64)[node]
    return rates
