"""The budgets that policies are compared at: amounts that the one-step rule's own spend gives."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import msgspec
import numpy as np
import pytest

from churnsaver_assets.decision.planning.bound import UpperBounds, upper_bound_from
from churnsaver_assets.decision.planning.budgets import Budgets, certify, find_budgets
from churnsaver_assets.decision.planning.programmes import CustomerProgrammes
from churnsaver_assets.experiments.evaluation_spec import BudgetsSpec, CapacitySpec
from tests.support.decision.cohort import at_risk
from tests.support.decision.living import living, living_setting

SPEC = BudgetsSpec(
    budget_shares=(0.2, 0.5, 0.8),
    capacity=CapacitySpec(budget_share=0.5, daily_contacts=0.02),
)


@cache
def found(seed: int = 42) -> Budgets:
    return find_budgets(living_setting(100, 30), SPEC, months=2, new_share=0.15, seed=seed)


def test_amounts_are_shares_of_what_is_spent_where_money_is_free() -> None:
    budgets = found()
    amounts = [one.budget_per_customer for one in budgets.plain]
    assert amounts == pytest.approx(
        [share * budgets.unconstrained_spend for share in (0.2, 0.5, 0.8)]
    )
    assert budgets.limited.daily_capacity == 2
    assert budgets.limited.budget_per_customer == amounts[1]
    assert budgets.unconstrained_spend > 1.0
    assert budgets.customers == 100


def test_the_reference_is_the_bound_at_the_middle_budget_over_whole_months() -> None:
    reference = found().reference
    assert len(reference.multipliers) == 2
    assert 0.0 <= reference.gap <= 1e-3
    march_and_april = living(living_setting(100, 61))
    again = upper_bound_from(march_and_april, budget_usd=reference.budget_per_customer)
    assert reference.budget_per_customer == found().plain[1].budget_per_customer
    assert reference.bound == pytest.approx(again.value, rel=1e-6)


def test_the_rule_gains_less_than_the_bound_without_a_budget() -> None:
    free = UpperBounds(CustomerProgrammes(living(living_setting(100, 61)))).at(np.inf)
    # One life of a hundred customers: luck is some tenth of the value.
    assert 0.5 * free.value < found().unconstrained_gain < 1.3 * free.value


def test_same_seed_same_bytes() -> None:
    again = find_budgets(living_setting(100, 30), SPEC, months=2, new_share=0.15, seed=42)
    assert msgspec.json.encode(again) == msgspec.json.encode(found())
    assert msgspec.json.decode(msgspec.json.encode(again), type=Budgets) == again


def test_safer_customers_leave_less_to_gain() -> None:
    setting = living_setting(100, 30)
    safer = replace(setting, cohort=at_risk(setting.cohort, setting.cohort.p_churn / 2))
    less = find_budgets(safer, SPEC, months=2, new_share=0.15, seed=42)
    assert less.unconstrained_spend < found().unconstrained_spend
    assert less.reference.bound < found().reference.bound


def test_certificates_agree_and_budget_and_capacity_bind() -> None:
    certificates = certify(living_setting(60, 30), customers=3, share=0.35)
    assert [one.daily_capacity for one in certificates] == [None, pytest.approx(0.3)]
    assert all(one.error <= 1e-4 for one in certificates)
    assert certificates[1].optimum < certificates[0].optimum
