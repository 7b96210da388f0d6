"""The simulator's customers made: real rows, Bank donors, the models' own scores."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import numpy as np
import pandas as pd
import pytest

from churnsaver_assets.decision.customers.ageing import aged_risk
from churnsaver_assets.decision.customers.offer_response import (
    accept_logits,
    environment_files,
    response_files,
)
from churnsaver_assets.decision.customers.population import simulated_customers
from churnsaver_assets.decision.simulator.cohort_files import CohortFileError, read_cohort
from churnsaver_serving.runtime.customer import ContactHistory, Customer
from tests.support.decision.cohort import START

if TYPE_CHECKING:
    from churnsaver_assets.decision.simulator.cohort import Cohort
    from churnsaver_serving.runtime.scoring.acceptance import AcceptanceModel
    from churnsaver_serving.runtime.scoring.scores import ScoringModel


@pytest.fixture(scope="module")
def small_telco(telco: pd.DataFrame) -> pd.DataFrame:
    return telco.iloc[:: max(1, len(telco) // 150)].reset_index(drop=True)


@pytest.fixture(scope="module")
def customers(small_telco: pd.DataFrame, small_bank: pd.DataFrame) -> list[Customer]:
    return simulated_customers(small_telco, small_bank, seed=42)


def _probabilities(telco: pd.DataFrame) -> pd.Series:
    rng = np.random.default_rng(42)
    ids = rng.permutation(telco["customer_id"].to_numpy())
    return pd.Series(rng.uniform(0.01, 0.9, len(telco)), index=ids)


def build_cohort(
    telco: pd.DataFrame,
    p_churn: pd.Series,
    bank: pd.DataFrame,
    acceptance: AcceptanceModel,
    risk_model: ScoringModel,
    *,
    seed: int,
) -> Cohort:
    """Make the files of the two assets, one after the other."""
    splits = pd.DataFrame({"customer_id": telco["customer_id"], "split": "train"})
    response = response_files(telco, splits, bank, acceptance, contacts=2, seed=seed)
    return read_cohort(environment_files(response, telco, p_churn, risk_model), "train")


def test_a_cohort_holds_each_customers_own_scores(
    small_telco: pd.DataFrame,
    small_bank: pd.DataFrame,
    acceptance: AcceptanceModel,
    risk_model: ScoringModel,
) -> None:
    p_churn = _probabilities(small_telco)
    given = small_telco, p_churn, small_bank, acceptance, risk_model
    cohort = build_cohort(*given, seed=42)
    assert cohort.customer_id.tolist() == small_telco["customer_id"].tolist()
    np.testing.assert_array_equal(cohort.p_churn, p_churn[cohort.customer_id].to_numpy())
    expected = aged_risk(risk_model, small_telco, cohort.p_churn)
    np.testing.assert_array_equal(cohort.risk, expected)
    np.testing.assert_array_equal(cohort.tenure_months, small_telco["tenure_months"])
    np.testing.assert_array_equal(cohort.monthly_charge_usd, small_telco["monthly_charges_usd"])
    assert cohort.accept_logit.shape == (len(small_telco), 3)
    assert cohort.accept_logit.std(axis=0).min() > 0.0
    again = build_cohort(*given, seed=42)
    np.testing.assert_array_equal(cohort.accept_logit, again.accept_logit)
    other = build_cohort(*given, seed=43)
    assert not np.array_equal(cohort.accept_logit, other.accept_logit)


def test_cohort_files_keep_the_split_and_name_what_is_wrong(
    small_telco: pd.DataFrame,
    small_bank: pd.DataFrame,
    acceptance: AcceptanceModel,
    risk_model: ScoringModel,
) -> None:
    split = np.where(np.arange(len(small_telco)) % 3 == 0, "holdout", "train")
    splits = pd.DataFrame({"customer_id": small_telco["customer_id"], "split": split})
    response = response_files(small_telco, splits, small_bank, acceptance, contacts=1, seed=42)
    p_churn = _probabilities(small_telco)
    files = environment_files(response, small_telco, p_churn, risk_model)
    held = small_telco["customer_id"][split == "holdout"].tolist()
    assert read_cohort(files, "holdout").customer_id.tolist() == held
    assert len(read_cohort(files, "train")) == len(small_telco) - len(held)
    with pytest.raises(CohortFileError, match="nobody is in the split 'test'"):
        read_cohort(files, "test")
    for name in files:
        with pytest.raises(CohortFileError, match=f"{name} is missing"):
            read_cohort({other: files[other] for other in files if other != name}, "train")
        with pytest.raises(CohortFileError, match="can't be read"):
            read_cohort(files | {name: files[name][: len(files[name]) // 2]}, "train")


def test_channel_and_history_come_from_somebody_alike(
    customers: list[Customer], small_bank: pd.DataFrame
) -> None:
    columns = ["senior", "partner", "channel", "previous_contacts", "previous_outcome"]
    known = set(small_bank[columns].itertuples(index=False, name=None))
    for one in customers:
        profile, history = one.profile, one.history
        drawn = (one.channel, history.previous_contacts, history.previous_outcome)
        assert (profile.senior_citizen, profile.partner, *drawn) in known
        assert history.contacts_in_window == 0
    assert len({one.history.previous_contacts for one in customers}) > 1


def test_customers_without_anybody_alike_are_named(
    small_telco: pd.DataFrame, small_bank: pd.DataFrame
) -> None:
    young = small_bank[~small_bank["senior"]]
    with pytest.raises(ValueError, match=r"customer .*: no Bank Marketing row with senior=True"):
        simulated_customers(small_telco, young, seed=42)


def test_customers_without_one_probability_are_named(
    small_telco: pd.DataFrame,
    small_bank: pd.DataFrame,
    acceptance: AcceptanceModel,
    risk_model: ScoringModel,
) -> None:
    p_churn = _probabilities(small_telco)
    gone = p_churn.index[3]
    for wrong, count in ((p_churn.drop(gone), 0), (pd.concat([p_churn, p_churn[[gone]]]), 2)):
        with pytest.raises(ValueError, match=f"1 have another number, such as {gone} with {count}"):
            build_cohort(small_telco, wrong, small_bank, acceptance, risk_model, seed=42)


def test_customers_alike_to_the_model_are_scored_once(
    acceptance: AcceptanceModel, customers: list[Customer]
) -> None:
    """Nothing but what `_kind` compares may matter: each customer alone gets the same scores."""
    together = accept_logits(acceptance, customers[:20], 1)
    for row, one in enumerate(customers[:20]):
        marked = msgspec.structs.replace(
            one,
            history=ContactHistory(
                previous_contacts=one.history.previous_contacts,
                previous_outcome=one.history.previous_outcome,
                contacts_in_window=3,
                last_contact_on=START,
            ),
        )
        np.testing.assert_allclose(accept_logits(acceptance, [marked], 1)[0], together[row])
