"""Simulation of pacing tables: a policy's spend at each multiplier, which its pacing goes by."""

import copy
from typing import TYPE_CHECKING

import numpy as np

from churnsaver_assets.decision.play.agents import DecisionContext, MultiplierPolicy
from churnsaver_assets.decision.simulator.cohort import Cohort
from churnsaver_assets.decision.simulator.environment import RetentionVectorEnv
from churnsaver_assets.decision.simulator.setting import Setting
from churnsaver_serving.runtime.actions import NO_CONTACT
from churnsaver_serving.runtime.arrays import Bools, Floats, Ints
from churnsaver_serving.runtime.pacing import PacingTable

if TYPE_CHECKING:
    from churnsaver_assets.decision.simulator.outcomes import Step


def representatives(cohort: Cohort, size: int) -> Ints:
    """Choose customers that represent all: evenly spaced in order of risk and then of charge.

    Spend depends most on the two, so these tell it more closely than as many drawn at random.

    Args:
        cohort: The customers.
        size: Number of customers to take; all where there are no more.

    Returns:
        Positions in the cohort, ascending.
    """
    size = min(size, len(cohort))
    percent = np.round(100.0 * cohort.p_churn)
    order = np.lexsort((cohort.monthly_charge_usd, percent))
    places = ((np.arange(size) + 0.5) * len(cohort) / size).astype(np.int64)
    return np.sort(order[places])


def build_pacing_table(
    policy: MultiplierPolicy,
    setting: Setting,
    *,
    multipliers: tuple[float, ...],
    switch_days: tuple[int, ...],
    rng: np.random.Generator,
    capacity_per_customer: float | None = None,
    population: int | None = None,
) -> PacingTable:
    """Simulate spend from each switch day on, for each multiplier before it and from then on.

    Plays all pairs of multipliers side by side in the integrated environment and the nominal
    world, and at each switch day goes on from a copy of it. So spend is exact for these customers,
    but for the noise in the belief.

    Args:
        policy: The policy, which decides at any multiplier. It is copied, so that what it remembers
            goes along.
        setting: Training customers; see `representatives`.
        multipliers: The multipliers, L of them, ascending from 0.
        switch_days: The switch days, S of them, ascending from 0, within the period.
        rng: Generator of the counting noise in the policy's belief.
        capacity_per_customer: Most contacts on a day, over the number of customers; None for no
            limit. Where capacity binds, those who have to wait are spent on later; a table that
            leaves it out would let pacing take that money for left over.
        population: Number of customers that the belief's counts will come from where the policy is
            played; fewer would make the belief noisier than it will be. None for as many as here.

    Raises:
        ValueError: A switch day after the period.
        PacingError: Axes that don't ascend from 0.
    """
    if max(switch_days) >= setting.calendar.days:
        raise ValueError(f"switch_days: {switch_days} go beyond {setting.calendar.days} days")
    levels = len(multipliers)
    # Groups are pairs, before-major; the last "before" is nobody contacted.
    rows = levels + 1
    before = np.repeat([*multipliers, multipliers[-1]], levels)
    after = np.tile(multipliers, rows)
    untouched = np.arange(rows * levels) // levels == levels
    env = RetentionVectorEnv(
        setting,
        [setting.nominal] * (rows * levels),
        mode="integrated",
        rng=rng,
        population=population,
    )
    policy.begin(DecisionContext(env, None, None))
    trunk = _PartialPeriod(env, policy, capacity_per_customer)
    contacts, discounts = [], []
    for day in switch_days:
        while env.day < day:
            trunk.play_day(before, silent=untouched)
        branch = copy.deepcopy(trunk)
        branch.contacts_usd[:], branch.discounts_usd[:] = 0.0, 0.0
        while not branch.env.done:
            branch.play_day(after)
        contacts.append(branch.contacts_usd)
        discounts.append(branch.discounts_usd)
    return PacingTable(
        multipliers=tuple(float(one) for one in multipliers),
        switch_days=switch_days,
        contacts_usd=_nested(np.stack(contacts, axis=-1).reshape(rows, levels, -1)),
        discounts_usd=_nested(np.stack(discounts, axis=-1).reshape(rows, levels, -1)),
    )


class _PartialPeriod:
    """A policy in the middle of a period, and what it has spent per customer, by group."""

    def __init__(
        self, env: RetentionVectorEnv, policy: MultiplierPolicy, capacity_per_customer: float | None
    ) -> None:
        self.env = env
        self._policy = policy
        self._capacity_per_customer = capacity_per_customer
        self.contacts_usd = np.zeros(env.groups)
        self.discounts_usd = np.zeros(env.groups)
        self._last: Step | None = None
        self._action: Ints | None = None

    def play_day(self, multiplier: Floats, silent: Bools | None = None) -> None:
        """Play one day; groups that are `silent` contact nobody."""
        env = self.env
        requests = self._policy.decide(DecisionContext(env, self._last, self._action), multiplier)
        action = requests.action
        if silent is not None:
            action = np.where(silent[env.group], NO_CONTACT, action)
        if self._capacity_per_customer is not None:
            room = self._capacity_per_customer * env.size / env.groups
            action = np.where(self._served(action, requests.priority, room), action, NO_CONTACT)
        weight = env.weight.copy()
        self._last, self._action = env.step(action), action
        contact = self._last.contacted * env.setting.nominal.contact_cost_usd
        self.contacts_usd += (weight * contact).reshape(env.groups, -1).mean(axis=1)
        discount = self._last.cost - contact
        self.discounts_usd += (weight * discount).reshape(env.groups, -1).mean(axis=1)

    def _served(self, action: Ints, priority: Floats, room: float) -> Bools:
        """Return the rows that a day's capacity serves, in order of priority, shape (R,)."""
        groups = self.env.groups
        asking = (action != NO_CONTACT).reshape(groups, -1)
        load = np.where(asking, self.env.weight.reshape(groups, -1), 0.0)
        place = np.where(asking, priority.reshape(groups, -1), -np.inf)
        order = np.argsort(-place, axis=1, kind="stable")
        load = np.take_along_axis(load, order, axis=1)
        # Who fits by half is served, so that on average no more and no fewer are than can be.
        within = load.cumsum(axis=1) - load / 2.0 <= room
        served = np.zeros_like(asking)
        np.put_along_axis(served, order, within, axis=1)
        result: Bools = served.reshape(-1)
        return result


def _nested(values: Floats) -> tuple[tuple[tuple[float, ...], ...], ...]:
    return tuple(tuple(tuple(row) for row in level) for level in values.tolist())
