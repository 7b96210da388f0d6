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
from churnsaver_assets.decision.simulator.dynamics import Dynamics
from churnsaver_assets.decision.simulator.observed import observed
from churnsaver_assets.decision.simulator.population import everybody
from churnsaver_serving.runtime.limits.actions import ActionSpace
from tests.support.decision.cohort import (
    START,
    at_risk,
    nominal_world,
    packaged_rules,
    small_cohort,
    small_setting,
)
from tests.support.serving.observations import served_observation

if TYPE_CHECKING:
    from churnsaver_serving.runtime.customer import Customer
    from churnsaver_serving.runtime.scoring.acceptance import AcceptanceModel


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
    """Whatever the delays and the contacts before."""
    rng = np.random.default_rng(42)
    n, cap = len(customers), packaged_rules().fatigue_cap
    world = msgspec.structs.replace(nominal_world(), contact_fatigue=0.2, acceptance_offset=-0.3)
    space = ActionSpace((0, 5, 10, 20), (0, 1, 3, 7))
    logits = accept_logits(acceptance, customers, cap)
    assert logits.shape == (n, cap + 1)
    cohort = replace(small_cohort(n), accept_logit=logits)
    contacts = rng.integers(0, cap + 1, n)
    since = np.where(contacts > 0, rng.integers(1, 5, n), 0)
    histories = [
        _in_window(one, int(count), START - timedelta(days=int(days)) if count else None)
        for one, count, days in zip(customers, contacts, since, strict=True)
    ]
    setting = replace(small_setting(n, 30, space.delays_days), cohort=cohort, nominal=world)
    there = everybody(np.arange(n), np.zeros(n, dtype=np.int64), setting.calendar.days)
    dynamics = Dynamics(setting, there, [world], seed=42)
    for row in range(n):
        earlier = np.arange(contacts[row]) * 7 + since[row]
        dynamics.contact_days[row, : contacts[row]] = -earlier
    for delay in space.delays_days:
        wait = np.full(n, float(delay))
        seen = observed(
            dynamics, np.arange(n), wait, multiplier=np.zeros(n), belief=np.zeros((n, 3))
        )
        served = served_observation(
            acceptance, histories, START, world, space.offers_pct, wait=delay
        )
        np.testing.assert_array_equal(seen.days_since_contact, served.days_since_contact)
        np.testing.assert_allclose(seen.p_accept, served.p_accept, rtol=2e-5)


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


def test_a_calendar_knows_months_and_days_off() -> None:
    holiday = date(2026, 2, 2)
    calendar = Calendar.starting(date(2026, 1, 30), 5, packaged_rules(), [holiday])
    assert calendar.days == 5
    assert (calendar.months - 12 * 2026).tolist() == [0, 0, 1, 1, 1]
    assert calendar.working.tolist() == [True, False, False, False, True]
    assert calendar.open_days(2, (0, 1, 2, 3)).tolist() == [False, False, True, False]
