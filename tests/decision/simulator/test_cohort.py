"""A cohort in the simulator: what it refuses, and acceptance as the API has it."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from typing import TYPE_CHECKING

import msgspec
import numpy as np
import pandas as pd
import pytest

from churnsaver_assets.decision.customers.offer_response import accept_logits
from churnsaver_assets.decision.customers.population import simulated_customers
from churnsaver_assets.decision.simulator.calendar import Calendar
from churnsaver_assets.decision.simulator.environment import RetentionVectorEnv
from churnsaver_serving.runtime.acceptance import days_since_contact
from churnsaver_serving.runtime.actions import ActionSpace
from tests.support.decision.cohort import (
    START,
    at_risk,
    nominal_world,
    packaged_rules,
    small_cohort,
    small_setting,
)

if TYPE_CHECKING:
    from churnsaver_serving.runtime.acceptance import AcceptanceModel
    from churnsaver_serving.runtime.customer import Customer


@pytest.fixture(scope="module")
def customers(telco: pd.DataFrame, small_bank: pd.DataFrame) -> list[Customer]:
    few = telco.iloc[:: max(1, len(telco) // 150)]
    return simulated_customers(few, small_bank, seed=42)


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
