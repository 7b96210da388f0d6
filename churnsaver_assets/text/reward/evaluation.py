"""Figures of rewards on held-out pairs of each source, beside those of the reply's length alone."""

from collections.abc import Mapping
from dataclasses import dataclass

import msgspec
import numpy as np
import numpy.typing as npt

from churnsaver_assets.common.estimates import Interval
from churnsaver_assets.text.reward.metrics import by_prompt, correct, pair_auc
from churnsaver_assets.text.reward.pairs import Pairs
from churnsaver_assets.text.reward.probe import fit_weight
from churnsaver_serving.runtime.arrays import Floats

ALL = "all"

_TINY_RIDGE = 1e-6  # only so that separable pairs have a solution


class SourceFigures(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How well pairs of a source are told apart. Ties are wrong; intervals are by prompt.

    Attributes:
        pairs: Number of held-out pairs.
        prompts: Number of prompts that the pairs belong to.
        ties: Number of pairs with equal rewards.
        accuracy: Share of pairs in the right order.
        auc: AUC over pair margins, each pair in both orders (see `pair_auc`).
        length_only_accuracy: Accuracy of the reply's length alone, its sign fitted on training
            pairs.
        length_only_interval: Interval of that accuracy.
        length_only_auc: AUC of the reply's length alone.
        over_length: Accuracy less that of length, on the same pairs.
        with_length_accuracy: Accuracy of length and reward together; None where that wasn't
            fitted.
        with_length_auc: AUC of length and reward together; None where that wasn't fitted.
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
    """Coefficients fitted on training pairs, for each source and for `ALL` together.

    Attributes:
        length: Coefficient of one token.
        combined: Coefficients of one token and of the reward's margin.
    """

    length: Mapping[str, float]
    combined: Mapping[str, tuple[float, float]]


def fit_baselines(pairs: Pairs, margins: Floats) -> Baselines:
    """Fit length alone, and length with the reward.

    Args:
        pairs: Training pairs.
        margins: Reward differences from folds that did not see the prompt, shape (pairs,).
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
    """Measure each source and `ALL`.

    Args:
        pairs: Held-out pairs.
        margins: Rewards of chosen less those of rejected replies, shape (pairs,).
        baselines: Coefficients from training pairs; those of `ALL` serve where a source has none.
        seed: Seed for the bootstrap.
        with_length: Whether to measure length and reward together too.

    Raises:
        ValueError: A source has pairs of fewer than two prompts.
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


def length_weight(differences: Floats) -> float:
    """Fit the Bradley-Terry coefficient of one token more on training pairs' length differences.

    Args:
        differences: Tokens of the chosen reply less those of the rejected one, shape (pairs,).

    Returns:
        The coefficient; 0 where no pair's lengths differ: then length says nothing, and every pair
        is a tie.
    """
    if not np.any(differences):
        return 0.0
    return float(fit_weight(differences[:, None], np.zeros(len(differences)), _TINY_RIDGE)[0])


def combined_weights(lengths: Floats, margins: Floats) -> tuple[float, float]:
    """Fit the coefficients of length and of a reward's margin together.

    Args:
        lengths: Length differences, as for `length_weight`.
        margins: Margins of pairs that the reward was not fitted on, shape (pairs,).

    Raises:
        ValueError: Neither ever differs.
    """
    both = np.stack([lengths, margins], axis=1)
    weight = fit_weight(both, np.zeros(len(both)), _TINY_RIDGE)
    return float(weight[0]), float(weight[1])


def paired_length_slope(gaps: Floats, lengths: Floats) -> float:
    """Regress reward differences within prompts on length differences, through the origin.

    The slope, in reward per token, is the same whichever reply of a pair was preferred.

    Args:
        gaps: Reward differences of two replies to a prompt, shape (pairs,).
        lengths: Length differences of the same replies in tokens, shape (pairs,).
    """
    squares = float(lengths @ lengths)
    return float(gaps @ lengths) / squares if squares else 0.0


def _places(pairs: Pairs) -> dict[str, npt.NDArray[np.intp]]:
    return {**pairs.by_source(), ALL: np.arange(len(pairs))}
