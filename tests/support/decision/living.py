"""Small populations that live on: their dynamics, and policies in service with them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

import numpy as np

from churnsaver_assets.decision.play.pacing_rule import fixed_multiplier as fixed_rule
from churnsaver_assets.decision.play.served import ServedConditions, ServedMode
from churnsaver_assets.decision.simulator.dynamics import Dynamics
from churnsaver_assets.decision.simulator.population import draw_population
from churnsaver_serving.runtime.policies.pacing import Pacing
from churnsaver_serving.runtime.policies.policy import OneStepPolicy
from tests.support.decision.cohort import packaged_actions, small_setting

if TYPE_CHECKING:
    from churnsaver_assets.decision.simulator.arrivals import Arrival
    from churnsaver_assets.decision.simulator.setting import Setting
    from churnsaver_serving.runtime.arrays import Floats
    from churnsaver_serving.runtime.policies.policy import Policy
    from churnsaver_serving.runtime.world.assumptions import World

START = date(2026, 3, 1)


def living_setting(n: int, days: int, *, start: date = START, seed: int = 42) -> Setting:
    """Return a setting with the packaged delays, rules and nominal world."""
    return small_setting(n, days, packaged_actions().delays_days, start, seed)


def living(
    setting: Setting,
    *,
    groups: int = 1,
    arrival: Arrival = "daily",
    new_share: float = 0.15,
    world: World | None = None,
    seed: int = 42,
) -> Dynamics:
    """Return the dynamics of a population drawn from a setting's cohort."""
    population = draw_population(
        setting.cohort, setting.calendar, arrival=arrival, new_share=new_share, seed=seed
    )
    return Dynamics(setting, population, [world or setting.nominal] * groups, seed=seed)


def fixed_multiplier(multiplier: float, customers: int) -> Pacing:
    """Return a pacing that never moves."""
    return Pacing(fixed_rule(multiplier), customers)


def served(
    dynamics: Dynamics,
    policy: Policy,
    *,
    multiplier: float = 0.0,
    conditions: ServedConditions,
    seed: int = 42,
) -> ServedMode:
    """Return a policy in service at a multiplier that never moves."""
    pacing = fixed_multiplier(multiplier, dynamics.population.first)
    return ServedMode(dynamics, policy, pacing, conditions, seed=seed)


def burnt_in(dynamics: Dynamics, days: int, multiplier: float, budget_usd: float) -> ServedMode:
    """Let the one-step rule serve for some days; nothing is booked beyond them."""
    mode = served(
        dynamics,
        OneStepPolicy(),
        multiplier=multiplier,
        conditions=ServedConditions(budget_usd=budget_usd),
    )
    for _ in range(days):
        mode.play_day(last_contact_day=days - 1)
    return mode


@dataclass(frozen=True, slots=True)
class Run:
    """What a policy made of the days to the calendar's end, by group.

    Attributes:
        value: USD for each customer of the first day, discounted to the run's first day.
        spend: Expected spend by month, USD for each customer of the first day, shape (G, M).
    """

    value: Floats
    spend: Floats


def run(mode: ServedMode) -> Run:
    """Play to the calendar's end."""
    world = mode.dynamics
    first, groups, size = world.day, world.groups, world.population.first
    months = np.unique(world.setting.calendar.months[first:], return_inverse=True)[1]
    value, spend = np.zeros(groups), np.zeros((groups, months[-1] + 1))
    for day in range(first, world.setting.calendar.days):
        made = mode.play_day()
        group = world.group[made.rows]
        net = np.bincount(group, made.gain - made.cost, minlength=groups)
        value += world.discount ** (day - first) * net / size
        spend[:, months[day - first]] += np.bincount(group, made.cost, minlength=groups) / size
    return Run(value, spend)


def with_budget(mode: ServedMode, policy: Policy, multiplier: float) -> ServedMode:
    """Go on from a state with another policy and multiplier."""
    other = mode.copy(policy, fixed_multiplier(multiplier, mode.dynamics.population.first))
    for group in other.groups:
        group.kept = multiplier
    return other
