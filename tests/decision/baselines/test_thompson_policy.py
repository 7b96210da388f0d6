"""Thompson sampling: its warm-up, and how it learns and explores."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from churnsaver_assets.decision.baselines.log import randomised_log
from churnsaver_assets.decision.baselines.parameters import Thompson, build_policies
from churnsaver_assets.decision.baselines.thompson import ThompsonPolicy, warm_up
from churnsaver_assets.decision.play.pacing_rule import fixed_multiplier
from churnsaver_assets.decision.play.served import ServedConditions, ServedMode
from churnsaver_assets.decision.simulator.dynamics import Dynamics
from churnsaver_assets.decision.simulator.population import draw_population
from churnsaver_serving.runtime.policies.pacing import Pacing
from tests.support.decision.baselines import THOMPSON, first_day
from tests.support.decision.cohort import nominal_world

if TYPE_CHECKING:
    from churnsaver_assets.decision.baselines.parameters import LogModels
    from churnsaver_assets.decision.simulator.setting import Setting

_DAY = date(2026, 3, 2)


def _chosen(policy: ThompsonPolicy, setting: Setting, day: date = _DAY) -> list[int]:
    policy.begin_day(day)
    chosen: list[int] = policy.preferences(first_day(setting)).argmax(axis=1).tolist()
    return chosen


def test_each_group_learns_from_its_own_answers(train: Setting, models: LogModels) -> None:
    eager, deaf = (
        msgspec.structs.replace(nominal_world(), acceptance_offset=offset) for offset in (3.0, -3.0)
    )
    population = draw_population(
        train.cohort, train.calendar, arrival="daily", new_share=0.1, seed=1
    )
    policies = build_policies(Thompson(None), models, groups=3, seed=1)
    assert isinstance(policies, list)
    mode = ServedMode(
        Dynamics(train, population, [eager, train.nominal, deaf], seed=1),
        policies,
        Pacing(fixed_multiplier(0.0), population.first),
        ServedConditions(1e6),
        seed=1,
    )
    contacts = np.zeros(3)
    for _ in range(20):
        day = mode.play_day()
        contacts += np.bincount(mode.dynamics.group[day.rows], minlength=3)
    start = np.array([models.posterior.refused, models.posterior.accepted])
    learnt = np.array([policy.counts - start for policy in policies])  # type: ignore[attr-defined]
    np.testing.assert_array_equal(learnt.sum(axis=(1, 2, 3)), contacts)
    rates = learnt[:, 1].sum(axis=(1, 2)) / contacts
    assert rates[0] > 0.9 > rates[1] > 0.2 > rates[2]


def test_it_turns_from_an_offer_that_nobody_takes(train: Setting) -> None:
    """After enough refusals the offer that the log liked best is made no more."""
    policy = ThompsonPolicy(warm_up(randomised_log(train, 5, seed=3), THOMPSON), 0.0, seed=1)
    assert _chosen(policy, train).count(4) > 20
    for p_churn in first_day(train).p_churn:
        for _ in range(20):
            policy.learn(float(p_churn), 3, accepted=False)
    assert _chosen(policy, train).count(4) == 0


def test_it_explores_more_the_less_it_knows(train: Setting) -> None:
    spread = []
    for replicates in (1, 40):
        policy = ThompsonPolicy(
            warm_up(randomised_log(train, replicates, seed=3), THOMPSON), 0.0, seed=1
        )
        drawn = [_chosen(policy, train, _DAY + timedelta(days=day)) for day in range(10)]
        spread.append((np.array(drawn) != drawn[0]).mean())
    assert spread[0] > 1.5 * spread[1] > 0.0


def test_a_day_is_drawn_once_and_learners_apart(train: Setting, models: LogModels) -> None:
    one, same, other = (
        ThompsonPolicy(models.posterior, 0.0, seed=1, learner=learner) for learner in (0, 0, 1)
    )
    seen = first_day(train)
    for policy in (one, same, other):
        policy.begin_day(_DAY)
    values = one.preferences(seen)
    np.testing.assert_array_equal(one.preferences(seen), values)
    np.testing.assert_array_equal(same.preferences(seen), values)
    assert (other.preferences(seen)[:, 1:] != values[:, 1:]).all()


def test_what_the_acceptance_model_says_is_not_looked_at(train: Setting, models: LogModels) -> None:
    policy, seen = ThompsonPolicy(models.posterior, None, seed=1), first_day(train)
    blind = replace(seen, p_accept=np.full_like(seen.p_accept, 0.5))
    np.testing.assert_array_equal(policy.preferences(blind), policy.preferences(seen))


def test_a_warm_up_counts_every_contact_once(train: Setting) -> None:
    log = randomised_log(train, 2, seed=3)
    posterior = warm_up(log, THOMPSON)
    accepted, refused = np.array(posterior.accepted), np.array(posterior.refused)
    assert accepted.shape == refused.shape == (3, 4)
    assert (accepted - 1).sum() == log.accepted.sum()
    assert (accepted + refused - 2).sum() == (log.arm > 0).sum()
    assert len(posterior.edges) == 2
