"""Fitting of the probe on features of pairs: its choice, and refits on fewer prompts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import msgspec
import numpy as np
import numpy.typing as npt

from churnsaver_assets.common.estimates import Interval
from churnsaver_assets.text.reward.features import Features
from churnsaver_assets.text.reward.metrics import by_prompt, correct
from churnsaver_assets.text.reward.network import POOLINGS, Pooling
from churnsaver_assets.text.reward.pairs import Pairs
from churnsaver_assets.text.reward.probe import Choice, LinearProbe, choose, fit_probe
from churnsaver_serving.runtime.arrays import Floats

SHARES = (0.1, 0.25, 0.5, 1.0)
"""Shares of the training prompts at the points of the size curve."""


class SizePoint(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The probe of a part of the training prompts, on all held-out pairs.

    Attributes:
        share: Share of the training prompts.
        pairs: Number of pairs that the probe was fitted on.
        accuracy: Held-out accuracy, its interval by prompt.
    """

    share: float
    pairs: int
    accuracy: Interval


@dataclass(frozen=True, slots=True)
class Sides:
    """Features of pairs in one pooling.

    Attributes:
        chosen: Features of the chosen replies, shape (pairs, hidden).
        rejected: Features of the rejected replies, shape (pairs, hidden).
    """

    chosen: Floats
    rejected: Floats

    @property
    def differences(self) -> Floats:
        """Return chosen less rejected, shape (pairs, hidden)."""
        return self.chosen - self.rejected

    def take(self, places: npt.NDArray[np.intp]) -> "Sides":
        """Return the features of the pairs at these places."""
        return Sides(self.chosen[places], self.rejected[places])


@dataclass(frozen=True, slots=True)
class FittedProbe:
    """A probe with the choice of its settings and its margins on held-out pairs.

    Attributes:
        probe: The probe, fitted on all training pairs.
        choice: The choice of pooling and ridge penalty.
        gaps: Reward differences on held-out pairs, shape (pairs,).
        size_curve: Accuracy of probes of fewer prompts.
    """

    probe: LinearProbe
    choice: Choice
    gaps: Floats
    size_curve: tuple[SizePoint, ...]


def sides(features: Features, train: Pairs, pooling: Pooling) -> tuple[Sides, Sides]:
    """Split features of `train.rows` and then the held-out rows into the two sets of pairs."""
    states = features.pooled(pooling).astype(np.float64)
    pairs = len(train)
    rest = (len(states) - 2 * pairs) // 2
    chosen, rejected, held_chosen, held_rejected = np.split(states, np.cumsum([pairs, pairs, rest]))
    return Sides(chosen, rejected), Sides(held_chosen, held_rejected)


def fit(
    features: Features,
    train: Pairs,
    held_out: Pairs,
    ridges: Sequence[float],
    *,
    seed: int,
) -> FittedProbe:
    """Choose by cross-validation on training pairs, fit on all of them, measure on held-out ones.

    Args:
        features: Features of the rows of `train`, then of those of `held_out`.
        train: Pairs to fit on.
        held_out: Pairs of other prompts.
        ridges: Penalties to try.
        seed: Seed for folds and bootstrap.

    Raises:
        ValueError: The pairs can't be cross-validated or told apart, see `choose`.
    """
    by_pooling = {name: sides(features, train, name) for name in POOLINGS}
    choice = choose(
        {name: ours.differences for name, (ours, _) in by_pooling.items()},
        train.margins,
        train.prompts,
        ridges,
        seed=seed,
    )
    ours, theirs = by_pooling[choice.best.pooling]
    probe = fit_probe(ours.chosen, ours.rejected, train.margins, choice.best.ridge)
    return FittedProbe(
        probe,
        choice,
        theirs.differences @ probe.weight,
        _size_curve(
            ours,
            theirs,
            train=train,
            held_out=held_out,
            pooling=choice.best.pooling,
            ridges=ridges,
            seed=seed,
        ),
    )


def _size_curve(
    ours: Sides,
    theirs: Sides,
    *,
    train: Pairs,
    held_out: Pairs,
    pooling: Pooling,
    ridges: Sequence[float],
    seed: int,
) -> tuple[SizePoint, ...]:
    """Fit a probe on each share of the prompts, as `SHARES` has them.

    Each part chooses its own penalty: fewer pairs need more. A part of fewer than 2 prompts is left
    out.
    """
    prompts = np.array(train.prompts)
    order = np.random.default_rng(seed).permutation(np.unique(prompts))
    points = []
    for share in SHARES:
        kept = order[: round(share * len(order))]
        at = np.flatnonzero(np.isin(prompts, kept))
        if len(kept) < 2:  # noqa: PLR2004 - cross-validation needs two
            continue
        part: Mapping[Pooling, Floats] = {pooling: ours.take(at).differences}
        margins = train.margins[at]
        best = choose(part, margins, prompts[at].tolist(), ridges, seed=seed).best
        probe = fit_probe(ours.chosen[at], ours.rejected[at], margins, best.ridge)
        right = correct(theirs.differences @ probe.weight)
        points.append(SizePoint(share, len(at), by_prompt(right, held_out.prompts, seed=seed)))
    return tuple(points)
