"""Arrows from the models and the experiment to environment, bound, baselines and policy."""

from pathlib import Path

import dagster as dg
import msgspec
import numpy as np
import numpy.typing as npt
import pytest

from churnsaver_assets.decision.baselines.fallback import read_fallback
from churnsaver_assets.decision.simulator.cohort import AGED_MONTHS, Cohort
from churnsaver_assets.decision.simulator.cohort_files import NUMBERS_FILE, read_cohort, unpack
from churnsaver_assets.defs.evaluation import read_policy_evaluation
from churnsaver_assets.defs.experiment import read_experiment
from churnsaver_assets.defs.planning import read_budgets
from churnsaver_assets.defs.truth import REPORT_FILE
from churnsaver_serving.runtime.policies.actor import WEIGHTS_FILE
from churnsaver_serving.runtime.scoring.calibration import Platt
from churnsaver_serving.runtime.scoring.scores import CALIBRATOR_FILE
from churnsaver_serving.runtime.world.effects import daily_hazard
from tests.support.graph.harness import Changed, Graph

SPLITS = ("train", "holdout")


def cohorts(graph: Graph) -> list[Cohort]:
    files = graph.load("retention_environment")
    return [read_cohort(files, split) for split in SPLITS]


def hazards(graph: Graph) -> npt.NDArray[np.float64]:
    world = read_experiment(graph.load("experiment")).assumptions.nominal()
    return np.concatenate([daily_hazard(world, one.p_churn) for one in cohorts(graph)])


def gains(graph: Graph) -> npt.NDArray[np.float64]:
    """What is to be had without a budget, and the bound with one."""
    budgets = read_budgets(graph.load("upper_bound"))
    return np.array([budgets.unconstrained_gain, budgets.reference.bound])


def test_another_risk_model_changes_hazards_bound_and_policies(graph: Graph) -> None:
    names = ("retention_environment", "upper_bound", "baseline_policies", "ppo_policy")
    policy, bounds, hazard = graph.load("ppo_policy"), gains(graph), hazards(graph)
    threshold = read_fallback(graph.load("baseline_policies")).threshold
    acceptance = [one.accept_logit for one in cohorts(graph)]
    predictions = graph.load("churn_risk_predictions")
    halved = predictions.assign(probability=predictions["probability"] / 2)
    graph.overwrite("churn_risk_predictions", halved)
    graph.run(*names)

    assert (hazards(graph) < hazard).all()
    # Fewer are to be saved. What a budget buys is another matter: it is a share of another spend.
    assert gains(graph)[0] < bounds[0]
    assert gains(graph)[1] != bounds[1]
    assert read_fallback(graph.load("baseline_policies")).threshold == pytest.approx(threshold / 2)
    after = graph.load("ppo_policy")
    assert after[WEIGHTS_FILE] != policy[WEIGHTS_FILE]
    for one, before in zip(cohorts(graph), acceptance, strict=True):
        assert (one.accept_logit == before).all()


def test_the_environment_gives_each_customer_their_own_risk(graph: Graph) -> None:
    predictions = graph.load("churn_risk_predictions")
    rng = np.random.default_rng(42)
    dealt = predictions.assign(probability=rng.permutation(predictions["probability"]))
    # In another order of rows, too: each probability belongs to whose row it is in.
    graph.overwrite("churn_risk_predictions", dealt.sample(frac=1, random_state=42))
    graph.run("retention_environment")
    expected = dealt.set_index("customer_id")["probability"]
    split = graph.load("telco_splits").set_index("customer_id")["split"]
    for one, name in zip(cohorts(graph), SPLITS, strict=True):
        assert (one.p_churn == expected.loc[one.customer_id].to_numpy()).all()
        assert (split.loc[one.customer_id] == name).all()
        assert len(one) == (split == name).sum()


def test_another_risk_model_ages_customers_otherwise(graph: Graph) -> None:
    before = cohorts(graph)
    for one in before:
        moved = np.abs(one.risk[:, 1:] - one.risk[:, :1])
        assert (moved.max(axis=1) > 0.001).mean() > 0.5
    model = graph.load("churn_risk_model")
    # To this one all are alike, so nobody's risk changes with age.
    blind = msgspec.json.encode(Platt(slope=0.0, intercept=-1.0))
    graph.overwrite("churn_risk_model", model | {CALIBRATOR_FILE: blind})
    graph.run("retention_environment")
    for one, old in zip(cohorts(graph), before, strict=True):
        assert (one.p_churn == old.p_churn).all()  # out of sample: not that model's
        np.testing.assert_allclose(one.risk, np.tile(old.p_churn[:, None], AGED_MONTHS + 1))


def test_the_truth_comes_of_the_tables_and_of_no_model_that_policies_see(graph: Graph) -> None:
    before, believed = graph.load("simulated_truth"), cohorts(graph)
    # Other models than those that the policies see, and what they say of everyone.
    predictions = graph.load("churn_risk_predictions")
    graph.overwrite(
        "churn_risk_predictions", predictions.assign(probability=predictions["probability"] / 2)
    )
    graph.run("retention_environment")
    graph.run("simulated_truth")
    after = graph.load("simulated_truth")
    assert after[NUMBERS_FILE] == before[NUMBERS_FILE]
    assert after[REPORT_FILE] != before[REPORT_FILE]  # beside which it is judged
    for name, old in zip(SPLITS, believed, strict=True):
        one = read_cohort(after, name)
        assert (one.customer_id == old.customer_id).all()
        assert (one.risk != old.risk).all()

    customers = graph.load("telco_customers")
    left = np.random.default_rng(42).permutation(customers["churned"])
    others = customers.assign(churned=left)
    others.attrs = customers.attrs
    graph.overwrite("telco_customers", others)
    graph.run("simulated_truth", raise_on_error=False)
    for name in SPLITS:
        # By chance alone nobody is told from anybody.
        one = read_cohort(graph.load("simulated_truth"), name)
        assert one.p_churn.std() < read_cohort(before, name).p_churn.std() / 2


def test_another_bank_table_changes_true_acceptance(
    pristine: Graph,
    another_acceptance: Changed,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("CHURNSAVER_DATA", "sample")
    graph = another_acceptance.graph.copy(tmp_path / "copy")
    # Learnt from swapped answers the truth is another, and no better than its check allows.
    graph.run("simulated_truth", raise_on_error=False)
    for name in SPLITS:
        before, after = (
            read_cohort(one.load("simulated_truth"), name) for one in (pristine, graph)
        )
        assert (before.risk == after.risk).all()
        assert (before.accept_logit < after.accept_logit).mean() > 0.8


def test_another_acceptance_model_changes_acceptance_bound_and_policy(
    pristine: Graph, another_acceptance: Changed
) -> None:
    graph = another_acceptance.graph
    response = [unpack(one.load("offer_response"))[0]["accept_logit"] for one in (pristine, graph)]
    hardly, nearly = (float((one > 0.0).mean()) for one in response)
    assert hardly < 0.1  # said yes
    assert nearly > 0.8
    for before, after in zip(cohorts(pristine), cohorts(graph), strict=True):
        assert (before.customer_id == after.customer_id).all()
        assert (before.p_churn == after.p_churn).all()
        assert (before.accept_logit < after.accept_logit).mean() > 0.8
    assert (gains(graph) > gains(pristine)).all()
    policies = [one.load("ppo_policy") for one in (pristine, graph)]
    assert policies[0][WEIGHTS_FILE] != policies[1][WEIGHTS_FILE]


def test_declared_assumptions_change_bound_and_policy_and_not_what_models_say(
    pristine: Graph, other_assumptions: Changed
) -> None:
    graph = other_assumptions.graph
    assert graph.version("offer_response") == pristine.version("offer_response")
    assert graph.version("retention_environment") == pristine.version("retention_environment")
    assert (gains(graph) < gains(pristine)).all()  # discounts persuade fewer
    policies = [one.load("ppo_policy") for one in (pristine, graph)]
    assert policies[0][WEIGHTS_FILE] != policies[1][WEIGHTS_FILE]


def test_a_prior_changes_the_policy_and_not_the_bound(graph: Graph) -> None:
    policy, bound = graph.load("ppo_policy"), graph.version("upper_bound")
    graph.edit_experiment(assumptions__disturbance__high=0.2)
    graph.run("experiment", "planning_settings", "policy_settings")
    graph.run("upper_bound", "ppo_policy")
    assert graph.version("upper_bound") == bound
    assert graph.load("ppo_policy")[WEIGHTS_FILE] != policy[WEIGHTS_FILE]


def test_the_evaluation_is_at_the_bounds_budgets(pristine: Graph) -> None:
    budgets = read_budgets(pristine.load("upper_bound"))
    evaluation = read_policy_evaluation(pristine.load("policy_evaluation"))
    assert list(evaluation.budgets) == [one.budget_per_customer for one in budgets.plain]


def test_uplift_learners_are_judged_on_hillstroms_own_treatment(graph: Graph) -> None:
    emails = graph.load("hillstrom_emails")
    rng = np.random.default_rng(42)
    dealt = emails.assign(segment=rng.permutation(emails["segment"]))
    dealt.attrs = emails.attrs
    graph.overwrite("hillstrom_emails", dealt)
    done = graph.run("uplift_validation")  # no error: the check advises, and blocks nothing
    (check,) = done.get_asset_check_evaluations()
    assert check.asset_check_key == dg.AssetCheckKey(
        dg.AssetKey("uplift_validation"), "beats_a_random_ranking"
    )
    assert not check.passed
