"""Playing of a cell: a month of burn-in once, then every contender from the same state on."""

import time
from dataclasses import replace

import numpy as np

from churnsaver_assets.decision.baselines.conditions import Conditions
from churnsaver_assets.decision.evaluation.cells.cell import Cell, Ground, Play
from churnsaver_assets.decision.evaluation.cells.played import CellResult, Played, Violations
from churnsaver_assets.decision.evaluation.limits import LimitsWatch
from churnsaver_assets.decision.planning.bound import LagrangianBound, upper_bound_from
from churnsaver_assets.decision.play.served import ServedDay, ServedMode
from churnsaver_assets.decision.simulator.dynamics import Dynamics
from churnsaver_assets.decision.simulator.population import draw_population
from churnsaver_serving.runtime.arrays import Floats
from churnsaver_serving.runtime.limits.standing import NEVER
from churnsaver_serving.runtime.policies.pacing import Pacing
from churnsaver_serving.runtime.policies.policy import OneStepPolicy
from churnsaver_serving.runtime.world.effects import discount_usd


def play_cell(ground: Ground, cell: Cell) -> CellResult:
    """Play everything in a cell, and bound what could be gained.

    The burn-in is played by the one-step rule at the cell's budget; its contacts are booked up to
    its last day only, so that whoever goes on begins with nothing booked.

    Args:
        ground: All that cells share.
        cell: The conditions, and what is played.
    """
    start = time.process_time()
    setting = ground.setting(cell)
    population = draw_population(
        setting.cohort,
        setting.calendar,
        arrival=cell.arrival,
        new_share=ground.new_share,
        seed=ground.seed,
    )
    dynamics = Dynamics(setting, population, cell.worlds, seed=ground.seed)
    served = ServedMode(
        dynamics,
        OneStepPolicy(),
        Pacing(ground.pacing, population.first),
        ground.conditions(cell, population.first),
        seed=ground.seed,
    )
    for _ in range(cell.burn_in_days):
        served.play_day(last_contact_day=cell.burn_in_days - 1)
    nothing, unending = _without_contacts(dynamics)
    bound = None
    if cell.bounded:
        bound = upper_bound_from(
            dynamics,
            budget_usd=cell.budget_usd,
            daily_capacity=served.conditions.daily_capacity,
        )
    prices = _prices(ground, served, bound)
    return CellResult(
        cell=cell,
        customers=population.first,
        daily_capacity=served.conditions.daily_capacity,
        nothing=tuple(nothing.tolist()),
        unending=tuple(unending.tolist()),
        bound=None if bound is None else bound.value,
        gap=None if bound is None else bound.gap,
        played=tuple(_play(ground, cell, served, play, prices) for play in cell.plays),
        seconds=time.process_time() - start,
    )


def _without_contacts(dynamics: Dynamics) -> tuple[Floats, Floats]:
    """Return each group's expected revenue without contacts, and if nobody left, by customer."""
    today, population = dynamics.day, dynamics.population
    horizon = dynamics.setting.nominal.horizon_months
    there = np.flatnonzero(dynamics.there)
    later = np.flatnonzero(population.start[dynamics.member] > today)
    joins = population.start[dynamics.member[later]]
    discounted = dynamics.discount ** (joins - today)
    nothing, unending = np.zeros(dynamics.size), np.zeros(dynamics.size)
    nothing[there] = dynamics.worth_now(there)
    nothing[later] = discounted * dynamics.worth.untouched[joins, dynamics.place[later]]
    unending[there] = horizon * dynamics.charge[there]
    unending[later] = discounted * horizon * dynamics.charge[later]
    shape = (dynamics.groups, -1)
    first = population.first
    return nothing.reshape(shape).sum(axis=1) / first, unending.reshape(shape).sum(axis=1) / first


def _prices(ground: Ground, burnt_in: ServedMode, bound: LagrangianBound | None) -> Floats:
    """Return about what a dollar of budget is worth on each scored day, shape (T,).

    The same for all contenders: the bound's multipliers, or what pacing begins with.
    """
    dynamics = burnt_in.dynamics
    months = dynamics.setting.calendar.months[dynamics.day :]
    if bound is not None:
        by_day: Floats = bound.multipliers[months - months[0]]
        return by_day
    pacing = Pacing(ground.pacing, dynamics.population.first)
    return np.full(len(months), pacing.start(burnt_in.groups[0].basis))


def _play(ground: Ground, cell: Cell, burnt_in: ServedMode, play: Play, prices: Floats) -> Played:
    """Play one contender through the scored months, from the state after the burn-in."""
    before = burnt_in.dynamics
    conditions = Conditions(cell.arrival, cell.budget_usd, cell.daily_contacts)
    policy = ground.contender(play.contender).prepared(conditions, before.groups)
    first = before.population.first
    pacing = Pacing(play.pacing(ground.pacing), first)
    served = burnt_in.copy(policy, pacing)
    if play.unpaced:
        for index, group in enumerate(served.groups):
            group.basis = served.basis(index)
            # In force, too: else the burn-in's price would be handed on to the first month.
            group.kept = group.multiplier = pacing.start(group.basis)
    served.dynamics.setting = replace(before.setting, rules=play.rules(before.setting.rules))
    served.conditions = ground.conditions(cell, first, ranked=play.ranked)
    watch = _Watch(served, prices)
    for _ in range(cell.days - cell.burn_in_days):
        watch.play_day()
    return watch.result(play)


class _Watch:
    """Adds up what a policy in service does from today on.

    Who meets more refusals than expected has money for more contacts, and that is luck. What the
    contacts were expected to cost beyond what they did cost has expectation 0 whatever a policy
    does (a martingale); charged at about what a dollar is worth, it takes most of the luck out of a
    group's value (control variates: Glasserman 2003, section 4.1).

    Args:
        served: The policy in service.
        prices: Price of a dollar on each day from today on; what it is, no policy may influence.
    """

    def __init__(self, served: ServedMode, prices: Floats) -> None:
        self._served, self._prices = served, prices
        dynamics = served.dynamics
        self._start = dynamics.day
        self._carried = served.carried_cents()
        self._value: Floats = np.zeros(dynamics.groups)
        self._contacts = 0
        self._spent: list[float] = []
        self._multipliers: list[float] = []
        setting = dynamics.setting
        self._offers = np.asarray(setting.space.offers_pct, dtype=np.float64)
        holds = (dynamics.accepted_on != NEVER) & (self._offers[dynamics.offer] > 0)
        self._limits = LimitsWatch(
            dynamics.group,
            setting.rules,
            daily_capacity=served.conditions.daily_capacity,
            discount_days=round(setting.nominal.period_days * setting.nominal.discount_months),
            contact_days=dynamics.contact_days,
            discount_from=np.where(holds, dynamics.accepted_on, NEVER),
        )

    def play_day(self) -> None:
        """Play a day and add it up."""
        served, dynamics = self._served, self._served.dynamics
        day = served.play_day()
        discounted = dynamics.discount ** (day.day - self._start)
        group = dynamics.group[day.rows]
        luck = self._prices[day.day - self._start] * (day.cost - self._charged(day))
        self._value += np.bincount(
            group, discounted * (day.gain - day.cost - luck), minlength=dynamics.groups
        )
        self._contacts += len(day.rows)
        self._spent.append(float(day.cost.sum()))
        self._multipliers.append(float(served.multipliers().mean()))
        offered = self._offers[dynamics.offer[day.rows]]
        self._limits.add(day.day, day.rows, day.accepted, offered)

    def _charged(self, day: ServedDay) -> Floats:
        """Return what the day's contacts did cost, USD, shape (k,)."""
        dynamics = self._served.dynamics
        setting = dynamics.setting
        offers, at = setting.space.offers_pct, np.arange(len(day.rows))
        discount = discount_usd(setting.nominal, dynamics.charge[day.rows], offers)
        taken = discount[at, dynamics.offer[day.rows]]
        return setting.nominal.contact_cost_usd + np.where(day.accepted, taken, 0.0)

    def result(self, play: Play) -> Played:
        """Return what was added up."""
        served, dynamics = self._served, self._served.dynamics
        customers, groups = dynamics.population.first, dynamics.groups
        months = np.unique(dynamics.setting.calendar.months[self._start :]).tolist()
        accounts = [
            [served.accounts(group).get(month) for month in months] for group in range(groups)
        ]
        spent = [
            [0.0 if one is None else one.expected_cents / one.limit_cents for one in of_group]
            for of_group in accounts
        ]
        over = [
            max(one.spent_cents - one.limit_cents, 0)
            for of_group in accounts
            for one in of_group
            if one is not None
        ]
        everyone = customers * groups
        return Played(
            play=play,
            value=tuple((self._value / customers).tolist()),
            spent=tuple(np.mean(spent, axis=0).tolist()),
            contacts=self._contacts / everyone / len(months),
            spent_by_day=tuple((np.array(self._spent) / everyone).tolist()),
            multiplier_by_day=tuple(self._multipliers),
            violations=Violations(
                overspent_months=sum(one > 0 for one in over),
                overspent_cents=sum(over),
                carried_cents=int((served.carried_cents() - self._carried).sum()),
                over_capacity=self._limits.over_capacity,
                two_discounts=self._limits.two_discounts,
                over_cap=self._limits.over_cap,
            ),
        )
