"""The truth: the same customers by another family, each scored by what never saw them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest

from churnsaver_assets.data.tables.splits import RULES, make_splits
from churnsaver_assets.decision.customers.offer_response import environment_files, response_files
from churnsaver_assets.decision.customers.population import simulated_customers
from churnsaver_assets.decision.customers.truth import TrueAcceptance, cross_fitted, truth_files
from churnsaver_assets.decision.simulator.cohort import AGED_MONTHS
from churnsaver_assets.decision.simulator.cohort_files import NAMES_FILE, read_cohort
from churnsaver_serving.runtime.scoring.calibration import logit
from tests.support.decision.cohort import packaged_rules

if TYPE_CHECKING:
    from collections.abc import Mapping

    from churnsaver_serving.runtime.scoring.acceptance import AcceptanceModel
    from churnsaver_serving.runtime.scoring.scores import ScoringModel

CAP = packaged_rules().fatigue_cap


@pytest.fixture(scope="module")
def customers(telco: pd.DataFrame) -> pd.DataFrame:
    return telco.iloc[:: max(1, len(telco) // 800)].reset_index(drop=True)


@pytest.fixture(scope="module")
def splits(customers: pd.DataFrame) -> pd.DataFrame:
    return make_splits(customers, RULES["telco_customers"])


@pytest.fixture(scope="module")
def environment(
    customers: pd.DataFrame,
    splits: pd.DataFrame,
    small_bank: pd.DataFrame,
    acceptance: AcceptanceModel,
    risk_model: ScoringModel,
) -> Mapping[str, bytes]:
    response = response_files(customers, splits, small_bank, acceptance, contacts=CAP, seed=42)
    draws = np.random.default_rng(42).uniform(0.01, 0.9, len(customers))
    p_churn = pd.Series(draws, index=customers["customer_id"])
    return environment_files(response, customers, p_churn, risk_model)


@pytest.fixture(scope="module")
def truth(
    environment: Mapping[str, bytes],
    customers: pd.DataFrame,
    splits: pd.DataFrame,
    small_bank: pd.DataFrame,
) -> Mapping[str, bytes]:
    return truth_files(environment, customers, splits, small_bank, seed=42)


def test_the_truth_is_of_the_same_customers_and_by_other_models(
    environment: Mapping[str, bytes], truth: Mapping[str, bytes]
) -> None:
    assert truth[NAMES_FILE] == environment[NAMES_FILE]
    for split in ("train", "holdout"):
        believed, true = read_cohort(environment, split), read_cohort(truth, split)
        np.testing.assert_array_equal(true.customer_id, believed.customer_id)
        np.testing.assert_array_equal(true.tenure_months, believed.tenure_months)
        np.testing.assert_array_equal(true.monthly_charge_usd, believed.monthly_charge_usd)
        assert true.accept_logit.shape == believed.accept_logit.shape
        assert (true.risk != believed.risk).all()
        assert (true.accept_logit != believed.accept_logit).all()
        assert np.corrcoef(true.accept_logit[:, 0], believed.accept_logit[:, 0])[0, 1] > 0.7


def test_no_label_counts_in_its_own_customers_truth(
    customers: pd.DataFrame, splits: pd.DataFrame
) -> None:
    """Not for now and not for later months; those of other folds' customers do count."""
    views = [customers, customers.assign(tenure_months=customers["tenure_months"] + 5)]
    before = cross_fitted("churn_risk", customers, splits, views)
    fold = customers.merge(splits, on="customer_id", validate="one_to_one")["fold"].to_numpy()
    for one in np.unique(fold):
        own = fold == one
        turned = customers.assign(churned=customers["churned"] ^ own)
        after = cross_fitted("churn_risk", turned, splits, views)
        np.testing.assert_array_equal(after[own], before[own])
        assert (after[~own] != before[~own]).all()


def test_risk_is_a_logistic_regression_and_ages_by_each_customers_own(
    customers: pd.DataFrame, splits: pd.DataFrame, truth: Mapping[str, bytes]
) -> None:
    """Done again here for one fold, with scikit-learn alone and columns made by pandas."""
    from sklearn.linear_model import LogisticRegression

    joined = customers.merge(splits, on="customer_id", validate="one_to_one")
    test = (joined["fold"] == 2).to_numpy()

    def columns(months: int) -> pd.DataFrame:
        later = customers.drop(columns=["customer_id", "gender", "churned"])
        later["tenure_months"] += months
        later["total_charges_usd"] += months * later["monthly_charges_usd"]
        for name in ("tenure_months", "monthly_charges_usd", "total_charges_usd"):
            later[f"log {name}"] = np.log1p(later[name])
        return pd.get_dummies(later).astype(float)

    now = columns(0)[~test]
    centre, scale = now.mean(), now.std(ddof=0)
    model = LogisticRegression(max_iter=5000).fit(
        (now - centre) / scale, customers["churned"][~test]
    )
    true = {split: read_cohort(truth, split) for split in ("train", "holdout")}
    risk = pd.concat([pd.DataFrame(one.risk, index=one.customer_id) for one in true.values()]).loc[
        customers["customer_id"]
    ]
    for months in (0, 1, AGED_MONTHS):
        expected = model.predict_proba((columns(months)[test] - centre) / scale)[:, 1]
        np.testing.assert_allclose(risk.to_numpy()[test, months], expected, atol=2e-3)


def test_contacts_before_wear_acceptance_out(truth: Mapping[str, bytes]) -> None:
    """As much for everyone: the regression's own effect of a contact in the campaign."""
    steps = np.diff(read_cohort(truth, "train").accept_logit.astype(np.float64), axis=1)
    assert (steps.sum(axis=1) < 0).all()
    np.testing.assert_allclose(steps, np.tile(steps[0], (len(steps), 1)), atol=1e-5)


def test_acceptance_follows_what_the_bank_table_says(
    customers: pd.DataFrame, small_bank: pd.DataFrame
) -> None:
    simulated = simulated_customers(customers.head(50), small_bank, seed=42)
    p = TrueAcceptance(small_bank).base(simulated)
    # Yes for no: what the regression learnt is turned round, to its last digits.
    other = TrueAcceptance(small_bank.assign(accepted=~small_bank["accepted"])).base(simulated)
    np.testing.assert_allclose(logit(other), -logit(p), atol=1e-2)


def test_the_draw_of_the_environment_is_made_again(
    environment: Mapping[str, bytes],
    customers: pd.DataFrame,
    splits: pd.DataFrame,
    small_bank: pd.DataFrame,
    truth: Mapping[str, bytes],
) -> None:
    again, other = (
        truth_files(environment, customers, splits, small_bank, seed=seed) for seed in (42, 43)
    )
    assert again == truth
    assert other != truth


def test_other_customers_than_the_environments_are_refused(
    environment: Mapping[str, bytes],
    customers: pd.DataFrame,
    splits: pd.DataFrame,
    small_bank: pd.DataFrame,
) -> None:
    for wrong in (customers.iloc[::-1], customers.iloc[1:]):
        with pytest.raises(ValueError, match=r"customers are not the table's .* make it anew"):
            truth_files(environment, wrong, splits, small_bank, seed=42)
