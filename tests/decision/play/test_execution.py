"""Playing a policy: the hard rules hold whatever it asks for, and it is scored for what it did."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, replace
from datetime import timedelta
from typing import TYPE_CHECKING

import numpy as np
import pytest
from churnsaver_assets.decision.play.paced import FixedMultiplierAgent, PacedAgent

from churnsaver_assets.decision.play.agents import ContactRequests, DecisionContext, Feedback
from churnsaver_assets.decision.play.execution import PeriodResult, play
from churnsaver_assets.decision.simulator.environment import RetentionVectorEnv
from churnsaver_serving.runtime.pacing import Pacing, PacingTable
from tests.support.decision.cohort import START, at_risk, small_setting
from tests.support.decision.table import drawn_table

if TYPE_CHECKING:
    from churnsaver_assets.decision.simulator.setting import Setting
    from churnsaver_serving.runtime.arrays import Floats, Ints
    from churnsaver_serving.runtime.assumptions import World


class _TableAgent:
    """Plays a drawn table; see `decision_table`."""

    name = "table"

    def __init__(self, table: Ints) -> None:
        self._table = table
        self.seen: list[DecisionContext] = []

    def begin(self, context: DecisionContext) -> None:  # noqa: ARG002 - the protocol's
        self.seen = []

    def act(self, context: DecisionContext) -> ContactRequests:
        self.seen.append(context)
        requests = ContactRequests.none(context.size)
        rows = context.available()
        allowed = context.observe(np.ones(context.groups), rows).eligible
        wanted = self._table[
            context.customer[rows], context.contacts[rows].astype(int), context.day
        ]
        requests.action[rows] = np.where(allowed[np.arange(len(rows)), wanted], wanted, 0)
        return requests


def _played(agent: _TableAgent, setting: Setting, *, budget: float, seed: int = 42) -> PeriodResult:
    worlds: list[World] = [setting.nominal] * 3
    return play(agent, setting, worlds, budget_per_customer=budget, seed=seed, daily_capacity=9)


def test_play_books_what_happened() -> None:
    setting = small_setting(40)
    table = drawn_table(setting, rate=0.5)
    played = _played(_TableAgent(table), setting, budget=3.0)
    env = RetentionVectorEnv(
        setting,
        [setting.nominal] * 3,
        mode="sampled",
        rng=np.random.default_rng(42),
        budget_usd=np.full(3, 120.0),
        daily_capacity=9,
    )
    agent = _TableAgent(table)
    sums: dict[str, Floats] = {
        name: np.zeros(env.size) for name in ("reward", "cost", "spent", "contacted", "dropped")
    }
    last = None
    while not env.done:
        requests = agent.act(DecisionContext(env, last, None))
        last = env.step(requests.action, requests.priority)
        for name in sums:
            sums[name] += getattr(last, name)
    mean = {name: values.reshape(3, 40).mean(axis=1) for name, values in sums.items()}
    for name, field in (
        ("gain_usd", "reward"),
        ("cost_usd", "cost"),
        ("spent_usd", "spent"),
        ("contacts", "contacted"),
        ("dropped", "dropped"),
    ):
        np.testing.assert_allclose(getattr(played, name), mean[field], rtol=1e-12)
    np.testing.assert_allclose(played.contacts_by_day.sum(axis=1), played.contacts)
    contact_cost = setting.nominal.contact_cost_usd
    np.testing.assert_allclose(
        played.cost_usd - played.discount_usd, played.contacts * contact_cost
    )
    assert played.dropped.min() > 0
    assert played.spent_usd.max() <= 3.0
    for name in ("overspent", "cooldown_breaches", "over_capacity"):
        assert not getattr(played, name).any()
    charge, p_churn = setting.cohort.monthly_charge_usd, setting.cohort.p_churn
    np.testing.assert_allclose(played.starting_usd, 6 * charge.mean())
    np.testing.assert_allclose(played.nothing_usd, 6 * (charge * (1 - p_churn)).mean())
    np.testing.assert_allclose(
        played.nrr, (played.nothing_usd + played.gain_usd) / played.starting_usd
    )


def test_same_seed_same_play_and_groups_differ() -> None:
    setting = small_setting(40)
    agent = _TableAgent(drawn_table(setting, rate=0.5))
    first, again = (_played(agent, setting, budget=5.0) for _ in range(2))
    for field in fields(PeriodResult):
        np.testing.assert_array_equal(getattr(first, field.name), getattr(again, field.name))
    assert len(set(first.gain_usd.tolist())) == 3
    other = _played(agent, setting, budget=5.0, seed=43)
    assert not np.array_equal(first.gain_usd, other.gain_usd)


def test_doing_nothing_costs_and_gains_nothing() -> None:
    setting = small_setting(10)
    played = _played(_TableAgent(drawn_table(setting, rate=0.0)), setting, budget=5.0)
    for name in ("gain_usd", "cost_usd", "spent_usd", "contacts", "dropped"):
        assert not getattr(played, name).any()


def test_agents_are_not_told_what_contacts_are_really_worth() -> None:
    setting = small_setting(20)
    agent = _TableAgent(drawn_table(setting, rate=0.5))
    _played(agent, setting, budget=50.0)
    assert agent.seen[0].last is None
    noticed = agent.seen[1].last
    assert isinstance(noticed, Feedback)
    assert {field.name for field in fields(Feedback)} == {
        "contacted",
        "dropped",
        "accepted",
        "spent",
    }
    assert noticed.contacted.any()


class _EagerAgent:
    """Contacts everybody whenever the rules allow it, and some even if the cap doesn't."""

    name = "eager"

    def __init__(self, beyond: Callable[[DecisionContext, Ints], Ints] | None) -> None:
        self._beyond = beyond

    def begin(self, context: DecisionContext) -> None:
        pass

    def act(self, context: DecisionContext) -> ContactRequests:
        requests = ContactRequests.none(context.size)
        requests.action[context.available()] = 1
        if self._beyond is None:
            return requests
        rows = context.at_cap()
        observation = context.observe(np.zeros(context.groups), rows, lift_cap=True)
        assert observation.eligible.all()
        assert not context.observe(np.zeros(context.groups), rows).eligible[:, 1:].any()
        unmasked = np.zeros(context.size, dtype=bool)
        unmasked[self._beyond(context, rows)] = True
        return replace(requests, unmasked=unmasked)


def _stubborn(setting: Setting) -> Setting:
    """Nobody accepts and hardly anybody leaves, so that all come to the cap."""
    cohort = replace(
        at_risk(setting.cohort, np.full(len(setting.cohort), 1e-6)),
        accept_logit=np.full_like(setting.cohort.accept_logit, -40.0),
    )
    return replace(setting, cohort=cohort)


def test_wishes_beyond_the_cap_are_counted_once_for_each_customer() -> None:
    setting = _stubborn(small_setting(20))

    def played(beyond: Callable[[DecisionContext, Ints], Ints] | None) -> PeriodResult:
        agent = _EagerAgent(beyond)
        return play(agent, setting, [setting.nominal] * 2, budget_per_customer=99.0, seed=1)

    assert played(lambda _, rows: rows).over_cap.tolist() == [1.0, 1.0]
    assert played(lambda _, rows: rows[:0]).over_cap.tolist() == [0.0, 0.0]
    some = played(lambda context, rows: rows[context.customer[rows] < 5])
    assert some.over_cap.tolist() == [0.25, 0.25]
    # Wanting those who may not be contacted for another reason is no breach of the cap.
    everybody = played(
        lambda context, rows: np.arange(context.size) if context.day < 20 else rows[:0]
    )
    assert everybody.over_cap.tolist() == [0.0, 0.0]
    assert np.isnan(played(None).over_cap).all()
    assert played(None).contacts.tolist() == [4.0, 4.0]


class _Recorder:
    """A priced policy that contacts nobody and remembers its multipliers."""

    name = "recorder"

    def __init__(self) -> None:
        self.multipliers: list[Floats] = []

    def begin(self, context: DecisionContext) -> None:  # noqa: ARG002 - the protocol's
        self.multipliers = []

    def decide(self, context: DecisionContext, multiplier: Floats) -> ContactRequests:
        self.multipliers.append(multiplier)
        return ContactRequests.none(context.size)


def _pacing() -> Pacing:
    """Make a pacing table whose spend falls with the multiplier and with the days gone."""
    spend = np.array([[[8.0, 0.0], [4.0, 0.0], [1.0, 0.0]]] * 4)
    return Pacing(
        PacingTable(
            multipliers=(0.0, 1.0, 3.0),
            switch_days=(0, 30),
            contacts_usd=tuple(tuple(map(tuple, row)) for row in (spend / 2).tolist()),
            discounts_usd=tuple(tuple(map(tuple, row)) for row in (spend / 2).tolist()),
        )
    )


@pytest.mark.parametrize(("budget", "first"), [(4.0, 1.0), (1.0, 3.0), (0.5, 3.0), (8.0, 0.0)])
def test_a_paced_agent_starts_where_the_forecast_uses_the_budget_up(
    budget: float, first: float
) -> None:
    policy = _Recorder()
    setting = small_setting(10)
    play(
        PacedAgent(policy, _pacing()),
        setting,
        [setting.nominal] * 2,
        budget_per_customer=budget,
        seed=1,
    )
    np.testing.assert_allclose(policy.multipliers[0], first, atol=1e-9)
    # Nothing is spent and less and less is still to come: money becomes worth less.
    assert (np.diff(np.array(policy.multipliers), axis=0) <= 1e-12).all()
    np.testing.assert_allclose(policy.multipliers[-1], 0.0, atol=1e-9)


def test_a_day_off_decides_on_nobody() -> None:
    """Customers are undecided until the first contact day, however the period begins."""
    undecided, decided = [[9.0, 0.0], [6.0, 0.0]], [[0.5, 0.0], [0.5, 0.0]]
    spend = tuple(tuple(map(tuple, level)) for level in (decided, decided, undecided))
    nothing = tuple(tuple((0.0, 0.0) for _ in level) for level in spend)
    table = PacingTable(
        multipliers=(0.0, 2.0), switch_days=(0, 30), contacts_usd=spend, discounts_usd=nothing
    )
    policy = _Recorder()
    setting = small_setting(5, start=START + timedelta(days=5))
    play(
        PacedAgent(policy, Pacing(table)),
        setting,
        [setting.nominal],
        budget_per_customer=6.0,
        seed=1,
    )
    saturday, sunday, monday, tuesday = (float(day[0]) for day in policy.multipliers[:4])
    assert saturday > sunday > monday > 0.0
    assert tuesday == 0.0


def test_a_fixed_agent_keeps_its_multiplier() -> None:
    policy = _Recorder()
    setting = small_setting(10)
    play(
        FixedMultiplierAgent(policy, 1.7),
        setting,
        [setting.nominal] * 2,
        budget_per_customer=1.0,
        seed=1,
    )
    assert np.array(policy.multipliers).tolist() == [[1.7, 1.7]] * 30
