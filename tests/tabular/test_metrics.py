"""Metrics equal scikit-learn's and known cases; intervals cover; the noise floor is one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from churnsaver_assets.tabular.metrics import Metrics, auc_gain, mean_log_loss, measure
from churnsaver_assets.tabular.reliability import ECE_BINS, EqualMassBins, noise_floor
from churnsaver_serving.runtime.scoring.calibration import sigmoid

if TYPE_CHECKING:
    from churnsaver_serving.runtime.arrays import Bools, Floats


def draw_rows(seed: int, rows: int, decimals: int = 12) -> tuple[Bools, Floats]:
    """Bools of both classes and probabilities that are right, with ties where rounded."""
    rng = np.random.default_rng(seed)
    probabilities = np.round(rng.beta(1.2, 3.0, rows), decimals)
    labels = rng.random(rows) < probabilities
    labels[:2] = [True, False]
    return labels, probabilities


def calibration_error(labels: Bools, probabilities: Floats, bins: int = ECE_BINS) -> float:
    """Return the ECE of one sample, straight from its bins."""
    binned = EqualMassBins(probabilities, bins)
    return float(binned.error(binned.observed(labels)))


samples = st.builds(
    draw_rows, st.integers(0, 2**31), st.integers(2, 400), st.sampled_from([1, 2, 12])
)


@settings(max_examples=40)
@given(rows=samples)
def test_values_equal_scikit_learns(rows: tuple[Bools, Floats]) -> None:
    from sklearn.metrics import brier_score_loss, log_loss, roc_auc_score

    metrics = measure(*rows, seed=42, resamples=2)
    assert metrics.auc.mean == pytest.approx(roc_auc_score(*rows), abs=1e-12)
    assert metrics.brier.mean == pytest.approx(brier_score_loss(*rows), abs=1e-12)
    assert metrics.log_loss.mean == pytest.approx(log_loss(*rows), abs=1e-9)
    assert mean_log_loss(*rows) == pytest.approx(metrics.log_loss.mean, abs=1e-12)
    assert metrics.ece.mean == pytest.approx(calibration_error(*rows), abs=1e-12)


def test_resampled_auc_equals_scikit_learns_with_weights() -> None:
    """The bootstrap's counts are weights."""
    from sklearn.metrics import roc_auc_score

    from churnsaver_assets.tabular.metrics import _Scored

    labels, probabilities = draw_rows(1, 300, decimals=1)
    counts = np.random.default_rng(1).poisson(1.0, (5, 300)).astype(float)
    expected = [roc_auc_score(labels, probabilities, sample_weight=row) for row in counts]
    scored = _Scored(labels, probabilities)
    resampled = scored.metric("auc", scored.sort(counts))
    np.testing.assert_allclose(resampled, expected, atol=1e-12)


def test_ece_of_known_cases() -> None:
    labels = np.arange(100) % 2 == 0
    assert calibration_error(labels, np.full(100, 0.5)) == pytest.approx(0.0)
    assert calibration_error(labels, np.full(100, 0.3)) == pytest.approx(0.2)
    # Two groups of 50: 0.2 said and 0.5 seen, 0.9 said and 0.5 seen.
    two = np.repeat([0.2, 0.9], 50)
    assert calibration_error(labels, two) == pytest.approx(0.5 * 0.3 + 0.5 * 0.4)
    assert calibration_error(labels, labels.astype(float)) == pytest.approx(0.0)
    # Errors of opposite sign cancel within a bin, not across bins.
    assert calibration_error(labels, two, bins=1) == pytest.approx(0.05)


@settings(max_examples=40)
@given(rows=samples, seed=st.integers(0, 100))
def test_ece_does_not_depend_on_the_order_of_rows(rows: tuple[Bools, Floats], seed: int) -> None:
    labels, probabilities = rows
    order = np.random.default_rng(seed).permutation(len(labels))
    shuffled = calibration_error(labels[order], probabilities[order])
    assert shuffled == pytest.approx(calibration_error(*rows), abs=1e-12)
    assert 0 <= shuffled <= 1


def test_bins_have_equal_mass_and_keep_ties_together() -> None:
    probabilities = np.random.default_rng(2).random(1500)
    assert EqualMassBins(probabilities).rows.tolist() == [100] * 15
    tied = np.concatenate([np.full(1000, 0.1), np.linspace(0.2, 0.9, 500)])
    bins = EqualMassBins(tied)
    assert bins.rows[0] == 1000
    assert bins.rows[1:].tolist() == [100] * 5


def test_noise_floor_shrinks_with_the_root_of_the_rows() -> None:
    few, many = (noise_floor(draw_rows(3, n)[1], seed=42, draws=200).mean for n in (1000, 16_000))
    assert few / many == pytest.approx(4.0, rel=0.1)
    certain = noise_floor(np.array([0.0, 1.0, 1.0]), seed=42)
    assert (certain.mean, certain.p95) == (0.0, 0.0)


def test_perfect_calibration_stays_below_the_noise_floors_p95() -> None:
    """In 95 % of samples: of 300, within the binomial's 99.9 % range."""
    _, probabilities = draw_rows(4, 1500)
    floor = noise_floor(probabilities, seed=42)
    rng = np.random.default_rng(4)
    errors = np.array(
        [calibration_error(rng.random(1500) < probabilities, probabilities) for _ in range(300)]
    )
    assert 0.90 <= (errors <= floor.p95).mean() <= 0.985
    assert errors.mean() == pytest.approx(floor.mean, rel=0.05)


def test_ece_beyond_noise_excludes_zero_and_noise_does_not() -> None:
    labels, probabilities = draw_rows(5, 4000)
    right = measure(labels, probabilities, seed=42, resamples=300)
    assert right.ece.mean <= right.ece_noise_floor.p95
    assert right.ece.low == 0.0
    wrong = measure(labels, probabilities**2, seed=42, resamples=300)
    assert wrong.ece.mean > wrong.ece_noise_floor.p95
    assert 0 < wrong.ece.low < wrong.ece.mean < wrong.ece.high


def test_auc_intervals_cover_the_true_auc() -> None:
    """Binormal scores one standard deviation apart: AUC is Phi(1 / sqrt 2)."""
    rng = np.random.default_rng(6)
    covered = 0
    for seed in range(80):
        labels = rng.random(400) < 0.4
        scores = rng.normal(labels, 1.0)
        auc = measure(labels, sigmoid(scores), seed=seed, resamples=200).auc
        covered += auc.low <= 0.76025 <= auc.high
    assert covered >= 69  # 95 % of 80 is 76; fewer than 69 has a chance under 0.1 %


def test_ece_intervals_cover_a_small_true_ece() -> None:
    """True log-odds lie 0.1 above the said ones; percentile intervals never reach down to that."""
    rng = np.random.default_rng(7)
    covered = 0
    for seed in range(40):
        said = rng.normal(-1.5, 1.0, 3000)
        truth = sigmoid(said + 0.1)
        bins = EqualMassBins(sigmoid(said))
        true_ece = float(bins.error(np.add.reduceat(truth[bins.order], bins.starts) / bins.rows))
        ece = measure(rng.random(3000) < truth, sigmoid(said), seed=seed, resamples=200).ece
        covered += ece.low <= true_ece <= ece.high
    assert covered >= 30  # nine in ten are expected, of percentile intervals none


def test_gain_is_paired() -> None:
    labels, probabilities = draw_rows(7, 3000)
    noisy = np.clip(probabilities + np.random.default_rng(7).normal(0, 0.02, 3000), 0, 1)
    itself = auc_gain(labels, probabilities, probabilities, seed=42, resamples=100)
    assert (itself.mean, itself.low, itself.high) == (0.0, 0.0, 0.0)
    gain = auc_gain(labels, probabilities, noisy, seed=42, resamples=300)
    ours = measure(labels, probabilities, seed=42, resamples=300).auc
    theirs = measure(labels, noisy, seed=42, resamples=300).auc
    assert gain.mean == pytest.approx(ours.mean - theirs.mean, abs=1e-12)
    assert gain.high - gain.low < 0.5 * (ours.high - ours.low)


def test_the_same_seed_measures_the_same_and_json_keeps_it() -> None:
    rows = draw_rows(8, 500)
    metrics = measure(*rows, seed=1, resamples=50)
    assert metrics == measure(*rows, seed=1, resamples=50)
    assert metrics != measure(*rows, seed=2, resamples=50)
    assert msgspec.json.decode(msgspec.json.encode(metrics), type=Metrics) == metrics


@pytest.mark.parametrize(
    ("labels", "probabilities", "message"),
    [
        ([True, False], [0.1], "one probability for each label"),
        ([True, True], [0.1, 0.2], "both classes"),
        ([1.0, 0.0], [0.1, 0.2], "boolean labels"),
        ([True, False], [0.1, 1.2], r"in \[0, 1\]"),
        ([True, False], [0.1, float("nan")], r"in \[0, 1\]"),
    ],
)
def test_what_cannot_be_measured_is_refused(
    labels: list[bool], probabilities: list[float], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        measure(np.array(labels), np.array(probabilities), seed=42)
