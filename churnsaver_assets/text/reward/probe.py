"""The Bradley-Terry linear probe: logistic regression on differences of pooled features."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import msgspec
import numpy as np
import numpy.typing as npt

from churnsaver_assets.text.reward.metrics import correct
from churnsaver_assets.text.reward.network import Pooling
from churnsaver_serving.runtime.arrays import Floats


@dataclass(frozen=True, slots=True)
class LinearProbe:
    """A linear reward of pooled features.

    Attributes:
        weight: Weight in the units of the features, shape (hidden,).
        offset: Reward taken off, so that the training replies' mean reward is 0.
    """

    weight: Floats
    offset: float

    def score(self, features: npt.NDArray[np.floating]) -> Floats:
        """Return rewards of shape (rows,) from features of shape (rows, hidden)."""
        return np.asarray(features @ self.weight - self.offset)


class Trial(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A setting that cross-validation over prompts has tried.

    Attributes:
        pooling: Pooling of the hidden states.
        ridge: L2 penalty.
        log_loss: Log loss, nats per held-out pair.
        accuracy: Accuracy on held-out pairs.
    """

    pooling: Pooling
    ridge: float
    log_loss: float
    accuracy: float


@dataclass(frozen=True, slots=True)
class Choice:
    """The result of cross-validation.

    Attributes:
        best: The trial with the least log loss.
        trials: All trials.
        margins: Margin of each pair under `best`, from the fold that did not see its prompt.
    """

    best: Trial
    trials: tuple[Trial, ...]
    margins: Floats


def pair_scale(differences: Floats) -> Floats:
    """Return the root mean square of each feature's difference; 1 where it never differs.

    The mean is not removed: it is the mean of chosen less rejected, so removing it would take the
    label out of training pairs and put it into all others. The scale is the same however pairs are
    ordered.

    Args:
        differences: Features of the chosen reply less those of the rejected one, shape
            (pairs, hidden).

    Returns:
        The scale, shape (hidden,).

    Raises:
        ValueError: No pair differs in any feature.
    """
    scale = np.sqrt(np.mean(differences**2, axis=0)) if len(differences) else np.zeros(1)
    if not np.any(scale > 0):
        raise ValueError(
            "the features of chosen and rejected replies are the same in every pair: there is "
            "nothing to learn; check that replies differ and are not cut off by max_tokens"
        )
    return np.asarray(np.where(scale > 0, scale, 1.0))


def fit_weight(
    differences: Floats, margins: Floats, ridge: float, *, start: Floats | None = None
) -> Floats:
    """Fit the weight with the least sum of Bradley-Terry losses and ridge penalty.

    The loss of a pair is -log sigmoid(w.d - margin) (Bradley and Terry 1952; the margin as in
    Touvron et al. 2023, section 3.2.2). It is that of a logistic regression without intercept on
    the pair in both orders. The penalty, beside the sum over pairs, is ridge / 2 times the squared
    norm of the weight of the scaled differences; scikit-learn's C is 1 / ridge.

    Args:
        differences: Feature differences, shape (pairs, hidden), as for `pair_scale`.
        margins: Margins, shape (pairs,), 0 where the source says nothing.
        ridge: L2 penalty above 0: at 0, separable pairs have no solution.
        start: Weight to start from, shape (hidden,).

    Returns:
        The weight, shape (hidden,).

    Raises:
        ValueError: No pair differs in any feature, or margins do not match.
    """
    from scipy.optimize import minimize
    from scipy.special import expit

    if margins.shape != (len(differences),):
        raise ValueError(f"expected one margin for each pair, got {margins.shape}")
    scale = pair_scale(differences)
    scaled = differences / scale
    strength = ridge / len(scaled)

    def loss(weight: Floats) -> tuple[float, Floats]:
        gap = scaled @ weight - margins
        value = np.logaddexp(0.0, -gap).mean() + 0.5 * strength * weight @ weight
        slope = -(expit(-gap) @ scaled) / len(scaled) + strength * weight
        return float(value), slope

    begin = np.zeros(scaled.shape[1]) if start is None else start * scale
    found = minimize(loss, begin, jac=True, method="L-BFGS-B", options={"maxiter": 1000})
    return np.asarray(found.x / scale)


def fit_probe(
    chosen: Floats, rejected: Floats, margins: Floats, ridge: float, *, start: Floats | None = None
) -> LinearProbe:
    """Fit a probe on these pairs and centre its rewards on them.

    Args:
        chosen: Features of the chosen replies, shape (pairs, hidden).
        rejected: Features of the rejected replies, shape (pairs, hidden).
        margins: Margins, shape (pairs,), 0 where the source says nothing.
        ridge: L2 penalty above 0.
        start: Weight to start from, shape (hidden,).

    Raises:
        ValueError: No pair differs in any feature, or margins do not match.
    """
    weight = fit_weight(chosen - rejected, margins, ridge, start=start)
    mean = 0.5 * (chosen.mean(axis=0) + rejected.mean(axis=0))
    return LinearProbe(weight, float(mean @ weight))


def choose(
    differences: Mapping[Pooling, Floats],
    margins: Floats,
    prompts: Sequence[str],
    ridges: Sequence[float],
    *,
    seed: int,
    folds: int = 5,
) -> Choice:
    """Choose pooling and ridge penalty by cross-validation, all pairs of a prompt in one fold.

    Args:
        differences: Feature differences of each pooling, shape (pairs, hidden).
        margins: Margins to fit with, shape (pairs,); held-out losses are without them.
        prompts: The id of each pair's prompt.
        ridges: Penalties to try.
        seed: Seed for the folds.
        folds: Number of folds; fewer where there are fewer prompts.

    Raises:
        ValueError: There are fewer than two prompts or nothing to try, or a fold can't be fitted.
    """
    from sklearn.model_selection import GroupKFold

    count = min(folds, len(set(prompts)))
    if count < 2 or not differences or not ridges:  # noqa: PLR2004 - two sides of a split
        raise ValueError(
            f"cross-validation needs pairs of at least two prompts, a pooling and a ridge penalty, "
            f"got {len(set(prompts))}, {len(differences)} and {len(ridges)}"
        )
    splitter = GroupKFold(count, shuffle=True, random_state=seed)
    splits = list(splitter.split(np.empty((len(margins), 1)), groups=np.asarray(prompts)))
    trials: list[Trial] = []
    held_out: list[Floats] = []
    for pooling, all_differences in differences.items():
        # Strongest penalty first: each solution is a good start for the next.
        penalties = sorted(ridges, reverse=True)
        found = np.empty((len(penalties), len(margins)))
        for train, test in splits:
            weight: Floats | None = None
            for at, ridge in enumerate(penalties):
                weight = fit_weight(all_differences[train], margins[train], ridge, start=weight)
                found[at, test] = all_differences[test] @ weight
        for ridge, gaps in zip(penalties, found, strict=True):
            loss = float(np.logaddexp(0.0, -gaps).mean())
            trials.append(Trial(pooling, ridge, loss, float(correct(gaps).mean())))
            held_out.append(gaps)
    best = min(range(len(trials)), key=lambda at: trials[at].log_loss)
    return Choice(trials[best], tuple(trials), held_out[best])
