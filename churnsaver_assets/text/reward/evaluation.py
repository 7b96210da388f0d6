"""Figures of rewards on held-out pairs of each source, beside those of length alone."""

from collections.abc import Mapping
from dataclasses import dataclass

import msgspec
import numpy as np
import numpy.typing as npt

from churnsaver_assets.common.estimates import Interval
from churnsaver_assets.text.reward.baselines import combined_weights, length_weight
from churnsaver_assets.text.reward.metrics import by_prompt, correct, pair_auc
from churnsaver_assets.text.reward.pairs import Pairs
from churnsaver_serving.runtime.arrays import Floats

ALL = "all"


class SourceFigures(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How well pairs of a source are told apart. Ties are wrong; intervals are by prompt.

    Attributes:
        pairs: held out.
        prompts: that they belong to.
        ties: pairs with equal rewards.
        accuracy: share of pairs in the right order.
        auc: over pair margins, each pair in both orders (see `pair_auc`).
        length_only_accuracy: of the reply's length alone, its sign fitted on training pairs.
        length_only_interval: of that accuracy.
        length_only_auc: likewise.
        over_length: accuracy less that of length, on the same pairs.
        with_length_accuracy: of length and reward together; None where that wasn't fitted.
        with_length_auc: likewise.
    """

    pairs: int
    prompts: int
    ties: int
    accuracy: Interval
    auc: float
    length_only_accuracy: float
    length_only_interval: Interval
    length_only_auc: float
    over_length: Interval
    with_length_accuracy: Interval | None = None
    with_length_auc: float | None = None


@dataclass(frozen=True, slots=True)
class Baselines:
    """What was fitted on training pairs, for each source and for `ALL` together.

    Attributes:
        length: coefficient of one token.
        combined: coefficients of one token and of the reward's margin.
    """

    length: Mapping[str, float]
    combined: Mapping[str, tuple[float, float]]


def fit_baselines(pairs: Pairs, margins: Floats) -> Baselines:
    """Length alone, and length with the reward.

    Args:
        pairs: of training.
        margins: rewards' differences from folds that did not see the prompt, shape (pairs,).
    """
    lengths = pairs.token_differences
    places = _places(pairs)
    return Baselines(
        {name: length_weight(lengths[at]) for name, at in places.items()},
        {name: combined_weights(lengths[at], margins[at]) for name, at in places.items()},
    )


def evaluate(
    pairs: Pairs,
    margins: Floats,
    baselines: Baselines,
    *,
    seed: int,
    with_length: bool = False,
) -> dict[str, SourceFigures]:
    """Figures of each source and of `ALL`.

    Args:
        pairs: held out.
        margins: rewards of chosen less those of rejected replies, shape (pairs,).
        baselines: of training pairs; those of `ALL` where a source has none.
        seed: of the bootstrap.
        with_length: also the figures of length and reward together.

    Raises:
        ValueError: a source has pairs of fewer than two prompts.
    """
    lengths = pairs.token_differences
    figures = {}
    for name, at in _places(pairs).items():
        prompts = [pairs.prompts[place] for place in at]
        gaps = margins[at]
        weight = baselines.length.get(name, baselines.length[ALL])
        length_gaps = weight * lengths[at]
        both = baselines.combined.get(name, baselines.combined[ALL])
        both_gaps = both[0] * lengths[at] + both[1] * gaps
        length_only = by_prompt(correct(length_gaps), prompts, seed=seed)
        figures[name] = SourceFigures(
            pairs=len(at),
            prompts=len(set(prompts)),
            ties=int((gaps == 0).sum()),
            accuracy=by_prompt(correct(gaps), prompts, seed=seed),
            auc=pair_auc(gaps),
            length_only_accuracy=length_only.mean,
            length_only_interval=length_only,
            length_only_auc=pair_auc(length_gaps),
            over_length=by_prompt(correct(gaps) - correct(length_gaps), prompts, seed=seed),
            with_length_accuracy=(
                by_prompt(correct(both_gaps), prompts, seed=seed) if with_length else None
            ),
            with_length_auc=pair_auc(both_gaps) if with_length else None,
        )
    return figures


def _places(pairs: Pairs) -> dict[str, npt.NDArray[np.intp]]:
    return {**pairs.by_source(), ALL: np.arange(len(pairs))}
