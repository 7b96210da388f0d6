"""Policies that follow a rule: whom each contacts, and with what."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

import numpy as np
import pytest

from churnsaver_assets.decision.baselines.conditions import Conditions
from churnsaver_assets.decision.baselines.rules import (
    ConstantOfferPolicy,
    NothingPolicy,
    RandomPolicy,
    at_price,
)
from churnsaver_assets.decision.baselines.streams import own_stream
from churnsaver_assets.decision.play.served import ServedConditions
from churnsaver_serving.runtime.policies.value import one_step_value
from tests.support.decision.baselines import first_day, without_limits

if TYPE_CHECKING:
    from churnsaver_assets.decision.simulator.setting import Setting

_DAY = date(2026, 3, 2)


def test_nothing_does_nothing_whatever_is_explored(train: Setting) -> None:
    assert train.rules.exploration > 0
    mode = without_limits(NothingPolicy(), train)
    assert sum(len(mode.play_day().rows) for _ in range(20)) == 0


def test_random_contacts_at_its_rate_with_all_offers(train: Setting) -> None:
    policy, seen = RandomPolicy(0.3, seed=1), first_day(train)
    policy.begin_day(_DAY)
    chosen = policy.preferences(seen).argmax(axis=1)
    assert (chosen > 0).mean() == pytest.approx(0.3, abs=0.08)
    assert set(chosen.tolist()) == {0, 1, 2, 3, 4}
    again = RandomPolicy(0.3, seed=1)
    again.preferences(seen)
    again.begin_day(_DAY)
    assert (again.preferences(seen).argmax(axis=1) == chosen).all()
    again.begin_day(date(2026, 3, 3))
    assert (again.preferences(seen).argmax(axis=1) != chosen).any()


def test_chance_does_not_know_who_is_lucky() -> None:
    """At one seed the simulator, the log, and either policy that draws have their own numbers."""
    streams = [own_stream(42, owner) for owner in ("log", "random", "thompson")]
    drawn = [rng.random(1_000) for rng in (np.random.default_rng(42), *streams)]
    correlation = np.corrcoef(drawn) - np.eye(4)
    assert np.abs(correlation).max() < 4 / np.sqrt(1_000)


@pytest.mark.parametrize("price", [0.0, 0.3])
def test_a_constant_offer_has_a_price_of_its_own(train: Setting, price: float) -> None:
    seen = first_day(train, multiplier=5.0)
    found = ConstantOfferPolicy(10, price).preferences(seen)
    np.testing.assert_array_equal(found[:, 3], one_step_value(at_price(seen, price))[:, 3])
    chosen = found.argmax(axis=1)
    assert set(chosen.tolist()) == {0, 3}
    dearer = ConstantOfferPolicy(10, price + 0.5).preferences(seen).argmax(axis=1) > 0
    assert dearer.sum() < (chosen > 0).sum()
    assert ((chosen > 0) | ~dearer).all()


def test_a_capacity_is_a_share_of_the_customers_and_at_least_one() -> None:
    assert Conditions("daily", 2.0).served(700) == ServedConditions(2.0)
    assert Conditions("daily", 2.0, 0.01).served(700) == ServedConditions(2.0, 7)
    assert Conditions("daily", 2.0, 0.001).served(100) == ServedConditions(2.0, 1)


def test_a_releases_rules_are_conditions(train: Setting) -> None:
    rules, found = train.rules, Conditions.of("monthly", train.rules)
    assert found.arrival == "monthly"
    assert found.served(rules.customers) == ServedConditions(
        rules.budget_usd / rules.customers, rules.daily_capacity
    )
