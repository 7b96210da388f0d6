"""The decision checks let the sound pass and stop the broken, each for its own reason."""

from collections.abc import Callable

import msgspec
import pytest

from churnsaver_assets.decision.baselines.files import BASELINES_FILE, read_table
from churnsaver_assets.decision.baselines.parameters import Propensity
from churnsaver_assets.defs import evaluation as checks
from churnsaver_assets.defs.environment import leaves_as_the_risk_model_says
from churnsaver_assets.defs.evaluation import EVALUATION_FILE, read_policy_evaluation
from churnsaver_assets.defs.lib.gate import GateClosed
from churnsaver_assets.defs.lib.io import Files
from churnsaver_assets.defs.planning import BUDGETS_FILE, certified_by_linear_programme
from churnsaver_assets.defs.policy import contacts_its_share, reloaded_policy_decides_alike
from churnsaver_assets.defs.truth import REPORT_FILE, as_good_as_the_policies_models
from churnsaver_serving.runtime.actor import SPEC_FILE, WEIGHTS_FILE, LearnedPolicyError
from tests.support.graph.checks import other_settings, verdict
from tests.support.graph.harness import Graph
from tests.support.graph.policies import diverged, doing_nothing, edited_json

# A policy in the evaluation's JSON: of the first budget, and under the daily capacity.
PLAIN, LIMITED = ("budgets", 0, "policies"), ("capacity", "policies")


@pytest.fixture(scope="module")
def evaluated(pristine: Graph) -> Files:
    return {**pristine.load("policy_evaluation")}


def without_propensity(files: Files) -> Files:
    """The propensity baseline tuned to a risk that nobody has."""
    content = files[BASELINES_FILE]
    for budget, tuning in enumerate(read_table(files).budgets):
        for place, tuned in enumerate(tuning.baselines):
            if isinstance(tuned.parameters, Propensity):
                path = ("budgets", budget, "baselines", place, "parameters", "threshold")
                content = edited_json(content, *path, value=1.1)
    assert content != files[BASELINES_FILE]
    return files | {BASELINES_FILE: content}


def broken(files: Files, *path: str | int, value: object) -> Files:
    return files | {EVALUATION_FILE: edited_json(files[EVALUATION_FILE], *path, value=value)}


def test_a_policy_that_does_nothing_is_not_released(graph: Graph) -> None:
    before = read_policy_evaluation(graph.load("policy_evaluation"))
    graph.overwrite("ppo_policy", doing_nothing(graph.load("ppo_policy")))
    graph.overwrite("baseline_policies", without_propensity(graph.load("baseline_policies")))
    done = graph.run("policy_evaluation", raise_on_error=False)
    passed = {one.check_name: one.passed for one in done.get_asset_check_evaluations()}
    assert passed == {
        "no_constraint_violated": True,
        "fatigue_within_cap": True,
        "headroom": False,
        "ahead_of_the_best_baseline": False,
    }
    after = read_policy_evaluation(graph.load("policy_evaluation"))
    for old, new in zip(before.budgets, after.budgets, strict=True):
        assert old.policies["propensity"].headroom.mean > 0.5
        for name in ("ppo", "propensity"):
            assert new.policies[name].headroom.mean == 0.0
            assert new.policies[name].offer_cost.mean == 0.0
        # The same luck for everyone else, to the last digit.
        assert new.policies["thompson"] == old.policies["thompson"]
        assert new.policies["planner"] == old.policies["planner"]
    with pytest.raises(GateClosed, match="no release"):
        graph.run("release")


@pytest.mark.parametrize("where", [PLAIN, LIMITED])
@pytest.mark.parametrize(
    ("figure", "value"),
    [
        (("above_bound",), True),
        (("violations", "overspent"), 1),
        (("violations", "cooldown_breaches"), 1),
        (("violations", "over_capacity_days"), 1),
    ],
)
def test_one_broken_constraint_of_one_policy_is_enough(
    evaluated: Files, where: tuple[str | int, ...], figure: tuple[str, ...], value: object
) -> None:
    assert verdict(checks.no_constraint_violated, evaluated).passed
    wrong = broken(evaluated, *where, "thompson", *figure, value=value)
    found = verdict(checks.no_constraint_violated, wrong)
    assert not found.passed
    assert str(found.metadata["broken"].value).startswith("thompson, budget ")


@pytest.mark.parametrize("share", [0.05, None])
def test_contacts_beyond_the_fatigue_cap_count_once_they_are_no_accident(
    pristine: Graph, evaluated: Files, share: float | None
) -> None:
    given = pristine.load("policy_evaluation_settings"), pristine.load("policy_gates")
    assert verdict(checks.fatigue_within_cap, evaluated, *given).passed
    path = (*PLAIN, "ppo", "violations", "fatigue_over_cap")
    assert not verdict(
        checks.fatigue_within_cap, broken(evaluated, *path, value=share), *given
    ).passed


def test_the_headroom_asked_for_is_the_experiments(pristine: Graph, evaluated: Files) -> None:
    given = pristine.load("upper_bound"), pristine.load("policy_evaluation_settings")
    assert verdict(checks.headroom, evaluated, *given, pristine.load("policy_gates")).passed
    for gate in ("min_headroom", "min_capacity_headroom"):
        changed = {f"gates__sample__policy__{gate}": 0.999}
        asked = other_settings(pristine, "policy_gates", **changed)
        assert not verdict(checks.headroom, evaluated, *given, asked).passed


@pytest.mark.parametrize("score", ["risk", "acceptance"])
@pytest.mark.parametrize(
    ("figure", "change"),
    [(("truth", "auc"), -0.03), (("model", "auc"), -0.03), (("truth", "ece"), 0.2)],
)
def test_neither_truth_nor_model_may_be_a_straw_man(
    pristine: Graph, score: str, figure: tuple[str, str], change: float
) -> None:
    truth = pristine.load("simulated_truth")
    given = [
        pristine.load(name)
        for name in ("telco_customers", "churn_risk_gates", "offer_acceptance_gates")
    ]
    assert verdict(as_good_as_the_policies_models, truth, *given).passed
    side, metric = figure
    value = msgspec.json.decode(truth[REPORT_FILE])["scores"][score][side][metric]["mean"] + change
    path = ("scores", score, side, metric, "mean")
    worse = truth | {REPORT_FILE: edited_json(truth[REPORT_FILE], *path, value=value)}
    assert not verdict(as_good_as_the_policies_models, worse, *given).passed


def test_the_truths_calibration_is_held_by_the_experiments_gates(pristine: Graph) -> None:
    truth, customers = pristine.load("simulated_truth"), pristine.load("telco_customers")
    names = ("churn_risk", "offer_acceptance")
    for tightened in names:
        gates = [
            other_settings(pristine, f"{name}_gates", **{f"gates__sample__{name}__max_ece": 0.0001})
            if name == tightened
            else pristine.load(f"{name}_gates")
            for name in names
        ]
        assert not verdict(as_good_as_the_policies_models, truth, customers, *gates).passed


def test_bounds_that_are_not_what_the_method_gives_are_stopped(pristine: Graph) -> None:
    files = pristine.load("upper_bound")
    given = (pristine.load("retention_environment"), pristine.load("planning_settings"))
    assert verdict(certified_by_linear_programme, files, *given).passed
    doubled = edited_json(files[BUDGETS_FILE], "reference", "bound", value=100.0)
    assert not verdict(certified_by_linear_programme, {BUDGETS_FILE: doubled}, *given).passed


def test_headroom_is_of_the_bound_that_the_graph_found(pristine: Graph, evaluated: Files) -> None:
    bounds = pristine.load("upper_bound")
    given = pristine.load("policy_evaluation_settings"), pristine.load("policy_gates")
    for position in range(3):
        path = ("bounds", position, "bound")
        off = edited_json(bounds[BUDGETS_FILE], *path, value=40.0)
        assert not verdict(checks.headroom, evaluated, {BUDGETS_FILE: off}, *given).passed


def test_a_lead_that_luck_explains_is_none(pristine: Graph, evaluated: Files) -> None:
    settings = pristine.load("policy_evaluation_settings")
    assert verdict(checks.ahead_of_the_best_baseline, evaluated, settings).passed
    path = ("budgets", 1, "gains", "random", "nrr_points", "low")
    level = broken(evaluated, *path, value=-0.01)
    assert not verdict(checks.ahead_of_the_best_baseline, level, settings).passed


def test_a_nominal_world_in_which_more_leave_than_the_model_says_is_stopped(
    pristine: Graph,
) -> None:
    environment = pristine.load("retention_environment")
    settings = pristine.load("simulator_settings")
    assert verdict(leaves_as_the_risk_model_says, environment, settings).passed
    changed = {"assumptions__hazard_scale__value": 1.3}
    harsher = other_settings(pristine, "simulator_settings", **changed)
    assert not verdict(leaves_as_the_risk_model_says, environment, harsher).passed


def test_a_fallback_of_other_predictions_is_stopped(pristine: Graph) -> None:
    files, settings = pristine.load("baseline_policies"), pristine.load("baselines_settings")
    predictions = pristine.load("churn_risk_predictions")
    assert verdict(contacts_its_share, files, predictions, settings).passed
    halved = predictions.assign(probability=predictions["probability"] / 2)
    assert not verdict(contacts_its_share, files, halved, settings).passed


def test_a_policy_that_is_saved_otherwise_than_stored_is_stopped(pristine: Graph) -> None:
    files = pristine.load("ppo_policy")
    given = (pristine.load("retention_environment"), pristine.load("policy_settings"))
    indented = msgspec.json.format(files[SPEC_FILE], indent=2)
    assert not verdict(reloaded_policy_decides_alike, files | {SPEC_FILE: indented}, *given).passed


def test_a_policy_that_single_precision_cant_tell_is_stopped(pristine: Graph) -> None:
    given = pristine.load("retention_environment"), pristine.load("policy_settings")
    files = pristine.load("ppo_policy")
    assert verdict(reloaded_policy_decides_alike, files, *given).passed
    found = verdict(reloaded_policy_decides_alike, diverged(files), *given)
    assert not found.passed
    difference = found.metadata["largest difference of an action's probability"].value
    assert isinstance(difference, float)
    assert difference > 1e-5


@pytest.mark.parametrize(
    ("name", "damage"),
    [
        (WEIGHTS_FILE, lambda content: content[:-8]),
        (SPEC_FILE, lambda content: content[: len(content) // 2]),
    ],
)
def test_a_damaged_policy_is_not_evaluated(
    graph: Graph, name: str, damage: Callable[[bytes], bytes]
) -> None:
    files = graph.load("ppo_policy")
    graph.overwrite("ppo_policy", files | {name: damage(files[name])})
    with pytest.raises(LearnedPolicyError, match=f"{name} can't be read"):
        graph.run("policy_evaluation")
