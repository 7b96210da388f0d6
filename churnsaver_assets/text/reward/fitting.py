"""The probe from features of pairs: chosen, fitted, and refitted on fewer prompts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from churnsaver_assets.text.reward.features import Features
from churnsaver_assets.text.reward.metrics import by_prompt, correct
from churnsaver_assets.text.reward.network import POOLINGS, Pooling
from churnsaver_assets.text.reward.pairs import Pairs
from churnsaver_assets.text.reward.probe import Choice, Probe, choose, fit_probe
from churnsaver_assets.text.reward.report import SizePoint
from churnsaver_serving.runtime.arrays import Floats

SHARES = (0.1, 0.25, 0.5, 1.0)
"""Of the training prompts, at the points of the size curve."""


@dataclass(frozen=True, slots=True)
class Sides:
    """Features of pairs in one pooling.

    Attributes:
        chosen: shape (pairs, hidden).
        rejected: likewise.
    """

    chosen: Floats
    rejected: Floats

    @property
    def differences(self) -> Floats:
        """Chosen less rejected."""
        return self.chosen - self.rejected

    def take(self, places: npt.NDArray[np.intp]) -> "Sides":
        """Those at these places."""
        return Sides(self.chosen[places], self.rejected[places])


@dataclass(frozen=True, slots=True)
class FittedProbe:
    """A probe with what is measured of it.

    Attributes:
        probe: fitted on all training pairs.
        choice: of pooling and ridge penalty.
        gaps: rewards' differences on held-out pairs.
        size_curve: probes of fewer prompts.
    """

    probe: Probe
    choice: Choice
    gaps: Floats
    size_curve: tuple[SizePoint, ...]


def sides(features: Features, train: Pairs, pooling: Pooling) -> tuple[Sides, Sides]:
    """Training and held-out features, from those of `train.rows` and then the held-out `rows`."""
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
        features: of the rows of `train`, then those of `held_out`.
        train: pairs.
        held_out: pairs of other prompts.
        ridges: penalties to try.
        seed: of folds and bootstrap.

    Raises:
        ValueError: see `choose`.
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
    """Each part chooses its own penalty: fewer pairs need more. Fewer than 2 prompts: no point."""
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
