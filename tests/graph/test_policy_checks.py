"""The decision checks let the sound pass and stop the broken, each for its own reason."""

from collections.abc import Callable

import msgspec
import pytest

from churnsaver_assets.defs import evaluation as checks
from churnsaver_assets.defs.environment import leaves_as_the_risk_model_says
from churnsaver_assets.defs.evaluation import EVALUATION_FILE, read_policy_evaluation
from churnsaver_assets.defs.lib.gate import GateClosed
from churnsaver_assets.defs.lib.io import Files
from churnsaver_assets.defs.planning import BUDGETS_FILE, certified_by_linear_programme
from churnsaver_assets.defs.policy import contacts_its_share, reloaded_policy_decides_alike
from churnsaver_assets.defs.truth import REPORT_FILE, as_good_as_the_policies_models
from churnsaver_serving.runtime.policies.actor import SPEC_FILE, WEIGHTS_FILE, LearnedPolicyError
from tests.support.graph.checks import other_settings, verdict
from tests.support.graph.harness import Graph
from tests.support.graph.policies import diverged, doing_nothing, edited_json


@pytest.fixture(scope="module")
def evaluated(pristine: Graph) -> Files:
    return {**pristine.load("policy_evaluation")}


def broken(files: Files, *path: str | int, value: object) -> Files:
    return files | {EVALUATION_FILE: edited_json(files[EVALUATION_FILE], *path, value=value)}


def test_a_policy_that_does_nothing_is_not_released(graph: Graph) -> None:
    # Exploration makes contacts of its own.
    graph.edit_experiment(evaluation__default_order=["ppo"], rules__exploration=0.0)
    graph.run("experiment", "policy_evaluation_settings")
    graph.overwrite("ppo_policy", doing_nothing(graph.load("ppo_policy")))
    done = graph.run("policy_evaluation", raise_on_error=False)
    passed = {one.check_name: one.passed for one in done.get_asset_check_evaluations()}
    assert passed == {
        "no_limit_broken": True,
        "headroom": False,
        "not_behind_today": False,
        "default_is_the_best_over_the_prior": True,
    }
    after = read_policy_evaluation(graph.load("policy_evaluation"))
    assert after.default == "ppo"
    for cell in after.served:
        assert cell.policies["ppo"].contacts == 0.0
        assert cell.policies["ppo"].headroom.mean == 0.0
        assert cell.policies["one_step"].contacts > 0.0
    with pytest.raises(GateClosed, match="no release"):
        graph.run("release")


@pytest.mark.parametrize(
    ("figure", "value"),
    [
        (("headroom", "low"), 1.01),
        (("violations", "overspent_cents"), 1),
        (("violations", "two_discounts"), 1),
        (("violations", "over_capacity"), 1),
        (("violations", "over_cap"), 1),
    ],
)
def test_one_broken_limit_of_one_policy_is_enough(
    evaluated: Files, figure: tuple[str, ...], value: object
) -> None:
    assert verdict(checks.no_limit_broken, evaluated).passed
    wrong = broken(evaluated, "served", 0, "policies", "month_end", *figure, value=value)
    wrong = broken(
        wrong, "served", 0, "policies", "month_end", "violations", "carried_cents", value=0
    )
    found = verdict(checks.no_limit_broken, wrong)
    assert not found.passed
    assert str(found.metadata["found"].value).startswith("month_end, 2026-")


def test_the_headroom_asked_for_is_the_experiments(pristine: Graph, evaluated: Files) -> None:
    assert verdict(checks.headroom, evaluated, pristine.load("policy_gates")).passed
    asked = other_settings(pristine, "policy_gates", gates__sample__policy__min_headroom=0.5)
    default = read_policy_evaluation(evaluated).default
    path = ("served", 1, "policies", default, "headroom", "mean")
    assert verdict(checks.headroom, broken(evaluated, *path, value=0.5), asked).passed
    assert not verdict(checks.headroom, broken(evaluated, *path, value=0.49), asked).passed


def test_a_policy_that_was_served_before_and_is_surely_ahead_stops_a_release(
    evaluated: Files,
) -> None:
    assert verdict(checks.not_behind_today, evaluated).passed
    path = ("served", 1, "policies", "month_end", "ahead_of_default", "low")
    assert verdict(checks.not_behind_today, broken(evaluated, *path, value=0.0)).passed
    assert not verdict(checks.not_behind_today, broken(evaluated, *path, value=0.1)).passed


def test_the_default_is_held_to_its_rule(pristine: Graph, evaluated: Files) -> None:
    settings = pristine.load("policy_evaluation_settings")
    check = checks.default_is_the_best_over_the_prior
    assert verdict(check, evaluated, settings).passed
    default = read_policy_evaluation(evaluated).default
    path = ("prior", default, "behind_best", "low")
    assert not verdict(check, broken(evaluated, *path, value=0.01), settings).passed
    assert not verdict(check, broken(evaluated, "default", value="month_end"), settings).passed
    simplest = read_policy_evaluation(broken(evaluated, "default", value="ppo"))
    assert simplest.prior[default].behind_best.low <= 0.0
    assert not verdict(check, broken(evaluated, "default", value="ppo"), settings).passed


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
