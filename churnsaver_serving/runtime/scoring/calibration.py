"""Calibrators as data: each maps a model's margin (log-odds) to a probability, in NumPy.

They are fitted with libraries on the training side and travel as JSON. Fitting doesn't belong here.
"""

import math
from functools import cached_property
from itertools import pairwise

import msgspec
import numpy as np

from churnsaver_serving.runtime.arrays import Floats

_LEAST, _MOST = float(np.finfo(np.float64).tiny), 1.0 - float(np.finfo(np.float64).epsneg)


def sigmoid(margin: Floats) -> Floats:
    """Apply the logistic function, exact in the lower tail; never 0 or 1, so `logit` is finite."""
    return np.clip(np.exp(-np.logaddexp(0.0, -margin)), _LEAST, _MOST)


def logit(probability: Floats) -> Floats:
    """Return the log-odds of a probability strictly between 0 and 1."""
    return np.log(probability) - np.log1p(-probability)


class Platt(msgspec.Struct, tag="platt", frozen=True, forbid_unknown_fields=True):
    """sigmoid(slope * margin + intercept). Platt 1999."""

    slope: float
    intercept: float

    def transform(self, margin: Floats) -> Floats:
        """Map margins of shape (n,) to probabilities of shape (n,)."""
        return sigmoid(self.slope * margin + self.intercept)


class Beta(msgspec.Struct, tag="beta", frozen=True, forbid_unknown_fields=True):
    """sigmoid(a ln q - b ln(1 - q) + c) with q = sigmoid(margin). Kull et al. 2017, eq. 4."""

    a: float
    b: float
    c: float

    def transform(self, margin: Floats) -> Floats:
        """Map margins of shape (n,) to probabilities of shape (n,)."""
        log_q = -np.logaddexp(0.0, -margin)
        log_not_q = -np.logaddexp(0.0, margin)
        return sigmoid(self.a * log_q - self.b * log_not_q + self.c)


class Isotonic(msgspec.Struct, tag="isotonic", frozen=True, forbid_unknown_fields=True, dict=True):
    """Piecewise linear between the knots (margin, probability). Zadrozny & Elkan 2002.

    `floor` keeps the ends off 0 and 1, where a hazard or a log-odds would be infinite.
    """

    margins: tuple[float, ...]
    probabilities: tuple[float, ...]
    floor: float

    def __post_init__(self) -> None:
        """Refuse knots that don't make a function."""
        if not 0 < len(self.margins) == len(self.probabilities):
            raise ValueError(
                f"expected as many probabilities as margins and at least one, "
                f"got {len(self.probabilities)} and {len(self.margins)}"
            )
        _check_ascending("margins", self.margins)
        _check_ascending("probabilities", self.probabilities)

    @cached_property
    def _knots(self) -> tuple[Floats, Floats]:
        return np.array(self.margins), np.array(self.probabilities)

    def transform(self, margin: Floats) -> Floats:
        """Map margins of shape (n,) to probabilities of shape (n,)."""
        raw = np.interp(margin, *self._knots)
        return np.clip(raw, self.floor, 1.0 - self.floor)


class VennAbers(
    msgspec.Struct, tag="venn_abers", frozen=True, forbid_unknown_fields=True, dict=True
):
    """Inductive Venn-Abers: p = p1 / (1 - p0 + p1). Vovk, Petej & Fedorova 2015, section 4.

    A margin that k of the K ascending thresholds lie strictly below, and l at or below, takes
    `p1[k]` and `p0[l]`: k and l differ only where it equals a threshold. Both have K + 1 entries.
    """

    thresholds: tuple[float, ...]
    p0: tuple[float, ...]
    p1: tuple[float, ...]

    def __post_init__(self) -> None:
        """Refuse steps that don't make a function, or one that could reach 0 or 1."""
        if not len(self.thresholds) + 1 == len(self.p0) == len(self.p1):
            raise ValueError(
                f"expected one more p0 and p1 than the {len(self.thresholds)} thresholds, "
                f"got {len(self.p0)} and {len(self.p1)}"
            )
        for name in ("thresholds", "p0", "p1"):
            _check_ascending(name, getattr(self, name))
        if self.p0[-1] >= 1.0 or self.p1[0] <= 0.0:
            raise ValueError(
                f"expected p0 < 1 and p1 > 0, got p0 up to {self.p0[-1]} and p1 from {self.p1[0]}"
            )

    @cached_property
    def _steps(self) -> tuple[Floats, Floats, Floats]:
        return np.array(self.thresholds, dtype=np.float64), np.array(self.p0), np.array(self.p1)

    def transform(self, margin: Floats) -> Floats:
        """Map margins of shape (n,) to probabilities of shape (n,)."""
        thresholds, below, above = self._steps
        p0 = below[np.searchsorted(thresholds, margin, side="right")]
        p1 = above[np.searchsorted(thresholds, margin, side="left")]
        return p1 / (1.0 - p0 + p1)


def _check_ascending(name: str, values: tuple[float, ...]) -> None:
    if not all(math.isfinite(value) for value in values):
        raise ValueError(f"{name}: expected finite numbers")
    if any(after < before for before, after in pairwise(values)):
        raise ValueError(f"{name}: expected ascending numbers")


Calibrator = Platt | Beta | Isotonic | VennAbers
