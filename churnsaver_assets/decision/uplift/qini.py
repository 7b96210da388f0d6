"""Qini coefficient of uplift scores, with a bootstrap interval."""

from dataclasses import dataclass

import numpy as np

from churnsaver_assets.common.bootstrap import percentile_interval, resampled, row_counts
from churnsaver_assets.common.estimates import Interval
from churnsaver_serving.runtime.arrays import Bools, Floats, Ints


@dataclass(frozen=True, slots=True)
class Curve:
    """Points of a Qini curve, from (0, 0) on.

    Attributes:
        targeted: Rows with the highest scores, shape (P + 1,).
        gain: Outcomes among the treated of them beyond those expected from the controls of them,
            shape (P + 1,).
    """

    targeted: Floats
    gain: Floats


def qini_estimate(
    outcome: Bools, score: Floats, treated: Bools, *, seed: int, resamples: int
) -> Interval:
    """Estimate the Qini coefficient with a 95 % percentile interval over resampled rows.

    The coefficient is the area between the Qini curve and the diagonal, over that of the perfect
    ranking: 0 for random scores, 1 only for a ranking that knows the outcomes. The perfect ranking
    may profit from negative effects: treated with the outcome first, controls with it last.

    Args:
        outcome: True where the outcome happened, shape (n,).
        score: Predicted uplift, shape (n,).
        treated: True for treated rows, False for controls, shape (n,).
        seed: Seed for the bootstrap.
        resamples: Number of bootstrap resamples.

    Raises:
        ValueError: Arrays that don't fit or aren't boolean, one arm only, or so few outcomes that
            a resample has none.
    """
    ranked = RankedRows(outcome, score, treated)
    n = len(score)

    def coefficient(drawn: Ints) -> Floats:
        # A resample without any outcome has no perfect ranking to compare with.
        with np.errstate(invalid="ignore"):
            found = ranked.coefficient(row_counts(drawn))
        if not np.isfinite(found).all():
            raise ValueError(f"too few outcomes or rows ({int(outcome.sum())} of {n}) to resample")
        return found

    value = ranked.coefficient(np.ones((1, n)))[0]
    return percentile_interval(value, resampled(coefficient, n, resamples=resamples, seed=seed))


class RankedRows:
    """Rows sorted by score once, so that a resample's curve is cumulative sums of its counts.

    The Qini curve is Y_t - Y_c * N_t / N_c among the highest scores (Radcliffe 2007). Rows of equal
    score are one step; where no control is targeted yet, the second term is 0.

    Args:
        outcome: True where the outcome happened, shape (n,).
        score: Predicted uplift, shape (n,).
        treated: True for treated rows, False for controls, shape (n,).

    Raises:
        ValueError: Arrays that don't fit or aren't boolean, one arm only, or no outcome at all.
    """

    def __init__(self, outcome: Bools, score: Floats, treated: Bools) -> None:
        if not len(outcome) == len(score) == len(treated):
            raise ValueError(
                f"expected as many outcomes, scores and treatments, got {len(outcome)}, "
                f"{len(score)} and {len(treated)}"
            )
        if outcome.dtype != np.bool_ or treated.dtype != np.bool_:
            raise ValueError("expected boolean outcomes and treatments")
        if treated.all() or not treated.any() or not outcome.any():
            raise ValueError("expected treated and controls, and at least one outcome")
        order = np.argsort(-score, kind="stable")
        descending = score[order]
        self._order = order
        self._starts = np.flatnonzero(np.r_[True, descending[1:] != descending[:-1]])
        # Which counts add up to Y_t, N_t, Y_c and N_c.
        treated, outcome = treated[order], outcome[order]
        self._parts = (treated & outcome, treated, ~treated & outcome, ~treated)

    def curve(self, counts: Floats) -> Curve:
        """Return curves, shapes (r, P + 1), from row counts of shape (r, n)."""
        counts = counts[:, self._order]
        sums = [
            np.add.reduceat(counts * part, self._starts, axis=1).cumsum(axis=1)
            for part in self._parts
        ]
        return _curve(*sums)

    def coefficient(self, counts: Floats) -> Floats:
        """Return coefficients of resamples, shape (r,), from row counts of shape (r, n)."""
        area = _area_above_diagonal(self.curve(counts))
        result: Floats = area / _area_above_diagonal(self._perfect(counts))
        return result

    def _perfect(self, counts: Floats) -> Curve:
        """Return the perfect ranking: treated with the outcome, no outcome, controls with it."""
        counts = counts[:, self._order]
        y_t, n_t, y_c, n_c = (counts @ part for part in self._parts)
        return _curve(
            np.stack([y_t, y_t, y_t], axis=1),
            np.stack([y_t, n_t, n_t], axis=1),
            np.stack([np.zeros_like(y_c), np.zeros_like(y_c), y_c], axis=1),
            np.stack([np.zeros_like(n_c), n_c - y_c, n_c], axis=1),
        )


def _curve(y_t: Floats, n_t: Floats, y_c: Floats, n_c: Floats) -> Curve:
    """Build curves from cumulative counts, each of shape (r, P)."""
    expected = y_c * np.divide(n_t, n_c, out=np.zeros_like(n_t), where=n_c != 0)
    zero = np.zeros((len(n_t), 1))
    return Curve(
        np.concatenate([zero, n_t + n_c], axis=1),
        np.concatenate([zero, y_t - expected], axis=1),
    )


def _area_above_diagonal(curve: Curve) -> Floats:
    """Integrate by trapezoids, less the triangle under the line to the last point, shape (r,)."""
    area = np.trapezoid(curve.gain, curve.targeted, axis=1)
    result: Floats = area - curve.targeted[:, -1] * curve.gain[:, -1] / 2.0
    return result
