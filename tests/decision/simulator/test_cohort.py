"""The simulator's customers: real rows, Bank donors, the acceptance model's own scores."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
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
from churnsaver_assets.decision.simulator.calendar import Calendar
from churnsaver_assets.decision.simulator.cohort_files import CohortFileError, read_cohort
from churnsaver_assets.decision.simulator.environment import RetentionVectorEnv
from churnsaver_serving.runtime.acceptance import days_since_contact
from churnsaver_serving.runtime.actions import ActionSpace
from churnsaver_serving.runtime.customer import ContactHistory, Customer
from tests.support.decision.cohort import (
    START,
    at_risk,
    nominal_world,
    packaged_rules,
    small_cohort,
    small_setting,
)

if TYPE_CHECKING:
    from churnsaver_assets.decision.simulator.cohort import Cohort
    from churnsaver_serving.runtime.acceptance import AcceptanceModel
    from churnsaver_serving.runtime.scores import ScoringModel


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


def _in_window(customer: Customer, contacts: int, last: date | None) -> Customer:
    history = msgspec.structs.replace(
        customer.history, contacts_in_window=contacts, last_contact_on=last
    )
    return msgspec.structs.replace(customer, history=history)


def test_acceptance_in_the_simulator_is_the_served_one(
    acceptance: AcceptanceModel, customers: list[Customer]
) -> None:
    """Whatever the delays and the contacts before: `AcceptanceModel.predict`."""
    rng = np.random.default_rng(42)
    n, cap = len(customers), packaged_rules().fatigue_cap
    world = msgspec.structs.replace(nominal_world(), contact_fatigue=0.2, acceptance_offset=-0.3)
    space = ActionSpace((0, 5, 10, 20), (0, 1, 3, 7))
    logits = accept_logits(acceptance, customers, cap)
    assert logits.shape == (n, cap + 1)
    cohort = replace(small_cohort(n), accept_logit=logits)
    for start in [START + timedelta(days=int(days)) for days in rng.integers(0, 360, 12)]:
        contacts = rng.integers(0, cap + 1, n)
        since = np.where(contacts > 0, rng.integers(1, 30, n), np.inf)
        histories = [
            _in_window(one, int(count), start - timedelta(days=int(days)) if count else None)
            for one, count, days in zip(
                customers, contacts, np.where(contacts > 0, since, 0), strict=True
            )
        ]
        setting = small_setting(n, 30, space.delays_days, start)
        env = RetentionVectorEnv(
            replace(setting, cohort=cohort, nominal=world),
            [world],
            mode="integrated",
            rng=rng,
        )
        env.reset(contacts.astype(np.float64), since)
        observed, ago = env.observe(np.ones(1)).p_accept, days_since_contact(histories, start)
        for position, delay in enumerate(space.delays_days):
            served = acceptance.predict(histories, ago + delay, world, space.offers_pct)
            np.testing.assert_allclose(observed[:, position], served, rtol=2e-5)
        np.testing.assert_allclose(env.p_accept(), observed[:, 0])


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


def test_refuses_arrays_that_do_not_fit() -> None:
    cohort = small_cohort(4)
    with pytest.raises(ValueError, match=r"risk, .*: shape does not fit 3 customers"):
        replace(cohort, customer_id=cohort.customer_id[:3])
    with pytest.raises(ValueError, match="accept_logit: shape"):
        replace(cohort, accept_logit=cohort.accept_logit[:, None])
    with pytest.raises(ValueError, match="accept_logit: shape"):
        replace(cohort, accept_logit=cohort.accept_logit[..., 0])
    for wrong in (0.0, 1.0, np.nan):
        with pytest.raises(ValueError, match=r"expected probabilities in \(0, 1\)"):
            at_risk(cohort, np.full(4, wrong))
    with pytest.raises(ValueError, match="risk: shape"):
        replace(cohort, risk=cohort.risk[:, :-1])
    for months in (np.full(4, -1), np.full(4, 1.5)):
        with pytest.raises(ValueError, match="tenure_months: expected whole numbers >= 0"):
            replace(cohort, tenure_months=months)
    with pytest.raises(ValueError, match="monthly_charge_usd: expected"):
        replace(cohort, monthly_charge_usd=np.full(4, -1.0))
    with pytest.raises(ValueError, match="accept_logit: expected finite"):
        replace(cohort, accept_logit=np.full_like(cohort.accept_logit, np.inf))
    with pytest.raises(ValueError, match="at least one"):
        cohort.rows(np.array([], dtype=np.int64))


def test_a_calendar_knows_months_weekdays_and_days_off() -> None:
    calendar = Calendar.starting(date(2026, 1, 30), 4, packaged_rules())
    assert calendar.days == 4
    assert calendar.month.tolist() == [0, 0, 1, 1]
    assert calendar.weekday.tolist() == [4, 5, 6, 0]
    assert calendar.working.tolist() == [True, False, False, True]


def test_without_a_model_everybody_looks_alike() -> None:
    cohort = small_cohort(50)
    without_risk, without_acceptance = (
        cohort.without_risk_model(),
        cohort.without_acceptance_model(),
    )
    assert (np.ptp(without_risk.risk, axis=0) == 0.0).all()
    np.testing.assert_allclose(without_risk.risk[0], cohort.risk.mean(axis=0))
    np.testing.assert_array_equal(without_risk.accept_logit, cohort.accept_logit)
    assert np.ptp(without_acceptance.accept_logit) == 0.0
    np.testing.assert_array_equal(without_acceptance.risk, cohort.risk)
