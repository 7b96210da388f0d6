"""Calibrators as data: each maps a model's margin (log-odds) to a probability, in NumPy.

They are fitted with libraries on the training side and travel as JSON. Fitting doesn't belong here.
"""

import msgspec
import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


def sigmoid(margin: Floats) -> Floats:
    """Logistic function, without overflow at either end."""
    return 0.5 * (1.0 + np.tanh(0.5 * margin))


def logit(probability: Floats) -> Floats:
    """Log-odds of a probability strictly between 0 and 1."""
    return np.log(probability) - np.log1p(-probability)


class Platt(msgspec.Struct, tag="platt", frozen=True, forbid_unknown_fields=True):
    """sigmoid(slope * margin + intercept). Platt 1999."""

    slope: float
    intercept: float

    def transform(self, margin: Floats) -> Floats:
        """Margins of shape (n,) to probabilities of shape (n,)."""
        return sigmoid(self.slope * margin + self.intercept)


class Beta(msgspec.Struct, tag="beta", frozen=True, forbid_unknown_fields=True):
    """sigmoid(a ln q - b ln(1 - q) + c) with q = sigmoid(margin). Kull et al. 2017, eq. 4."""

    a: float
    b: float
    c: float

    def transform(self, margin: Floats) -> Floats:
        """Margins of shape (n,) to probabilities of shape (n,)."""
        log_q = -np.logaddexp(0.0, -margin)
        log_not_q = -np.logaddexp(0.0, margin)
        return sigmoid(self.a * log_q - self.b * log_not_q + self.c)


class Isotonic(msgspec.Struct, tag="isotonic", frozen=True, forbid_unknown_fields=True):
    """Piecewise linear between the knots (margin, probability). Zadrozny & Elkan 2002.

    `floor` keeps the ends off 0 and 1, where a hazard or a log-odds would be infinite.
    """

    margins: tuple[float, ...]
    probabilities: tuple[float, ...]
    floor: float

    def transform(self, margin: Floats) -> Floats:
        """Margins of shape (n,) to probabilities of shape (n,)."""
        raw = np.interp(margin, self.margins, self.probabilities)
        return np.clip(raw, self.floor, 1.0 - self.floor)


class VennAbers(msgspec.Struct, tag="venn_abers", frozen=True, forbid_unknown_fields=True):
    """Inductive Venn-Abers: p = p1 / (1 - p0 + p1). Vovk, Petej & Fedorova 2015, section 4.

    `p0[k]` and `p1[k]` hold for margins that fall before `thresholds[k]` and not before
    `thresholds[k - 1]`; the last entry holds above all thresholds.
    """

    thresholds: tuple[float, ...]
    p0: tuple[float, ...]
    p1: tuple[float, ...]
    floor: float

    def transform(self, margin: Floats) -> Floats:
        """Margins of shape (n,) to probabilities of shape (n,)."""
        at = np.searchsorted(self.thresholds, margin, side="left")
        p0 = np.asarray(self.p0, dtype=np.float64)[at]
        p1 = np.asarray(self.p1, dtype=np.float64)[at]
        return np.clip(p1 / (1.0 - p0 + p1), self.floor, 1.0 - self.floor)


Calibrator = Platt | Beta | Isotonic | VennAbers
