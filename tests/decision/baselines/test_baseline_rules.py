"""Agents that follow a rule: whom each contacts, with what, and in which order."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from churnsaver_assets.decision.baselines.choice import ValueRule, contact_by_value
from churnsaver_assets.decision.baselines.rules import (
    NothingAgent,
    OneStepAgent,
    PropensityAgent,
    RandomAgent,
)
from churnsaver_assets.decision.baselines.streams import own_stream
from churnsaver_assets.decision.play.execution import play
from churnsaver_serving.runtime.policy import GreedyValuePolicy
from tests.support.decision.baselines import Recorder, daily_requests, first_context, played
from tests.support.decision.cohort import small_setting

if TYPE_CHECKING:
    from churnsaver_assets.decision.simulator.setting import Setting


def test_nothing_does_nothing(train: Setting) -> None:
    result = played(NothingAgent(), train)
    assert result.contacts.sum() == result.gain_usd.sum() == result.over_cap.sum() == 0


def test_random_contacts_at_its_rate_with_all_offers(train: Setting) -> None:
    recorder = Recorder(RandomAgent(0.3, seed=1))
    played(recorder, train, np.inf)
    requests, available = recorder.days[0]
    assert (requests.action[available] > 0).mean() == pytest.approx(0.3, abs=0.06)
    assert set(np.unique(requests.action)) == {0, 1, 2, 3, 4}
    again = daily_requests(RandomAgent(0.3, seed=1), train)
    assert (again[0].action == requests.action).all()


def test_chance_does_not_know_who_is_lucky() -> None:
    """At one seed the simulator, the log, and either agent that draws have their own numbers."""
    streams = [own_stream(42, owner) for owner in ("log", "random", "thompson")]
    drawn = [rng.random(1_000) for rng in (np.random.default_rng(42), *streams)]
    correlation = np.corrcoef(drawn) - np.eye(4)
    assert np.abs(correlation).max() < 4 / np.sqrt(1_000)


@given(threshold=st.floats(0.05, 0.9), offer=st.sampled_from([0, 5, 10, 20]))
def test_propensity_contacts_the_riskiest_first(threshold: float, offer: int) -> None:
    setting = small_setting(80)
    requests = daily_requests(PropensityAgent(threshold, offer), setting)[0]
    risk = np.tile(setting.cohort.p_churn, 2)
    contacted = requests.action > 0
    assert (contacted == (risk >= threshold)).all()
    assert set(setting.space.offer_pct[requests.action[contacted]]) <= {offer}
    assert (requests.priority[contacted] == risk[contacted]).all()


@pytest.mark.parametrize("multiplier", [0.0, 0.7, 2.0])
def test_greedy_value_is_the_served_policy(train: Setting, multiplier: float) -> None:
    context = first_context(train)
    rows = context.available()
    own = OneStepAgent("greedy_value", multiplier).act(context)
    seen = context.observe(np.full(1, multiplier), rows)
    served = GreedyValuePolicy().probabilities(seen).argmax(axis=1)
    assert (own.action[rows] == served).all()
    assert (served > 0).sum() > 0


def test_a_constant_offer_is_constant(train: Setting) -> None:
    for requests in daily_requests(OneStepAgent("constant_offer", 0.5, (5,)), train):
        assert set(np.unique(requests.action)) <= {0, train.space.index(5, 0)}


def test_a_dearer_dollar_contacts_a_subset(train: Setting) -> None:
    context = first_context(train)
    cheap, dear = (OneStepAgent("g", price).act(context).action > 0 for price in (0.5, 2.0))
    assert dear.sum() < cheap.sum()
    assert (cheap | ~dear).all()


def test_value_is_bought_in_order_of_its_price(train: Setting) -> None:
    context = first_context(train)
    rows = context.available()[:3]
    net = np.array([[9.0, 12.0, 0.0, 0.0], [4.0, 1.0, 0.0, 0.0], [0.5, 0.2, 0.0, 0.0]])
    cost = np.array([[3.0, 10.0, 9.0, 9.0], [1.0, 1.0, 9.0, 9.0], [1.0, 1.0, 9.0, 9.0]])
    net_of_price = contact_by_value(context, rows, net, cost, ValueRule(1.0, price_offers=True))
    assert net_of_price.action[rows].tolist() == [1, 1, 0]
    assert net_of_price.priority[rows].tolist() == [3.0, 4.0, 0.0]
    dearest = contact_by_value(context, rows, net, cost, ValueRule(1.0, price_offers=False))
    assert dearest.action[rows].tolist() == [2, 1, 0]
    assert dearest.priority[rows].tolist() == [1.2, 4.0, 0.0]


def test_who_is_at_the_cap_is_told_of_and_spared() -> None:
    setting = small_setting(60)
    setting = replace(setting, rules=msgspec.structs.replace(setting.rules, fatigue_cap=2))
    deaf = msgspec.structs.replace(setting.nominal, acceptance_offset=-20.0, hazard_scale=0.01)
    result = play(PropensityAgent(0.2, 10), setting, [deaf], budget_per_customer=np.inf, seed=1)
    share = (setting.cohort.p_churn >= 0.2).mean()
    assert result.contacts[0] == pytest.approx(2 * share)
    assert result.over_cap[0] == pytest.approx(share)
