"""Served mode: a policy played as it is served, by the ledger's own rules, at the speed of arrays.

Requests come on the days and in the order of an arrival pattern; each is decided by the functions
that serve (`allowed_days`, `choose`, `Account`, `Pacing`) from what a ledger would know by then;
answers come late, or never. Contacts are then made with the customers as they truly are.
"""

import copy
from calendar import monthrange
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

import numpy as np

from churnsaver_assets.decision.play.exposure import Exposure
from churnsaver_assets.decision.play.group import Group
from churnsaver_assets.decision.play.open_contacts import OpenContacts
from churnsaver_assets.decision.simulator.arrivals import arrival_order
from churnsaver_assets.decision.simulator.dynamics import Dynamics
from churnsaver_assets.decision.simulator.observed import believed_risk, observed
from churnsaver_serving.runtime.arrays import Bools, Floats, Ints
from churnsaver_serving.runtime.engine.choice import Choices, Judged, choose, month_of
from churnsaver_serving.runtime.limits.account import Account, Commitments
from churnsaver_serving.runtime.limits.constraints import allowed_days, first_day
from churnsaver_serving.runtime.limits.standing import NEVER, Standing
from churnsaver_serving.runtime.policies.observation import Observation
from churnsaver_serving.runtime.policies.pacing import ASKED_DAYS, Basis, Day, Pacing, Since
from churnsaver_serving.runtime.policies.policy import Policy
from churnsaver_serving.runtime.policies.value import one_step_value, whole_cents
from churnsaver_serving.runtime.world.effects import discount_usd

_STREAM = 13
_EXPLORATION, _UNREPORTED = 0, 1  # what numbers are drawn for


@dataclass(frozen=True, slots=True)
class ServedConditions:
    """The conditions that a business serves under.

    Attributes:
        budget_usd: Budget of a calendar month, USD for each customer of the first day.
        daily_capacity: Most contacts on a day; None for no limit.
        late_days: Days from a contact to the report of its answer.
        unreported: Share of the refusals that are never reported. Acceptances always are: a
            discount shows on the bill.
        ranked: Whether requests of a day come in the order of their value a dollar: what the order
            of arrival costs shows beside it.
    """

    budget_usd: float
    daily_capacity: int | None = None
    late_days: int = 0
    unreported: float = 0.0
    ranked: bool = False


@dataclass(frozen=True, slots=True)
class ServedDay:
    """One day in service: requests and their answers, contacts made, customers who left.

    Attributes:
        day: Days since the start.
        asked: Rows asked about, group by group in the order of arrival, shape (m,).
        action: The joint action decided for each of them, shape (m,).
        rows: Rows contacted, shape (k,).
        gain: Expected change in worth, given the state, USD, shape (k,).
        cost: Expected cost, USD, shape (k,).
        accepted: Whether each accepted, shape (k,).
        gone: Rows that left at the day's end.
    """

    day: int
    asked: Ints
    action: Ints
    rows: Ints
    gain: Floats
    cost: Floats
    accepted: Bools
    gone: Ints


class ServedMode:
    """A policy in service, from day to day, in each group with money and luck of its own.

    Args:
        dynamics: The customers as they truly are.
        policy: The policy; or one for each group, where they learn.
        pacing: What sets each day's multiplier.
        conditions: Budget, capacity, and how answers come.
        seed: Seed for exploration and for answers that are never reported.
    """

    def __init__(
        self,
        dynamics: Dynamics,
        policy: Policy | Sequence[Policy],
        pacing: Pacing,
        conditions: ServedConditions,
        *,
        seed: int,
    ) -> None:
        self.dynamics = dynamics
        self.conditions = conditions
        self.policies = list(policy) if isinstance(policy, Sequence) else [policy]
        self.pacing = pacing
        self._seed = seed
        self._limit = int(whole_cents(conditions.budget_usd * dynamics.population.first))
        self.groups = [
            Group.beginning(self._limit, pacing, self._policy(group).name)
            for group in range(dynamics.groups)
        ]
        self._contacts = OpenContacts(dynamics.size)
        self._exposure = Exposure(dynamics.size)
        self._last_accepted: Ints = np.full(dynamics.size, NEVER, dtype=np.int64)
        days = dynamics.setting.calendar.days
        self._requests: Ints = np.zeros((dynamics.groups, days), dtype=np.int64)

    def copy(
        self, policy: Policy | Sequence[Policy] | None = None, pacing: Pacing | None = None
    ) -> "ServedMode":
        """Return a copy that goes on from here; with another policy, where one is given.

        Args:
            policy: The policy that decides from now on.
            pacing: Its pacing, which goes on from the multiplier that was kept, as in the ledger.
        """
        other = copy.copy(self)
        other.dynamics = self.dynamics.copy()
        for name in ("groups", "_contacts", "_exposure", "_last_accepted", "_requests"):
            setattr(other, name, copy.deepcopy(getattr(self, name)))
        if policy is not None:
            other.policies = list(policy) if isinstance(policy, Sequence) else [policy]
        if pacing is not None:
            other.pacing = pacing
        return other

    def play_day(self, *, last_contact_day: int | None = None) -> ServedDay:
        """Play one day: silence, pacing, requests, contacts, answers, leaving.

        Args:
            last_contact_day: Contacts are booked up to this day only; None for no limit.
        """
        world, contacts = self.dynamics, self._contacts
        today, month = world.day, self._month(world.day)
        self._begin_day()
        self._close(contacts.silent(today, world.setting.rules.answer_days), accepted=None)
        asked = np.flatnonzero(world.there & world.population.asked[today, world.member])
        self._pace(asked)
        self._requests[:, today] = np.bincount(world.group[asked], minlength=world.groups)
        self._exposure.expose(world, asked, self.groups, month)
        asked, action = self._decide(asked, last_contact_day)
        self._exposure.note(world, asked, contacts.booked[asked])
        accept, leave = world.luck()
        rows = contacts.due(today)
        made = world.contact(rows, contacts.offer[rows], accept[rows])
        unreported = self._draw(_UNREPORTED)[rows] < self.conditions.unreported
        contacts.make(
            rows,
            made.accepted,
            np.full(len(rows), today + self.conditions.late_days),
            unreported & ~made.accepted,
        )
        self._report()
        gone = world.pass_day(leave)
        self._leave(gone)
        return ServedDay(today, asked, action, rows, made.gain, made.cost, made.accepted, gone)

    def multipliers(self) -> Floats:
        """Return the multiplier in force in each group, shape (G,)."""
        return np.array([group.multiplier for group in self.groups])

    def capacity_prices_usd(self) -> Floats:
        """Return the price of a place in each group, USD, shape (G,)."""
        return np.array([group.capacity_price_usd for group in self.groups])

    def basis(self, group: int) -> Basis:
        """Return what a multiplier set today is meant for."""
        return Basis(self._limit, self._asked_every(group), self._policy(group).name)

    def beliefs(self) -> Floats:
        """Return the belief that policies are told today, by group, shape (G, 3)."""
        return np.stack([group.belief for group in self.groups])

    def uniforms(self) -> Floats:
        """Return the numbers that today's decisions are drawn with, by row, shape (R,)."""
        return self._draw(_EXPLORATION)

    def accounts(self, group: int) -> Mapping[int, Account]:
        """Return a group's accounts by month."""
        return self.groups[group].accounts

    def carried_cents(self) -> Ints:
        """Return what was charged to a following month, by group, cents, shape (G,)."""
        return np.array([group.carried_cents for group in self.groups], dtype=np.int64)

    def _ordinal(self, day: Ints | int) -> Ints:
        return np.asarray(day) + self.dynamics.setting.calendar.first.toordinal()

    def _month(self, day: int) -> int:
        return int(month_of(self._ordinal(np.array([day])))[0])

    def _begin_day(self) -> None:
        """Tell the date to policies that want to know it."""
        date = self.dynamics.setting.calendar.first.fromordinal(
            int(self._ordinal(self.dynamics.day))
        )
        for policy in self.policies:
            begin = getattr(policy, "begin_day", None)
            if begin is not None:
                begin(date)

    def _report(self) -> None:
        """Close contacts whose answer is reported by the end of today."""
        contacts, today = self._contacts, self.dynamics.day
        rows = contacts.answered(today)
        self._close(rows, accepted=contacts.answer[rows])
        for row in contacts.owed_late(today).tolist():  # owed, however late it is told
            group, month = self._where(row)
            discount = contacts.commitment(row).discount_cents
            group.settle(month, *group.account(month).charged(discount))

    def _where(self, row: int) -> tuple[Group, int]:
        """Return the group and the month that a row's contact belongs to."""
        group = self.groups[self.dynamics.group[row]]
        return group, self._month(int(self._contacts.on[row]))

    def _close(self, rows: Ints, accepted: Bools | None) -> None:
        """Close contacts; where no answer is given they count as refused."""
        contacts = self._contacts
        for place, row in enumerate(rows.tolist()):
            group, month = self._where(row)
            account, one = group.account(month), contacts.commitment(row)
            yes = accepted is not None and bool(accepted[place])
            if yes:
                self._last_accepted[row] = contacts.on[row]
            self._exposure.answered(row, int(contacts.on[row]), accepted=yes)
            group.settle(month, *(account.accepted(one) if yes else account.refused(one)))
            group.count(
                self._month(self.dynamics.day), "acceptance", float(yes), contacts.p_accept[row]
            )
            learn = getattr(self._policy(int(self.dynamics.group[row])), "learn", None)
            if learn is not None:
                believed = believed_risk(self.dynamics, np.array([row]))[0]
                learn(float(believed), int(contacts.offer[row]), accepted=yes)
        contacts.close(rows)

    def _leave(self, gone: Ints) -> None:
        """Close the contacts of customers who have left, which is known at once.

        What is booked is cancelled; what was made and not answered counts as refused.
        """
        world, contacts = self.dynamics, self._contacts
        yesterday = world.day - 1
        for row in gone.tolist():
            of = self.groups[world.group[row]]
            self._exposure.left(row, yesterday, of, self._month(yesterday))
            if not contacts.booked[row]:
                continue
            if contacts.made[row]:
                self._close(np.array([row]), accepted=None)
                contacts.settled_early[row] = True
                continue
            group, month = self._where(row)
            group.accounts[month] = group.account(month).released(contacts.commitment(row))
            day = int(self._ordinal(int(contacts.on[row])))
            if day in group.free:
                group.free[day] += 1
            contacts.close(row)

    def _pace(self, asked: Ints) -> None:
        """Set today's prices in the groups that are asked about anybody."""
        world, rules = self.dynamics, self.dynamics.setting.rules
        today = world.day
        date = world.setting.calendar.first + timedelta(days=today)
        days = monthrange(date.year, date.month)[1]
        for index in np.unique(world.group[asked]).tolist():
            group = self.groups[index]
            basis = self.basis(index)
            if group.began is None or group.paced_on is None:
                group.began = date
                group.kept = self.pacing.start(basis)
            else:
                since = Since(
                    days=today - group.paced_on,
                    days_in_month=days,
                    month_ended=self._month(group.paced_on) != self._month(today),
                    in_force=group.multiplier,
                    capacity_price_usd=group.capacity_price_usd,
                    booked_cents=group.booked_cents,
                    remaining_cents=group.account(self._month(today - 1)).remaining_cents(
                        rules.reserve_deviations
                    ),
                )
                group.kept = self.pacing.next(group.kept, since, basis=basis, before=group.basis)
                places = group.places(
                    self.conditions.daily_capacity,
                    rules.contact_weekdays,
                    int(self._ordinal(today)),
                )
                group.capacity_price_usd = self.pacing.next_capacity_price(
                    group.capacity_price_usd, places, since.days
                )
            group.basis = basis
            group.paced_on, group.booked_cents, group.booked = today, 0, 0
            group.belief = group.belief_in(self._month(today))
            account = group.account(self._month(today))
            this_month = (group.began.year, group.began.month) == (date.year, date.month)
            day = Day(
                date.day,
                days,
                account.limit_cents,
                account.expected_cents,
                group.began.day if this_month else 1,
            )
            group.multiplier = self.pacing.in_force(group.kept, day)

    def _asked_every(self, group: int) -> float:
        """Return the days between two questions about a customer, as the last weeks show."""
        today = self.dynamics.day
        asked = self._requests[group, max(today - ASKED_DAYS, 0) : today]
        begun = np.flatnonzero(asked)
        days = len(asked) - int(begun[0]) if len(begun) else 0
        return self.pacing.asked_every_days(int(asked.sum()), days)

    def _policy(self, group: int) -> Policy:
        return self.policies[group if len(self.policies) > 1 else 0]

    def _decide(self, asked: Ints, last_contact_day: int | None) -> tuple[Ints, Ints]:
        """Decide on everybody asked about; return them in order of arrival, and the actions."""
        world, setting = self.dynamics, self.dynamics.setting
        today, space, rules = world.day, setting.space, setting.rules
        order = arrival_order(
            world.population.arrival, today, np.arange(len(world.population)), self._seed
        )
        rank = np.empty(len(order), dtype=np.int64)
        rank[order] = np.arange(len(order))
        ordered = asked[np.lexsort((rank[world.member[asked]], world.group[asked]))]
        action = np.zeros(len(ordered), dtype=np.int64)
        open_days = setting.calendar.open_days(today, space.delays_days)
        if last_contact_day is not None:
            open_days = open_days & (today + np.asarray(space.delays_days) <= last_contact_day)
        standing = self._standing(ordered)
        ordinals = self._ordinal(today + np.asarray(space.delays_days))
        months = sorted(set(month_of(ordinals).tolist()))
        ordinal = int(self._ordinal(today))
        shape = (len(ordered), len(space.delays_days))
        masks = allowed_days(
            standing,
            np.full(len(ordered), ordinal),
            np.broadcast_to(open_days, shape),
            space.delays_days,
            rules,
        )
        allowed = np.logical_and.reduce(list(masks.values()))
        some = np.flatnonzero(allowed.any(axis=1))
        if self.conditions.ranked:
            some = some[self._ranked(ordered[some], first_day(allowed[some]))]
        rows, allowed = ordered[some], allowed[some]
        uniforms = self.uniforms()[rows]
        position = first_day(allowed)
        shared_policy = len(self.policies) == 1
        known = self._judge(rows, position, self.policies[0]) if shared_policy else None
        bounds = np.searchsorted(world.group[rows], np.arange(world.groups + 1))
        for index, group in enumerate(self.groups):
            low, high = int(bounds[index]), int(bounds[index + 1])
            if low == high:
                continue
            mine = rows[low:high]

            def judge(
                at: Ints, where: Ints, low: int = low, mine: Ints = mine, index: int = index
            ) -> Judged:
                if known is not None and (where == position[low + at]).all():
                    return known.rows(low + at)
                return self._judge(mine[at], where, self._policy(index))

            shared = group.shared(
                months,
                ordinals.tolist(),
                daily_capacity=self.conditions.daily_capacity,
                deviations=rules.reserve_deviations,
            )
            choices = choose(
                judge,
                allowed[low:high],
                np.full(high - low, ordinal),
                space,
                shared,
                uniforms[low:high],
                exploration=rules.exploration,
                margin_usd=rules.exploration_margin_usd,
            )
            group.accounts.update(shared.accounts)
            group.free.update(shared.free)
            action[some[low:high]] = choices.action
            self._book(group, mine, choices)
        return ordered, action

    def _ranked(self, rows: Ints, position: Ints) -> Ints:
        """Return an order of rows, each group's by value a dollar, the highest first."""
        judged = self._judge(rows, position, self._policy(0))
        best = judged.values[:, 1:].argmax(axis=1)
        at = np.arange(len(rows))
        a_dollar = judged.values[at, 1 + best] / judged.commitments.mean_cents[at, best]
        return np.lexsort((-a_dollar, self.dynamics.group[rows]))

    def _book(self, group: Group, rows: Ints, choices: Choices) -> None:
        """Book the contacts chosen for some of a group's rows."""
        offers = len(self.dynamics.setting.space.offers_pct)
        taken = np.flatnonzero(choices.action > 0)
        if not len(taken):
            return
        at = rows[taken]
        position = (choices.action[taken] - 1) // offers
        offer = (choices.action[taken] - 1) % offers
        delays = np.asarray(self.dynamics.setting.space.delays_days)
        observation, commitments = self._observe(at, position)
        on = self.dynamics.day + delays[position]
        self._contacts.book(at, on, offer, observation.p_accept, commitments)
        group.booked += len(at)
        group.booked_cents += int(commitments.mean_cents[np.arange(len(at)), offer].sum())

    def _standing(self, rows: Ints) -> Standing:
        world = self.dynamics
        first = world.setting.calendar.first.toordinal()
        contacts = self._contacts
        booked = np.where(contacts.booked[rows], contacts.on[rows], NEVER)
        latest = np.maximum(world.contact_days[rows, 0], booked)
        return Standing(
            last_contact=_shifted(latest, first),
            contacts_in_window=world.contacts_in_window(rows) + contacts.pending[rows],
            last_accepted=_shifted(self._last_accepted[rows], first),
            waiting=contacts.booked[rows],
            opted_out=np.zeros(len(rows), dtype=np.bool_),
            churned=np.zeros(len(rows), dtype=np.bool_),
        )

    def _observe(self, rows: Ints, position: Ints) -> tuple[Observation, Commitments]:
        """Observe rows as the decision path does, each on the day of a possible contact."""
        world, setting = self.dynamics, self.dynamics.setting
        wait = np.asarray(setting.space.delays_days, dtype=np.float64)[position]
        group = world.group[rows]
        observation = observed(
            world,
            rows,
            wait,
            multiplier=self.multipliers()[group],
            capacity_price_usd=self.capacity_prices_usd()[group],
            belief=self.beliefs()[group],
        )
        discount = discount_usd(
            setting.nominal, observation.monthly_charge_usd, observation.offers_pct
        )
        return observation, Commitments.of(
            setting.nominal.contact_cost_usd, discount, observation.p_accept
        )

    def _judge(self, rows: Ints, position: Ints, policy: Policy) -> Judged:
        observation, commitments = self._observe(rows, np.maximum(position, 0))
        return Judged(policy.preferences(observation), one_step_value(observation), commitments)

    def _draw(self, purpose: int) -> Floats:
        """Draw today's numbers of every row for a purpose, whoever decides, shape (R,)."""
        key = [self._seed, _STREAM, purpose, self.dynamics.day]
        return np.random.default_rng(key).random(self.dynamics.size)


def _shifted(days: Ints, first: int) -> Ints:
    return np.where(days == NEVER, NEVER, days + first)
