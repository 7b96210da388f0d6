"""Pacing tables: what is simulated is what the policy spends, and pacing by it uses the budget."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING

import msgspec
import numpy as np
import pytest

from churnsaver_assets.decision.planning.bound import upper_bound
from churnsaver_assets.decision.planning.dynamic_programme import CustomerProgrammes
from churnsaver_assets.decision.planning.planner import LagrangianPlanner
from churnsaver_assets.decision.play.agents import ContactRequests, DecisionContext
from churnsaver_assets.decision.play.execution import play
from churnsaver_assets.decision.play.paced import FixedMultiplierAgent, PacedAgent
from churnsaver_assets.decision.play.pacing_table import build_pacing_table, representatives
from churnsaver_serving.runtime.pacing import Pacing, PacingTable
from churnsaver_serving.runtime.value import contact_value
from tests.support.decision.cohort import at_risk, nominal_world, small_cohort, small_setting

if TYPE_CHECKING:
    from churnsaver_assets.decision.simulator.setting import Setting

MULTIPLIERS = (0.0, 0.5, 1.0, 2.0, 4.0, 8.0)
DAYS = (0, 1, 7, 9, 16, 24)


class Greedy:
    """The best single contact at the multiplier, as if it were the last; counts its periods."""

    name = "greedy"

    def __init__(self) -> None:
        self.begun = 0

    def begin(self, context: DecisionContext) -> None:  # noqa: ARG002 - only counted
        self.begun += 1

    def decide(self, context: DecisionContext, multiplier: np.ndarray) -> ContactRequests:
        requests, rows = ContactRequests.none(context.size), context.available()
        if len(rows):
            seen = context.observe(multiplier, rows)
            value = contact_value(
                seen.p_churn,
                seen.monthly_charge_usd,
                seen.p_accept,
                seen.space,
                seen.world,
                days_left=seen.days_left,
                multiplier=seen.multiplier,
            )
            requests.action[rows], requests.priority[rows] = value.argmax(axis=1), value.max(axis=1)
        return requests


def table_of(
    policy: Greedy | LagrangianPlanner, setting: Setting, capacity: float | None = None
) -> PacingTable:
    return build_pacing_table(
        policy,
        setting,
        multipliers=MULTIPLIERS,
        switch_days=DAYS,
        rng=np.random.default_rng(42),
        capacity_per_customer=capacity,
    )


def spend(table: PacingTable) -> np.ndarray:
    return np.array(table.contacts_usd) + np.array(table.discounts_usd)


@cache
def planned() -> tuple[Setting, PacingTable]:
    setting = small_setting(80)
    return setting, table_of(LagrangianPlanner(), setting)


def test_has_what_the_plan_spends_from_each_day_on() -> None:
    setting, table = planned()
    programmes = CustomerProgrammes(setting.cohort, setting, setting.nominal)
    for level, price in enumerate(MULTIPLIERS):
        by_day = programmes.solve(price).flow().spend_usd / 80
        for column, day in enumerate(DAYS):
            assert spend(table)[level, level, column] == pytest.approx(by_day[day:].sum())
        # On the first day nothing was before.
        assert spend(table)[:, level, 0] == pytest.approx(by_day.sum())


def test_spends_less_the_dearer_a_dollar_and_the_more_was_done_before() -> None:
    table = spend(planned()[1])
    assert (np.diff(table, axis=1) <= 1e-9).all()
    # A lower multiplier before leaves less to do; for nobody contacted there is most.
    assert (np.diff(table[:, :, 1], axis=0) >= -1e-9).all()
    assert (table >= 0).all()
    assert table[0, 0, 0] > 1.0


def test_the_undecided_are_untouched_but_for_those_who_left() -> None:
    setting = small_setting(1)
    cohort = at_risk(setting.cohort, np.array([0.6]))
    setting = replace(setting, cohort=cohort)
    table = spend(table_of(LagrangianPlanner(), setting))
    programmes = CustomerProgrammes(cohort, setting, nominal_world())
    for level, price in enumerate(MULTIPLIERS):
        for column, day in enumerate(DAYS):
            fresh = programmes.solve(price, from_day=day).flow().spend_usd.sum()
            assert table[-1, level, column] == pytest.approx(programmes.stay[0, 0] ** day * fresh)


def test_splits_contacts_from_discounts() -> None:
    """Contacts cost 2 USD each whatever is accepted."""
    setting, table = planned()
    flow = CustomerProgrammes(setting.cohort, setting, setting.nominal).solve(1.0).flow()
    contacts = setting.nominal.contact_cost_usd * flow.contacts.sum() / 80
    assert table.contacts_usd[0][MULTIPLIERS.index(1.0)][0] == pytest.approx(contacts)


def test_the_policy_begins_once_and_is_left_alone() -> None:
    policy = Greedy()
    first = table_of(policy, small_setting(20))
    assert policy.begun == 1
    assert table_of(Greedy(), small_setting(20)) == first


@pytest.mark.parametrize("share", [0.15, 0.35, 0.7])
@pytest.mark.parametrize("policy", [Greedy(), LagrangianPlanner()], ids=lambda one: one.name)
def test_paced_by_it_the_budget_is_used_up(
    share: float, policy: Greedy | LagrangianPlanner
) -> None:
    """On other customers than the table's, under the hard cap."""
    table = table_of_training(policy.name)
    setting = small_setting(1000, seed=7)
    free = CustomerProgrammes(setting.cohort, setting, setting.nominal).solve(0.0)
    budget = share * free.flow().spend_usd.sum() / 1000
    played = play(
        PacedAgent(policy, Pacing(table)),
        setting,
        [setting.nominal] * 5,
        budget_per_customer=budget,
        seed=42,
    )
    used = played.spent_usd / budget
    assert (used >= 0.97).all()
    assert (used <= 1.0).all()


@cache
def table_of_training(name: str, capacity: float | None = None) -> PacingTable:
    setting = small_setting(3000)
    some = replace(setting, cohort=setting.cohort.rows(representatives(setting.cohort, 300)))
    return table_of(Greedy() if name == "greedy" else LagrangianPlanner(), some, capacity)


def test_pacing_beats_a_fixed_multiplier_where_acceptance_is_wrong() -> None:
    policy = LagrangianPlanner()
    table, setting = table_of_training(policy.name), small_setting(1000, seed=7)
    programmes = CustomerProgrammes(setting.cohort, setting, setting.nominal)
    budget = 0.35 * programmes.solve(0.0).flow().spend_usd.sum() / 1000
    price = upper_bound(programmes, budget_per_customer=budget).multiplier
    world = msgspec.structs.replace(setting.nominal, acceptance_offset=-0.7)
    paced, fixed = (
        play(agent, setting, [world] * 8, budget_per_customer=budget, seed=42).gain_usd
        for agent in (PacedAgent(policy, Pacing(table)), FixedMultiplierAgent(policy, price))
    )
    difference = paced - fixed
    assert difference.mean() > 3 * difference.std(ddof=1) / np.sqrt(8)


def test_capacity_that_never_binds_changes_nothing() -> None:
    setting = small_setting(60)
    assert table_of(Greedy(), setting, capacity=1.0) == table_of(Greedy(), setting)


def test_where_capacity_binds_less_is_spent_at_first_and_more_is_left_to_do() -> None:
    setting = small_setting(200)
    free, tight = spend(table_of(Greedy(), setting)), spend(table_of(Greedy(), setting, 0.03))
    later = DAYS.index(7)
    assert tight[0, 0, 0] < free[0, 0, 0]
    assert tight[0, 0, later] > free[0, 0, later]
    # A day's capacity of contacts, each at most a contact and the highest discount.
    first_day = tight[0, 0, 0] - tight[0, 0, 1]
    dearest = 2.0 + 3 * 0.2 * setting.cohort.monthly_charge_usd.max()
    assert first_day <= 0.035 * dearest


def test_pacing_keeps_money_for_those_who_wait_for_capacity() -> None:
    """A table that knows the capacity sets a higher multiplier once people have to wait."""
    setting = small_setting(200)
    tables = table_of(Greedy(), setting, 0.03), table_of(Greedy(), setting)
    knows, ignores = (
        Pacing(table).multiplier(7, 100.0, customers=100.0, least_before=1.0) for table in tables
    )
    assert knows > ignores + 0.1


def test_paced_under_capacity_it_is_near_the_bound() -> None:
    setting, capacity = small_setting(1000, seed=7), 15
    programmes = CustomerProgrammes(setting.cohort, setting, setting.nominal)
    budget = 0.25 * programmes.solve(0.0).flow().spend_usd.sum() / 1000
    bound = upper_bound(programmes, budget_per_customer=budget, daily_capacity=capacity)
    table = table_of_training("greedy", capacity / 1000)
    played = play(
        PacedAgent(Greedy(), Pacing(table)),
        setting,
        [setting.nominal] * 8,
        budget_per_customer=budget,
        seed=42,
        daily_capacity=capacity,
    )
    assert played.gain_usd.mean() > 0.92 * bound.value
    assert not played.over_capacity.any()
    assert (played.spent_usd / budget >= 0.97).all()


def test_representatives_stand_for_all() -> None:
    """In worth and in revenue at risk, and better than as many drawn at random."""
    setting, rng = small_setting(4000), np.random.default_rng(42)
    solved = CustomerProgrammes(setting.cohort, setting, setting.nominal).solve(0.0)
    charge, risk = setting.cohort.monthly_charge_usd, setting.cohort.p_churn
    few = representatives(setting.cohort, 200)
    drawn = [rng.choice(4000, 200, replace=False) for _ in range(50)]
    for quantity in (solved.value, charge * risk):
        everyone = quantity.mean()
        off = abs(quantity[few].mean() / everyone - 1.0)
        assert off < 0.05
        assert off < np.mean([abs(quantity[one].mean() / everyone - 1.0) for one in drawn])


def test_representatives_are_all_where_there_are_no_more() -> None:
    assert np.array_equal(representatives(small_cohort(7), 20), np.arange(7))
    assert len(np.unique(representatives(small_cohort(500), 100))) == 100


def test_refuses_a_switch_after_the_period() -> None:
    with pytest.raises(ValueError, match="switch_days"):
        build_pacing_table(
            Greedy(),
            small_setting(5),
            multipliers=MULTIPLIERS,
            switch_days=(0, 30),
            rng=np.random.default_rng(42),
        )
