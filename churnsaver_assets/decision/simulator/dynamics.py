"""Dynamics of customers under contacts: the one set that training and served mode share.

Rows are group-major: G groups (replicates, or worlds) of the same N customers. Nobody decides here;
contacts are made with whom the caller says, on the day.
"""

import copy
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import expit

from churnsaver_assets.decision.simulator.cohort import Cohort
from churnsaver_assets.decision.simulator.population import Population
from churnsaver_assets.decision.simulator.setting import Setting
from churnsaver_assets.decision.simulator.worlds import Worlds
from churnsaver_assets.decision.simulator.worth import Worth
from churnsaver_serving.runtime.arrays import Bools, Floats, Ints
from churnsaver_serving.runtime.limits.standing import NEVER
from churnsaver_serving.runtime.world.assumptions import CONTRACT_TERMS, World
from churnsaver_serving.runtime.world.effects import acceptance_shift, daily_discount, discount_usd

NO_OFFER = -1
_CHANGING = (
    "there",
    "left_on",
    "contact_days",
    "refusal_ends",
    "offer",
    "offer_ends",
    "accepted_on",
    "weight",
)


@dataclass(frozen=True, slots=True)
class Contacts:
    """Contacts made on a day with k rows, each of shape (k,).

    Attributes:
        rows: The rows.
        accepted: Whether each accepted.
        p_accept: True probability that it would.
        gain: Expected change in the row's worth, given its state, USD.
        cost: Expected cost, USD.
        discount: Cost of the discount if accepted, USD.
    """

    rows: Ints
    accepted: Bools
    p_accept: Floats
    gain: Floats
    cost: Floats
    discount: Floats


class Dynamics:
    """The true state of R = G * N rows from day to day.

    Args:
        setting: Customers, rules and days.
        population: Who joins when; the same N in every group.
        worlds: True world of each group. Contract terms are known to all, so they are nominal.
        seed: Seed for luck: one number for each row and day, used or not, so that policies compared
            on one seed meet the same luck, and a better offer is never taken less.

    Attributes:
        effect_days: Days for which an offer accepted by each row binds, shape (R,).
        responsiveness: Hidden log-odds of each row to accept, shape (R,).
        day: Days since the start.
        there: Whether the customer has joined and not left, shape (R,).
        left_on: Day on which each left; -1 while it has not, shape (R,).
        contact_days: Days of the latest contacts, newest first, shape (R, C); `NEVER` for none.
        refusal_ends: Days on which the latest refusals stop raising the hazard, shape (R, C).
        offer: Position of the offer that binds; `NO_OFFER` for none, shape (R,).
        offer_ends: Day on which it ceases to, shape (R,).
        accepted_on: Day of the latest acceptance; `NEVER` for none, shape (R,).
        weight: Probability that the row is there where leaving is integrated; else 1 or 0.
    """

    def __init__(
        self, setting: Setting, population: Population, worlds: Sequence[World], *, seed: int
    ) -> None:
        _check_worlds(setting, worlds)
        self.setting, self.population = setting, population
        self.groups, n = len(worlds), len(population)
        self.size = self.groups * n
        self.group = np.repeat(np.arange(self.groups), n)
        self.member = np.tile(np.arange(n), self.groups)
        self.customer = population.customer[self.member]
        self.charge = setting.cohort.monthly_charge_usd[self.customer]
        self.alike = len(set(worlds)) == 1
        self.worlds = worlds
        self._effects: World | Worlds = worlds[0] if self.alike else Worlds.of_groups(worlds, n)
        self._memory = max(setting.rules.fatigue_cap, 1)
        self._worth = self._tabulate(setting.cohort)
        # One world for all groups: one table for all, looked up by member.
        self._place = self.member if self.alike else np.arange(self.size)
        effect_days = _by_row(self._effects, "effect_days", self.size)
        self.effect_days: Ints = effect_days.round().astype(int)
        self._refusal_days = _by_row(self._effects, "refusal_days", self.size).round().astype(int)
        self.rng = np.random.default_rng(seed)
        hidden = self.rng.standard_normal(self.size)
        self.responsiveness = hidden * _by_row(self._effects, "responsiveness", self.size)
        self.day = 0
        self.there: Bools = population.start[self.member] == 0
        self.left_on: Ints = np.full(self.size, -1, dtype=np.int64)
        shape = (self.size, self._memory)
        self.contact_days: Ints = np.full(shape, NEVER, dtype=np.int64)
        self.refusal_ends: Ints = np.full(shape, NEVER, dtype=np.int64)
        self.offer: Ints = np.full(self.size, NO_OFFER, dtype=np.int64)
        self.offer_ends: Ints = np.full(self.size, NEVER, dtype=np.int64)
        self.accepted_on: Ints = np.full(self.size, NEVER, dtype=np.int64)
        self.weight: Floats = np.ones(self.size)

    def copy(self) -> "Dynamics":
        """Return a copy that goes on from here, with the same luck to come."""
        other = copy.copy(self)
        for name in _CHANGING:
            setattr(other, name, getattr(self, name).copy())
        other.rng = copy.deepcopy(self.rng)
        return other

    def _tabulate(self, cohort: Cohort) -> Worth:
        longest = max(max(one.effect_days, one.refusal_days) for one in self.worlds)
        days = self.setting.calendar.days + int(np.ceil(longest)) + 1
        risk = self.population.risk(cohort, days)
        charge = cohort.monthly_charge_usd[self.population.customer]
        if not self.alike:
            risk, charge = np.tile(risk, self.groups), np.tile(charge, self.groups)
        return Worth(self._effects, risk, charge, self._memory)

    @property
    def worth(self) -> Worth:
        """Return the tables of worth, one row for each member, or for each row (`place`)."""
        return self._worth

    @property
    def place(self) -> Ints:
        """Return each row's position in the tables of worth, shape (R,)."""
        return self._place

    @property
    def discount(self) -> float:
        """Return gamma, the worth of a day's revenue over the day before's."""
        return float(daily_discount(self.setting.nominal))

    def effects(self, rows: Ints) -> World | Worlds:
        """Return the true effects on some rows: one world where all groups share it."""
        return self._effects.rows(rows) if isinstance(self._effects, Worlds) else self._effects

    def contacts_in_window(self, rows: Ints) -> Ints:
        """Return the contacts in the fatigue window that ends today, shape (k,)."""
        window = self.setting.rules.fatigue_window_days
        counts: Ints = (self.contact_days[rows] > self.day - window).sum(axis=1)
        return counts

    def days_since_contact(self, rows: Ints) -> Floats:
        """Return the days since the latest contact; infinity for never, shape (k,)."""
        latest = self.contact_days[rows, 0]
        return np.where(latest == NEVER, np.inf, self.day - latest).astype(np.float64)

    def p_accept(self, rows: Ints) -> Floats:
        """Return the true probability to accept each offer today, shape (k, O)."""
        contacts = self.contacts_in_window(rows)
        table = self.setting.cohort.accept_logit
        counted = np.minimum(contacts, table.shape[1] - 1)
        base = table[self.customer[rows], counted].astype(np.float64) + self.responsiveness[rows]
        shift = acceptance_shift(
            self.effects(rows),
            self.setting.space.offers_pct,
            self.days_since_contact(rows),
            contacts.astype(np.float64),
        )
        result: Floats = expit(base[:, None] + shift)
        return result

    def level(self) -> Ints:
        """Return each row's level in the tables of worth today, shape (R,)."""
        held = self.offer_ends > self.day
        refusals = (self.refusal_ends > self.day).sum(axis=1)
        raised = np.where(refusals > 0, self._worth.offers + refusals, 0)
        return np.where(held, 1 + self.offer, raised)

    def hazard(self) -> Floats:
        """Return each row's true probability to leave today, shape (R,)."""
        hazard: Floats = self._worth.hazard[self.level(), self.day, self._place]
        return hazard

    def worth_now(self, rows: Ints) -> Floats:
        """Return the worth of rows under no further contact, USD, shape (k,)."""
        place = self._place[rows]
        value = self._worth.refused(place, self.day, self.refusal_ends[rows])
        held = np.flatnonzero(self.offer_ends[rows] > self.day)
        value[held] = self._worth.accepted(
            place[held], self.day, self.offer[rows[held]], self.offer_ends[rows[held]]
        )
        return value

    def contact(self, rows: Ints, offer: Ints, luck: Floats) -> Contacts:
        """Make contacts today; rows must be there.

        Args:
            rows: k distinct rows.
            offer: Position of the offer made to each, shape (k,).
            luck: Random numbers in [0, 1), shape (k,); accepted where below the probability.
        """
        at = np.arange(len(rows))
        p_accept = self.p_accept(rows)[at, offer]
        place = self._place[rows]
        now = self.worth_now(rows)
        ends = self.day + self.effect_days[rows]
        accepted_worth = self._worth.accepted(place, self.day, offer, ends)
        held = self.offer_ends[rows] > self.day
        # Who holds an offer doesn't mind being asked; else one more refusal is remembered.
        forgotten = np.column_stack(
            [self.day + self._refusal_days[rows], self.refusal_ends[rows][:, : self._memory - 1]]
        )
        refused_worth = np.where(held, now, self._worth.refused(place, self.day, forgotten))
        gain = p_accept * accepted_worth + (1.0 - p_accept) * refused_worth - now
        discount = discount_usd(
            self.setting.nominal, self.charge[rows], self.setting.space.offers_pct
        )[at, offer]
        cost = self.setting.nominal.contact_cost_usd + p_accept * discount
        taken = luck < p_accept
        self.contact_days[rows] = np.column_stack(
            [np.full(len(rows), self.day), self.contact_days[rows][:, : self._memory - 1]]
        )
        yes = rows[taken]
        self.offer[yes], self.offer_ends[yes] = offer[taken], ends[taken]
        self.accepted_on[yes] = self.day
        self.refusal_ends[yes] = NEVER
        no = ~taken & ~held
        self.refusal_ends[rows[no]] = forgotten[no]
        return Contacts(rows, taken, p_accept, gain, cost, discount)

    def luck(self) -> Floats:
        """Draw today's luck of every row: to accept and to leave, shape (2, R)."""
        return self.rng.random((2, self.size))

    def pass_day(self, luck: Floats | None) -> Ints:
        """Let customers leave, begin the next day, let new ones join.

        Args:
            luck: Random numbers in [0, 1), shape (R,); None where leaving is integrated: nobody
                leaves, and the weights fall.

        Returns:
            The rows that left.
        """
        hazard = self.hazard()
        gone = np.zeros(0, dtype=np.int64)
        if luck is None:
            self.weight = np.where(self.there, self.weight * (1.0 - hazard), self.weight)
        else:
            gone = np.flatnonzero(self.there & (luck < hazard))
            self.there[gone], self.left_on[gone] = False, self.day
        self.day += 1
        if self.day < self.setting.calendar.days:
            self.there |= self.population.start[self.member] == self.day
        return gone


def _by_row(effects: World | Worlds, name: str, size: int) -> Floats:
    return np.array(np.broadcast_to(getattr(effects, name), size), dtype=np.float64)


def _check_worlds(setting: Setting, worlds: Sequence[World]) -> None:
    if not worlds:
        raise ValueError("worlds: expected one for each group, got none")
    for world in worlds:
        for name in sorted(CONTRACT_TERMS):
            if getattr(world, name) != getattr(setting.nominal, name):
                raise ValueError(
                    f"worlds: {name} is {getattr(world, name)}, the nominal world's "
                    f"{getattr(setting.nominal, name)}; contract terms can't be wrong"
                )
        if len(world.save_effect) != len(setting.space.offers_pct):
            raise ValueError(f"worlds: save_effect has {len(world.save_effect)} numbers")
