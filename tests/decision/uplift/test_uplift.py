"""Uplift learners and the Qini curve, against causalml and scikit-uplift as oracles."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from churnsaver_assets.decision.uplift.forest import UpliftForest, UpliftTree, fit_forest, grow
from churnsaver_assets.decision.uplift.outcomes import Randomised, uplift
from churnsaver_assets.decision.uplift.qini import (
    RankedRows,
    qini_estimate,
)
from churnsaver_assets.decision.uplift.t_learner import TLearner, fit_t_learner
from churnsaver_assets.experiments.baselines_spec import TwoModelSpec, UpliftForestSpec

if TYPE_CHECKING:
    from churnsaver_serving.runtime.arrays import Bools, Floats

FOREST = UpliftForestSpec(
    trees=3,
    criterion="ED",
    max_depth=4,
    max_features=3,
    min_samples_leaf=60,
    min_samples_treatment=5,
    n_reg=20,
    normalization=False,
    honesty=False,
)
TWO_MODEL = TwoModelSpec(rounds=40, max_depth=2, eta=0.2, min_child_weight=5, reg_lambda=1)


def trial(n: int = 6_000, seed: int = 42) -> tuple[Randomised, Floats]:
    """Draw a randomised trial of two treatments, and their true effects, shape (n, 2)."""
    rng = np.random.default_rng(seed)
    matrix = rng.normal(size=(n, 3))
    effect = np.column_stack([0.3 * (matrix[:, 0] > 0), 0.3 * (matrix[:, 1] > 0.5)])
    rates = np.column_stack([np.full(n, 0.3), 0.3 + effect])
    arm = rng.integers(3, size=n)
    outcome = rng.random(n) < rates[np.arange(n), arm]
    return Randomised(matrix, arm, outcome), effect


@pytest.mark.parametrize("criterion", ["KL", "ED", "Chi"])
@pytest.mark.parametrize("honesty", [False, True])
def test_numpy_trees_predict_as_causalml(criterion: str, honesty: bool) -> None:
    data, _ = trial()
    spec = FOREST.model_copy(update={"criterion": criterion, "honesty": honesty})
    ours, theirs = fit_forest(data, spec, seed=7), grow(data, spec, seed=7)
    fresh = np.random.default_rng(1).normal(size=(2_000, 3))
    whole = theirs.predict(fresh, full_output=True)
    np.testing.assert_allclose(ours.rates(fresh), whole[[0, 1, 2]].to_numpy(), atol=1e-12)
    np.testing.assert_allclose(uplift(ours, fresh), theirs.predict(fresh), atol=1e-12)
    assert max(len(tree.feature) for tree in ours.trees) > 5


def test_rows_on_a_threshold_go_the_way_causalml_sends_them() -> None:
    rng = np.random.default_rng(3)
    matrix = rng.integers(0, 4, size=(4_000, 2)) / 10.0
    arm = rng.integers(2, size=4_000)
    outcome = rng.random(4_000) < 0.2 + 0.5 * arm * (matrix[:, 0] > 0.1)
    data = Randomised(matrix, arm, outcome)
    ours, theirs = fit_forest(data, FOREST, 1), grow(data, FOREST, 1)
    on_threshold = np.array(
        [[t, t] for tree in ours.trees for t in tree.threshold if t != 0.0], dtype=np.float64
    )
    np.testing.assert_allclose(uplift(ours, on_threshold), theirs.predict(on_threshold), atol=1e-12)


def test_forest_survives_json() -> None:
    data, _ = trial()
    forest = fit_forest(data, FOREST, 7)
    read = msgspec.json.decode(msgspec.json.encode(forest), type=UpliftForest)
    assert read == forest
    assert (read.rates(data.matrix) == forest.rates(data.matrix)).all()


def test_same_seed_same_forest() -> None:
    data, _ = trial()
    assert fit_forest(data, FOREST, 7) == fit_forest(data, FOREST, 7)
    assert fit_forest(data, FOREST, 7) != fit_forest(data, FOREST, 8)


@pytest.mark.parametrize("learner", ["forest", "two_model"])
def test_learners_find_who_is_moved_by_which_treatment(learner: str) -> None:
    data, effect = trial(12_000)
    model = (
        fit_forest(data, FOREST.model_copy(update={"trees": 10}), 7)
        if learner == "forest"
        else fit_t_learner(data, TWO_MODEL, 7)
    )
    found = uplift(model, data.matrix)
    for treatment in range(2):
        moved = effect[:, treatment] > 0
        assert found[moved, treatment].mean() > 0.18
        assert abs(found[~moved, treatment].mean()) < 0.08


def test_t_learner_survives_its_bytes() -> None:
    data, _ = trial()
    learner = fit_t_learner(data, TWO_MODEL, 7)
    models = learner.to_bytes()
    assert len(models) == data.arms
    assert models == fit_t_learner(data, TWO_MODEL, 7).to_bytes()
    read = TLearner.from_bytes(models)
    assert (read.rates(data.matrix) == learner.rates(data.matrix)).all()


def test_t_learner_looks_at_one_arm_at_a_time() -> None:
    data, _ = trial()
    other = Randomised(data.matrix, data.arm, np.where(data.arm == 2, ~data.outcome, data.outcome))
    before, after = (fit_t_learner(one, TWO_MODEL, 7).to_bytes() for one in (data, other))
    assert before[:2] == after[:2]
    assert before[2] != after[2]


def test_an_arm_without_rows_or_without_variety_is_refused() -> None:
    matrix, outcome = np.zeros((4, 1)), np.array([True, False, True, False])
    with pytest.raises(ValueError, match="arm 1: expected outcomes of both kinds"):
        Randomised(matrix, np.array([0, 0, 2, 2]), outcome)
    with pytest.raises(ValueError, match="arm 1: expected outcomes of both kinds"):
        Randomised(matrix, np.array([0, 0, 0, 0]), outcome)
    with pytest.raises(ValueError, match="expected as many rows"):
        Randomised(matrix, np.array([0, 1]), outcome)


@pytest.mark.parametrize(
    "change",
    [{"left": (0, -1, -1)}, {"left": (3, -1, -1)}, {"left": (1, 2, -1)}, {"threshold": (0.5,)}],
)
def test_nodes_that_are_no_tree_are_refused(change: dict[str, object]) -> None:
    nodes = {
        "feature": (0, -1, -1),
        "threshold": (0.5, 0.0, 0.0),
        "left": (1, -1, -1),
        "right": (2, -1, -1),
        "rates": ((0.1, 0.2), (0.1, 0.2), (0.1, 0.2)),
    }
    good = msgspec.json.encode(UpliftTree(**nodes))
    assert msgspec.json.decode(good, type=UpliftTree) == UpliftTree(**nodes)
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(msgspec.json.encode(nodes | change), type=UpliftTree)


@st.composite
def ranked(draw: st.DrawFn) -> tuple[Bools, Floats, Bools]:
    """Draw outcomes, scores with ties, and treatments; both arms, outcomes of both kinds."""
    n = draw(st.integers(4, 60))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    levels = draw(st.integers(1, 20))
    outcome = rng.random(n) < draw(st.floats(0.1, 0.9))
    treated = rng.random(n) < draw(st.floats(0.2, 0.8))
    outcome[:2] = treated[2:4] = [True, False]
    return outcome, rng.integers(levels, size=n) / levels, treated


def coefficient(outcome: Bools, score: Floats, treated: Bools) -> float:
    return float(RankedRows(outcome, score, treated).coefficient(np.ones((1, len(score))))[0])


# scikit-uplift sums by a function that scikit-learn is about to drop.
@pytest.mark.filterwarnings("ignore:Function stable_cumsum is deprecated:FutureWarning")
@given(ranked())
def test_qini_is_that_of_scikit_uplift(case: tuple[Bools, Floats, Bools]) -> None:
    from sklift import metrics

    outcome, score, treated = case
    numbers = outcome.astype(np.int64), score, treated.astype(np.int64)
    targeted, gain = metrics.qini_curve(*numbers)
    curve = RankedRows(outcome, score, treated).curve(np.ones((1, len(score))))
    np.testing.assert_array_equal(curve.targeted[0], targeted)
    np.testing.assert_allclose(curve.gain[0], gain, atol=1e-9)
    expected = metrics.qini_auc_score(*numbers)
    assert coefficient(outcome, score, treated) == pytest.approx(expected, abs=1e-9)


@given(ranked(), st.integers(0, 2**32))
def test_counts_stand_for_repeated_rows(case: tuple[Bools, Floats, Bools], seed: int) -> None:
    outcome, score, treated = case
    counts = np.random.default_rng(seed).integers(0, 3, size=len(score))
    counts[:4] = 1
    rows = np.repeat(np.arange(len(score)), counts)
    repeated = coefficient(outcome[rows], score[rows], treated[rows])
    weighted = RankedRows(outcome, score, treated).coefficient(counts[None].astype(np.float64))
    assert weighted[0] == pytest.approx(repeated, abs=1e-9)


@given(ranked())
def test_only_the_order_of_scores_counts(case: tuple[Bools, Floats, Bools]) -> None:
    outcome, score, treated = case
    value = coefficient(outcome, score, treated)
    assert coefficient(outcome, np.exp(3.0 * score), treated) == pytest.approx(value)
    back = np.arange(len(score))[::-1]
    turned = coefficient(outcome[back], score[back], treated[back])
    assert turned == pytest.approx(value, abs=1e-12)


def test_knowing_the_outcomes_scores_one_and_a_constant_zero() -> None:
    data, _ = trial()
    treated = data.arm > 0
    perfect = np.where(data.outcome, np.where(treated, 1.0, -1.0), 0.0)
    assert coefficient(data.outcome, perfect, treated) == pytest.approx(1.0)
    assert coefficient(data.outcome, np.zeros(len(treated)), treated) == 0.0


def test_the_interval_holds_the_value_and_shrinks_with_rows() -> None:
    widths = []
    for n in (2_000, 18_000):
        data, effect = trial(n)
        own = data.arm != 2
        case = data.outcome[own], effect[own, 0], data.arm[own] == 1
        estimate = qini_estimate(*case, seed=1, resamples=300)
        assert estimate == qini_estimate(*case, seed=1, resamples=300)
        assert 0.0 < estimate.low < estimate.mean < estimate.high
        widths.append(estimate.high - estimate.low)
    assert widths[1] == pytest.approx(widths[0] / 3.0, rel=0.25)


def test_the_interval_covers_nineteen_times_in_twenty() -> None:
    """Of scores by chance the true coefficient is 0; 200 trials, 95 % covered, 4 SE allowed."""
    rng = np.random.default_rng(5)
    covered = 0
    for seed in range(200):
        outcome, treated = rng.random((2, 400)) < 0.5
        estimate = qini_estimate(outcome, rng.random(400), treated, seed=seed, resamples=200)
        covered += estimate.low <= 0.0 <= estimate.high
    assert covered >= 177


def test_what_has_no_curve_is_refused() -> None:
    yes, no, score = np.ones(4, dtype=bool), np.zeros(4, dtype=bool), np.arange(4.0)
    mixed = np.array([True, False, True, False])
    for outcome, treated in ((yes, yes), (yes, no), (no, mixed)):
        with pytest.raises(ValueError, match="expected treated and controls"):
            RankedRows(outcome, score, treated)
    with pytest.raises(ValueError, match="expected boolean"):
        RankedRows(score, score, mixed)
    with pytest.raises(ValueError, match="expected as many"):
        RankedRows(yes, score[:3], mixed)
    rare = np.arange(50) == 0
    with pytest.raises(ValueError, match="too few outcomes"):
        qini_estimate(rare, np.arange(50.0), np.arange(50) % 2 == 0, seed=1, resamples=100)
