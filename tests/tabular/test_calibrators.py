"""Exported calibrators equal the libraries they were fitted with, and are increasing maps."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from churnsaver_assets.tabular.calibration import (
    CANDIDATES,
    choose_calibrator,
    fit_beta,
    fit_intercept,
    fit_isotonic,
    fit_platt,
    fit_venn_abers,
    venn_abers_library,
)
from churnsaver_serving.runtime.scoring.calibration import (
    Calibrator,
    Isotonic,
    VennAbers,
    logit,
    sigmoid,
)

if TYPE_CHECKING:
    from churnsaver_serving.runtime.arrays import Bools, Floats


def draw_rows(seed: int, rows: int, decimals: int = 12, slope: float = 1.0) -> tuple[Any, Any]:
    """Margins, with ties where rounded, and labels of log-odds slope * margin; both classes."""
    rng = np.random.default_rng(seed)
    margins = np.round(rng.normal(-1.0, 1.5, rows), decimals)
    labels = rng.random(rows) < sigmoid(slope * margins)
    labels[:2] = [True, False]
    return margins, labels


def fresh_margins(seed: int, fitted: Floats) -> Floats:
    """Margins the fit never saw, some it saw, and some beyond its range."""
    rng = np.random.default_rng(seed + 1)
    return np.concatenate([rng.normal(-1.0, 3.0, 300), fitted, [-30.0, 30.0]])


samples = st.builds(
    draw_rows, st.integers(0, 2**31), st.integers(20, 300), st.sampled_from([0, 1, 12])
)


@settings(max_examples=40)
@given(rows=samples, name=st.sampled_from(list(CANDIDATES)))
def test_every_calibrator_increases_within_zero_and_one(
    rows: tuple[Floats, Bools], name: str
) -> None:
    calibrator = CANDIDATES[name](*rows)
    probabilities = calibrator.transform(np.sort(fresh_margins(0, rows[0])))
    assert (np.diff(probabilities) >= -1e-15).all()
    assert ((probabilities > 0) & (probabilities < 1)).all()


@settings(max_examples=40)
@given(rows=samples, name=st.sampled_from(list(CANDIDATES)))
def test_a_calibrator_survives_json_bit_by_bit(rows: tuple[Floats, Bools], name: str) -> None:
    calibrator = CANDIDATES[name](*rows)
    reloaded = msgspec.json.decode(msgspec.json.encode(calibrator), type=Calibrator)
    margins = fresh_margins(1, rows[0])
    assert reloaded == calibrator
    assert reloaded.transform(margins).tobytes() == calibrator.transform(margins).tobytes()


@settings(max_examples=25)
@given(rows=samples)
def test_venn_abers_equals_its_library(rows: tuple[Floats, Bools]) -> None:
    margins = fresh_margins(2, rows[0])
    library = venn_abers_library(*rows)
    expected = library.predict_proba(np.column_stack([-margins, margins]))[0][:, 1]
    np.testing.assert_allclose(fit_venn_abers(*rows).transform(margins), expected, atol=1e-12)


@settings(max_examples=25)
@given(rows=st.builds(draw_rows, st.integers(0, 2**31), st.integers(5, 25), st.just(0)))
def test_venn_abers_equals_its_definition(rows: tuple[Floats, Bools]) -> None:
    """Isotonic regression with the test row added, once as 0 and once as 1."""
    from sklearn.isotonic import IsotonicRegression

    fitted, labels = rows
    for margin in (*np.unique(fitted), -9.0, 9.0, 0.5):
        p0, p1 = (
            IsotonicRegression()
            .fit([*fitted, margin], [*labels.astype(float), label])
            .predict([margin])[0]
            for label in (0.0, 1.0)
        )
        ours = fit_venn_abers(fitted, labels).transform(np.array([margin]))[0]
        assert ours == pytest.approx(p1 / (1 - p0 + p1), abs=1e-9)


@settings(max_examples=25)
@given(rows=samples)
def test_isotonic_equals_scikit_learn(rows: tuple[Floats, Bools]) -> None:
    from sklearn.isotonic import IsotonicRegression

    floor = 1 / (len(rows[0]) + 2)
    library = IsotonicRegression(y_min=floor, y_max=1 - floor, out_of_bounds="clip").fit(*rows)
    margins = fresh_margins(3, rows[0])
    expected = library.predict(margins)
    np.testing.assert_allclose(fit_isotonic(*rows).transform(margins), expected, atol=1e-9)


@settings(max_examples=15)
@given(seed=st.integers(0, 2**31))
def test_beta_equals_betacal(seed: int) -> None:
    from betacal import BetaCalibration

    fitted, labels = draw_rows(seed, 400)
    library = BetaCalibration("abm").fit(sigmoid(fitted), labels.astype(int))
    margins = np.clip(fresh_margins(4, fitted), -12, 12)  # beyond, 1 - q has few digits left
    expected = library.predict(sigmoid(margins))
    np.testing.assert_allclose(fit_beta(fitted, labels).transform(margins), expected, atol=1e-6)


def test_platt_equals_scikit_learns_sigmoid_calibration() -> None:
    """Theirs starts from a logistic regression's scores, affine in the margin: the map is one."""
    from sklearn.calibration import CalibratedClassifierCV
    from sklearn.frozen import FrozenEstimator
    from sklearn.linear_model import LogisticRegression

    fitted, labels = draw_rows(5, 500, slope=0.6)
    scores = LogisticRegression().fit(fitted[:, None], labels)
    library = CalibratedClassifierCV(FrozenEstimator(scores), method="sigmoid")
    library.fit(fitted[:, None], labels)
    margins = fresh_margins(5, fitted)
    expected = library.predict_proba(margins[:, None])[:, 1]
    np.testing.assert_allclose(fit_platt(fitted, labels).transform(margins), expected, atol=1e-6)


def test_platt_smooths_its_targets() -> None:
    """Separable rows would push a plain logistic fit to infinity (Platt 1999, section 2.2)."""
    margins = np.array([-2.0, -1.0, 1.0, 2.0])
    platt = fit_platt(margins, margins > 0)
    assert platt.transform(np.array([2.0]))[0] < 0.9
    assert platt.intercept == pytest.approx(0.0, abs=1e-6)


@pytest.mark.parametrize("fit", [fit_platt, fit_beta])
def test_margins_that_rank_backwards_become_the_base_rate(fit: Any) -> None:
    margins, labels = draw_rows(6, 1000, slope=-1.0)
    calibrator = fit(margins, labels)
    probabilities = calibrator.transform(np.linspace(-5, 5, 11))
    assert np.ptp(probabilities) == 0
    assert probabilities[0] == pytest.approx(labels.mean(), abs=2e-3)


def test_intercept_moves_the_mean_to_the_base_rate_and_keeps_the_slope() -> None:
    margins, labels = draw_rows(7, 2000)
    shift = fit_intercept(margins - 1.3, labels)
    assert shift.slope == 1.0
    assert shift.transform(margins - 1.3).mean() == pytest.approx(labels.mean(), abs=1e-9)
    assert shift.intercept == pytest.approx(1.3, abs=0.2)


def test_the_candidate_nearest_to_the_truth_is_chosen() -> None:
    rng = np.random.default_rng(42)
    margins = rng.normal(0, 2, 6000)
    folds = np.arange(6000) % 5
    scaled = choose_calibrator(margins, rng.random(6000) < sigmoid(0.5 * margins - 1), folds)
    assert scaled.name in {"platt", "beta"}  # beta holds Platt within it
    grid = np.linspace(-3, 3, 7)
    np.testing.assert_allclose(
        scaled.calibrator.transform(grid), sigmoid(0.5 * grid - 1), atol=0.04
    )
    stepped = choose_calibrator(margins, rng.random(6000) < np.where(margins > 1, 0.9, 0.05), folds)
    assert stepped.name in {"venn_abers", "isotonic"}
    assert set(stepped.losses) == set(CANDIDATES)
    assert stepped.losses[stepped.name] == min(stepped.losses.values())


def test_choosing_needs_two_folds_and_two_classes() -> None:
    margins, labels = draw_rows(8, 50)
    with pytest.raises(ValueError, match="at least 2 folds, got 1"):
        choose_calibrator(margins, labels, np.zeros(50, dtype=int))
    with pytest.raises(ValueError, match="without fold 0 the labels are all of one class"):
        choose_calibrator(margins, np.arange(50) % 2 == 1, np.arange(50) % 2)


def test_fitting_leaves_the_processes_warning_and_error_states_alone() -> None:
    before = (list(warnings.filters), np.geterr())
    for fit in CANDIDATES.values():
        fit(*draw_rows(9, 200))
    assert (list(warnings.filters), np.geterr()) == before


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Isotonic((0.0, 1.0), (0.1,), 0.01), "as many probabilities as margins"),
        (lambda: Isotonic((), (), 0.01), "at least one"),
        (lambda: Isotonic((1.0, 0.0), (0.1, 0.2), 0.01), "margins: expected ascending"),
        (lambda: Isotonic((0.0, 1.0), (0.2, 0.1), 0.01), "probabilities: expected ascending"),
        (lambda: Isotonic((0.0, float("nan")), (0.1, 0.2), 0.01), "margins: expected finite"),
        (lambda: VennAbers((0.0,), (0.1,), (0.2, 0.3)), "one more p0 and p1 than"),
        (lambda: VennAbers((0.0,), (0.2, 0.1), (0.2, 0.3)), "p0: expected ascending"),
        (lambda: VennAbers((0.0,), (0.1, 1.0), (0.2, 0.3)), "expected p0 < 1 and p1 > 0"),
    ],
)
def test_a_struct_that_is_no_calibrator_is_refused(make: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()


def test_a_tampered_file_is_refused_with_the_reason() -> None:
    content = b'{"type":"venn_abers","thresholds":[0.0],"p0":[0.1],"p1":[0.2,0.3]}'
    with pytest.raises(msgspec.ValidationError, match="one more p0 and p1"):
        msgspec.json.decode(content, type=Calibrator)


def test_logit_and_sigmoid_are_inverse_and_finite() -> None:
    margins = np.linspace(-700, 15, 201)
    np.testing.assert_allclose(logit(sigmoid(margins)), margins, rtol=1e-9, atol=1e-9)
    assert np.isfinite(logit(sigmoid(np.array([-1e9, -800.0, 800.0, 1e9])))).all()
