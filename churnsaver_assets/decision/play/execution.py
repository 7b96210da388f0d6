"""Playing a policy in the sampled simulator, and scoring it by conditional expectation."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from churnsaver_assets.decision.play.agents import Agent, DecisionContext
from churnsaver_assets.decision.simulator.environment import RetentionVectorEnv
from churnsaver_assets.decision.simulator.outcomes import Step
from churnsaver_assets.decision.simulator.setting import Setting
from churnsaver_serving.runtime.arrays import Bools, Floats, Ints
from churnsaver_serving.runtime.assumptions import World
from churnsaver_serving.runtime.effects import daily_hazard
from churnsaver_serving.runtime.value import whole_cents


@dataclass(frozen=True, slots=True)
class PeriodResult:
    """A period, by group (replicate), each of shape (G,); money per customer, USD.

    Attributes:
        gain_usd: Value over doing nothing: the sum over contacts made of what each is worth in
            expectation given the state it was made in. Unbiased, and of much smaller variance than
            the sampled revenue (telescoping, see `runtime.effects.contact_terms`).
        nothing_usd: Expected retained revenue without any contact, exact.
        starting_usd: Revenue over the horizon if nobody left.
        cost_usd: Expected contact cost and discounts of the contacts made.
        discount_usd: The discounts' part of `cost_usd`.
        spent_usd: Money really spent.
        contacts: Contacts per customer.
        contacts_by_day: Contacts per customer on each day, shape (G, T).
        overspent: Budgets exceeded (0 or 1).
        cooldown_breaches: Contacts made within the cooldown.
        over_cap: Share of customers whom the policy itself would have contacted beyond the
            fatigue cap at least once (`ContactRequests.unmasked`); NaN where it doesn't say.
        over_capacity: Days with more contacts than the capacity.
        dropped: Requests that budget or capacity refused, per customer.
        spent_by_day: Money spent per customer on each day, shape (G, T), USD.
        gain_by_customer: Part of each customer in `gain_usd`, shape (G, n).
        cost_by_customer: Part of each customer in `cost_usd`, shape (G, n).
        contacted: Whether each customer was contacted on each day, shape (G, T, n).
    """

    gain_usd: Floats
    nothing_usd: Floats
    starting_usd: Floats
    cost_usd: Floats
    discount_usd: Floats
    spent_usd: Floats
    contacts: Floats
    contacts_by_day: Floats
    overspent: Floats
    cooldown_breaches: Floats
    over_cap: Floats
    over_capacity: Floats
    dropped: Floats
    spent_by_day: Floats
    gain_by_customer: Floats
    cost_by_customer: Floats
    contacted: Bools

    @property
    def nrr(self) -> Floats:
        """Return net revenue retention: retained revenue less costs, over starting revenue."""
        return (self.nothing_usd + self.gain_usd) / self.starting_usd


def play(
    agent: Agent,
    setting: Setting,
    worlds: list[World],
    *,
    budget_per_customer: float,
    seed: int,
    daily_capacity: int | None = None,
) -> PeriodResult:
    """Play one period with every customer in each of `worlds`, a group each.

    The same seed gives the same luck to every agent (common random numbers).

    Args:
        agent: The agent that decides.
        setting: Customers, rules, days.
        worlds: The true world of each replicate.
        budget_per_customer: Budget per customer, USD; a hard cap on the group's sum.
        seed: Seed for outcomes.
        daily_capacity: Most contacts on a day; None for no limit.
    """
    n = len(setting.cohort)
    budget = np.full(len(worlds), whole_cents(budget_per_customer * n) / 100.0)
    env = RetentionVectorEnv(
        setting,
        worlds,
        mode="sampled",
        rng=np.random.default_rng(seed),
        budget_usd=budget,
        daily_capacity=daily_capacity,
    )
    totals = _Totals(env)
    last: Step | None = None
    action: Ints | None = None
    agent.begin(DecisionContext(env, last, action))
    while not env.done:
        requests = agent.act(DecisionContext(env, last, action))
        rested = env.days_since >= setting.rules.cooldown_days
        over_cap = None if requests.unmasked is None else requests.unmasked & env.at_cap()
        last, action = env.step(requests.action, requests.priority), requests.action
        totals.add(last, rested, over_cap)
    return totals.close(budget)


class _Totals:
    """The sums over a period, by group."""

    def __init__(self, env: RetentionVectorEnv) -> None:
        self._env = env
        shape = (env.groups,)
        self._sums = {
            name: np.zeros(shape)
            for name in ("gain", "cost", "discount", "spent", "contacts", "breaches", "dropped")
        }
        self._by_day: list[Floats] = []
        self._contacted: list[Bools] = []
        self._spent_by_day: list[Floats] = []
        self._gain, self._cost = np.zeros(env.size), np.zeros(env.size)
        # Times a row was wanted beyond the cap; NaN once the agent doesn't say.
        self._over_cap = np.zeros(env.size)

    def add(self, step: Step, rested: Bools, over_cap: Bools | None) -> None:
        contact_cost = step.contacted * self._env.setting.nominal.contact_cost_usd
        values = {
            "gain": step.reward,
            "cost": step.cost,
            "discount": step.cost - contact_cost,
            "spent": step.spent,
            "contacts": step.contacted,
            "breaches": step.contacted & ~rested,
            "dropped": step.dropped,
        }
        for name, value in values.items():
            self._sums[name] += self._by_group(value)
        self._by_day.append(self._by_group(step.contacted))
        self._contacted.append(step.contacted.reshape(self._env.groups, -1))
        self._spent_by_day.append(self._by_group(step.spent))
        self._over_cap += np.nan if over_cap is None else over_cap
        self._gain += step.reward
        self._cost += step.cost

    def close(self, budget: Floats) -> PeriodResult:
        env, sums = self._env, self._sums
        n = env.size // env.groups
        worth = env.charge * env.worlds.horizon_months
        days = float(env.setting.calendar.days)
        nothing = worth * (1.0 - daily_hazard(env.worlds, env.p_churn)) ** days
        by_day = np.stack(self._by_day, axis=1)
        capacity = np.inf if env.daily_capacity is None else env.daily_capacity
        return PeriodResult(
            gain_usd=sums["gain"] / n,
            nothing_usd=self._by_group(nothing) / n,
            starting_usd=self._by_group(worth) / n,
            cost_usd=sums["cost"] / n,
            discount_usd=sums["discount"] / n,
            spent_usd=sums["spent"] / n,
            contacts=sums["contacts"] / n,
            contacts_by_day=by_day / n,
            overspent=(np.round(100 * (sums["spent"] - budget)) > 0).astype(np.float64),
            cooldown_breaches=sums["breaches"],
            over_cap=self._by_group(np.minimum(self._over_cap, 1.0)) / n,
            over_capacity=(by_day > capacity).sum(axis=1).astype(np.float64),
            dropped=sums["dropped"] / n,
            spent_by_day=np.stack(self._spent_by_day, axis=1) / n,
            gain_by_customer=self._gain.reshape(env.groups, n),
            cost_by_customer=self._cost.reshape(env.groups, n),
            contacted=np.stack(self._contacted, axis=1),
        )

    def _by_group(self, values: npt.NDArray[np.generic]) -> Floats:
        sums: Floats = values.reshape(self._env.groups, -1).sum(axis=1).astype(np.float64)
        return sums
