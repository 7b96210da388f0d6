"""The Thompson agent: its warm-up, and how it learns and explores."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from churnsaver_assets.decision.baselines.choice import ValueRule
from churnsaver_assets.decision.baselines.log import randomised_log
from churnsaver_assets.decision.baselines.thompson import ThompsonAgent, warm_up
from churnsaver_assets.decision.play.execution import play
from tests.support.decision.baselines import THOMPSON, first_context, played
from tests.support.decision.cohort import nominal_world

if TYPE_CHECKING:
    from churnsaver_assets.decision.simulator.setting import Setting


def test_thompson_learns_each_group_by_itself(train: Setting) -> None:
    posterior = warm_up(randomised_log(train, 1, seed=3), THOMPSON)
    agent = ThompsonAgent(posterior, ValueRule(0.0, price_offers=True), seed=1)
    eager, deaf = (
        msgspec.structs.replace(nominal_world(), acceptance_offset=offset) for offset in (3.0, -3.0)
    )
    play(agent, train, [eager, train.nominal, deaf], budget_per_customer=np.inf, seed=1)
    made = agent._counts - np.array([posterior.refused, posterior.accepted])[None]
    rates = made[:, 1].sum(axis=(1, 2)) / made.sum(axis=(1, 2, 3))
    assert rates[0] > 0.9 > rates[1] > 0.2 > rates[2]
    contacts = played(agent, train, np.inf, groups=1).contacts[0] * len(train.cohort)
    made = agent._counts - np.array([posterior.refused, posterior.accepted])[None]
    # The last day's outcomes come after the last decision.
    assert 0.98 * contacts <= made.sum() <= contacts


def test_thompson_turns_from_an_offer_that_nobody_takes(train: Setting) -> None:
    """After enough refusals the offer that the log liked best is played no more."""
    log = randomised_log(train, 5, seed=3)
    soured = replace(log, accepted=log.accepted & (log.arm != 4))
    rule = ValueRule(0.0, price_offers=True)
    context = first_context(train)
    chosen = []
    for one in (log, soured):
        agent = ThompsonAgent(warm_up(one, THOMPSON), rule, seed=1)
        agent.begin(context)
        chosen.append((agent.act(context).action == train.space.index(20, 0)).sum())
    assert chosen[0] > 20
    assert chosen[1] == 0


def test_thompson_explores_more_the_less_it_knows(train: Setting) -> None:
    context = first_context(train)
    spread = []
    for replicates in (1, 40):
        posterior = warm_up(randomised_log(train, replicates, seed=3), THOMPSON)
        drawn = []
        for seed in range(10):
            agent = ThompsonAgent(posterior, ValueRule(0.0, price_offers=True), seed)
            agent.begin(context)
            drawn.append(agent.act(context).action)
        spread.append((np.array(drawn) != drawn[0]).mean())
    assert spread[0] > 1.5 * spread[1] > 0.0


def test_a_warm_up_counts_every_contact_once(train: Setting) -> None:
    log = randomised_log(train, 2, seed=3)
    posterior = warm_up(log, THOMPSON)
    accepted, refused = np.array(posterior.accepted), np.array(posterior.refused)
    assert accepted.shape == refused.shape == (3, 4)
    assert (accepted - 1).sum() == log.accepted.sum()
    assert (accepted + refused - 2).sum() == (log.arm > 0).sum()
    assert len(posterior.edges) == 2
