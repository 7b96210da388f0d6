"""Served mode: a policy played as it is served, by the ledger's own rules, at the speed of arrays.

Requests come on the days and in the order of an arrival pattern; each is decided by the functions
that serve (`allowed_days`, `choose`, `Account`, `Pacing`) from what a ledger would know by then;
answers come late, or never. Contacts are then made with the customers as they truly are.
"""

import copy
from calendar import monthrange
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial

import numpy as np

from churnsaver_assets.decision.simulator.arrivals import arrival_order
from churnsaver_assets.decision.simulator.dynamics import Dynamics
from churnsaver_assets.decision.simulator.observed import believed_risk, observed
from churnsaver_serving.runtime.arrays import Bools, Floats, Ints
from churnsaver_serving.runtime.engine.choice import Choices, Judged, SharedLimits, choose, month_of
from churnsaver_serving.runtime.limits.account import Account, Commitment, Commitments, settle
from churnsaver_serving.runtime.limits.constraints import allowed_days, first_day
from churnsaver_serving.runtime.limits.standing import NEVER, Standing
from churnsaver_serving.runtime.policies.observation import Observation
from churnsaver_serving.runtime.policies.pacing import (
    ASKED_DAYS,
    Basis,
    Day,
    Pacing,
    Places,
    places_a_day,
)
from churnsaver_serving.runtime.policies.policy import Policy
from churnsaver_serving.runtime.policies.value import one_step_value, whole_cents
from churnsaver_serving.runtime.world.belief import SIGNALS, Tally
from churnsaver_serving.runtime.world.effects import (
    daily_hazard,
    discount_usd,
    disturbed_hazard,
)

_UNANSWERED = 10**9
_STREAM = 13


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


@dataclass(slots=True)
class _Group:
    """What the customers of one group share."""

    accounts: dict[int, Account]
    free: dict[int, int]
    kept: float
    basis: Basis
    paced_on: int | None = None
    booked_cents: int = 0
    booked: int = 0
    multiplier: float = 0.0
    capacity_price_usd: float = 0.0
    belief: Floats = field(default_factory=lambda: np.zeros(len(SIGNALS)))
    carried_cents: int = 0
    tallies: dict[int, Tally] = field(default_factory=dict)


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
        start = Basis(self._limit)
        self.groups = [_Group({}, {}, pacing.start(start), start) for _ in range(dynamics.groups)]
        size = dynamics.size
        self._contact_on: Ints = np.full(size, NEVER, dtype=np.int64)  # the open contact's day
        self._waiting: Bools = np.zeros(size, dtype=np.bool_)
        self._made: Bools = np.zeros(size, dtype=np.bool_)
        # Settled as refused before an answer came, because the customer had left.
        self._closed_early: Bools = np.zeros(size, dtype=np.bool_)
        self._offer: Ints = np.zeros(size, dtype=np.int64)
        self._answer_on: Ints = np.full(size, _UNANSWERED, dtype=np.int64)
        self._answer: Bools = np.zeros(size, dtype=np.bool_)
        self._money: Ints = np.zeros((size, 4), dtype=np.int64)  # the fields of a commitment
        self._p_offered: Floats = np.zeros(size)
        self._last_accepted: Ints = np.full(size, NEVER, dtype=np.int64)
        self._refused_on: Ints = np.full(size, NEVER, dtype=np.int64)
        self._asked_on: Ints = np.full(size, NEVER, dtype=np.int64)
        days = dynamics.setting.calendar.days
        self._requests: Ints = np.zeros((dynamics.groups, days), dtype=np.int64)
        self._hazard_asked: Floats = np.zeros((size, len(SIGNALS)))

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
        other.groups = copy.deepcopy(self.groups)
        for name, value in vars(self).items():
            if isinstance(value, np.ndarray):
                setattr(other, name, value.copy())
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
        world = self.dynamics
        today = world.day
        self._begin_day()
        self._expire()
        asked = np.flatnonzero(world.there & world.population.asked[today, world.member])
        self._pace(asked)
        self._requests[:, today] = np.bincount(world.group[asked], minlength=world.groups)
        self._expose(asked)
        asked, action = self._decide(asked, last_contact_day)
        self._note_hazards(asked)
        accept, leave = world.luck()
        rows = np.flatnonzero(self._waiting & ~self._made & (self._contact_on == today))
        made = world.contact(rows, self._offer[rows], accept[rows])
        self._made[rows] = True
        self._answer[rows] = made.accepted
        unreported = ~made.accepted & (self._draw(1)[rows] < self.conditions.unreported)
        self._answer_on[rows] = np.where(unreported, _UNANSWERED, today + self.conditions.late_days)
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

    def beliefs(self) -> Floats:
        """Return the belief that policies are told today, by group, shape (G, 3)."""
        return np.stack([group.belief for group in self.groups])

    def uniforms(self) -> Floats:
        """Return the numbers that today's decisions are drawn with, by row, shape (R,)."""
        return self._draw(0)

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

    def _account(self, group: _Group, month: int) -> Account:
        return group.accounts.setdefault(month, Account(self._limit))

    def _commitment(self, row: int) -> Commitment:
        return Commitment(*(int(part) for part in self._money[row]))

    def _begin_day(self) -> None:
        """Tell the date to policies that want to know it."""
        date = self.dynamics.setting.calendar.first.fromordinal(
            int(self._ordinal(self.dynamics.day))
        )
        for policy in self.policies:
            begin = getattr(policy, "begin_day", None)
            if begin is not None:
                begin(date)

    def _expire(self) -> None:
        """Close contacts that were not answered by their deadline."""
        today, deadline = self.dynamics.day, self.dynamics.setting.rules.answer_days
        late = self._waiting & self._made & (self._contact_on + deadline < today)
        self._close(np.flatnonzero(late), accepted=None)

    def _report(self) -> None:
        """Close contacts whose answer is reported by the end of today."""
        answered = self._waiting & self._made & (self._answer_on <= self.dynamics.day)
        rows = np.flatnonzero(answered)
        self._close(rows, accepted=self._answer[rows])
        told = np.flatnonzero(self._closed_early & (self._answer_on <= self.dynamics.day))
        for row in told.tolist():
            if self._answer[row]:  # the discount is owed, however late it is told
                month = self._month(int(self._contact_on[row]))
                group = self.groups[self.dynamics.group[row]]
                charged = self._account(group, month).charged(self._commitment(row).discount_cents)
                self._settle(group, month, *charged)
        self._closed_early[told] = False

    def _settle(self, group: _Group, month: int, account: Account, carried: int) -> None:
        of = partial(self._account, group)
        for at, (changed, onward) in settle(of, month, account, carried).items():
            group.accounts[at] = changed
            group.carried_cents += onward

    def _close(self, rows: Ints, accepted: Bools | None) -> None:
        world = self.dynamics
        for place, row in enumerate(rows.tolist()):
            group = self.groups[world.group[row]]
            month = self._month(int(self._contact_on[row]))
            one, account = self._commitment(row), self._account(group, month)
            yes = accepted is not None and bool(accepted[place])
            if yes:
                self._last_accepted[row] = self._contact_on[row]
                self._refused_on[row] = NEVER
            else:
                self._refused_on[row] = self._contact_on[row]
            after = account.accepted(one) if yes else account.refused(one)
            self._settle(group, month, *after)
            self._count(group, "acceptance", float(yes), float(self._p_offered[row]))
            learn = getattr(self._policy(int(world.group[row])), "learn", None)
            if learn is not None:
                believed = believed_risk(self.dynamics, np.array([row]))[0]
                learn(float(believed), int(self._offer[row]), accepted=yes)
        self._waiting[rows] = False
        self._made[rows] = False

    def _leave(self, gone: Ints) -> None:
        """Close the contacts of customers who have left, which is known at once.

        What is booked is cancelled; what was made and not answered counts as refused.
        """
        world = self.dynamics
        yesterday = world.day - 1
        for row in gone.tolist():
            group = self.groups[world.group[row]]
            self._count_leaving(group, row, yesterday)
            if not self._waiting[row]:
                continue
            if self._made[row]:
                self._close(np.array([row]), accepted=None)
                self._closed_early[row] = True
                continue
            month = self._month(int(self._contact_on[row]))
            account = self._account(group, month)
            group.accounts[month] = account.released(self._commitment(row))
            day = int(self._ordinal(int(self._contact_on[row])))
            if day in group.free:
                group.free[day] += 1
            self._waiting[row] = False

    def _pace(self, asked: Ints) -> None:
        """Set today's prices in the groups that are asked about anybody."""
        world = self.dynamics
        today = world.day
        date = world.setting.calendar.first + timedelta(days=today)
        days = monthrange(date.year, date.month)[1]
        for index in np.unique(world.group[asked]).tolist():
            group = self.groups[index]
            basis = Basis(self._limit, self._asked_every(index))
            if group.paced_on is None:
                group.kept = self.pacing.start(basis)
            else:
                group.kept = self.pacing.next(
                    group.kept,
                    booked_cents=group.booked_cents,
                    days=today - group.paced_on,
                    days_in_month=days,
                    remaining_cents=self._account(group, self._month(today - 1)).remaining_cents(
                        world.setting.rules.reserve_deviations
                    ),
                    capacity_price_usd=group.capacity_price_usd,
                    basis=basis,
                    before=group.basis,
                )
                group.capacity_price_usd = self.pacing.next_capacity_price(
                    group.capacity_price_usd, self._places(group), today - group.paced_on
                )
            group.basis = basis
            group.paced_on, group.booked_cents, group.booked = today, 0, 0
            group.belief = self._belief(group)
            account = self._account(group, self._month(today))
            group.multiplier = self.pacing.in_force(
                group.kept, Day(date.day, days, account.limit_cents, account.expected_cents)
            )

    def _places(self, group: _Group) -> Places:
        """Return the contacts booked since the multiplier before, against the days' places."""
        capacity = self.conditions.daily_capacity
        today = int(self._ordinal(self.dynamics.day))
        waiting = (
            sum(capacity - free for day, free in group.free.items() if day > today)
            if capacity
            else 0
        )
        weekdays = self.dynamics.setting.rules.contact_weekdays
        return Places(places_a_day(capacity, weekdays), group.booked, waiting)

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

            shared = self._shared(group, today)
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

    def _shared(self, group: _Group, today: int) -> SharedLimits:
        delays = self.dynamics.setting.space.delays_days
        days = [today + delay for delay in delays]
        months = {self._month(days[0]), self._month(days[-1])}
        free = {}
        if self.conditions.daily_capacity is not None:
            free = {
                int(self._ordinal(day)): group.free.get(
                    int(self._ordinal(day)), self.conditions.daily_capacity
                )
                for day in days
            }
        return SharedLimits(
            accounts={month: self._account(group, month) for month in months},
            free=free,
            deviations=self.dynamics.setting.rules.reserve_deviations,
        )

    def _book(self, group: _Group, rows: Ints, choices: Choices) -> None:
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
        self._contact_on[at] = self.dynamics.day + delays[position]
        self._offer[at] = offer
        self._waiting[at], self._made[at] = True, False
        self._answer_on[at] = _UNANSWERED
        index = np.arange(len(at))
        self._p_offered[at] = observation.p_accept[index, offer]
        self._money[at] = np.column_stack(
            [
                np.full(len(at), commitments.contact_cents),
                commitments.discount_cents[index, offer],
                commitments.mean_cents[index, offer],
                commitments.variance[index, offer],
            ]
        )
        group.booked += len(at)
        group.booked_cents += int(commitments.mean_cents[index, offer].sum())

    def _standing(self, rows: Ints) -> Standing:
        world = self.dynamics
        first = world.setting.calendar.first.toordinal()
        booked = np.where(self._waiting[rows], self._contact_on[rows], NEVER)
        latest = np.maximum(world.contact_days[rows, 0], booked)
        pending = self._waiting[rows] & ~self._made[rows]
        return Standing(
            last_contact=_shifted(latest, first),
            contacts_in_window=world.contacts_in_window(rows) + pending,
            last_accepted=_shifted(self._last_accepted[rows], first),
            waiting=self._waiting[rows],
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

    def _belief(self, group: _Group) -> Floats:
        month = self._month(self.dynamics.day)
        counts = [group.tallies[one] for one in (month - 1, month) if one in group.tallies]
        if not counts:
            return np.zeros(len(SIGNALS))
        both = Tally(
            np.sum([one.observed for one in counts], axis=0),
            np.sum([one.expected for one in counts], axis=0),
        )
        result: Floats = both.belief()[0]
        return result

    def _count(
        self, group: _Group, signal: str, observed: float, expected: float, day: int | None = None
    ) -> None:
        at = self._month(self.dynamics.day if day is None else day)
        tally = group.tallies.setdefault(at, Tally.empty())
        column = SIGNALS.index(signal)
        tally.observed[0, column] += observed
        tally.expected[0, column] += expected

    def _expose(self, asked: Ints) -> None:
        """Count the days since each was last asked about, as the ledger does when it decides."""
        world = self.dynamics
        days = (world.day - self._asked_on[asked]).astype(np.float64)
        days[self._asked_on[asked] == NEVER] = 0.0
        month = self._month(world.day)
        for column in (1, 2):
            expected = np.bincount(
                world.group[asked],
                weights=days * self._hazard_asked[asked, column],
                minlength=world.groups,
            )
            for group, amount in zip(self.groups, expected, strict=True):
                tally = group.tallies.setdefault(month, Tally.empty())
                tally.expected[0, column] += amount
        self._asked_on[asked] = world.day

    def _note_hazards(self, asked: Ints) -> None:
        """Note at which hazard the days until the next question will count; see `_expose`."""
        world = self.dynamics
        nominal = world.setting.nominal
        p_churn = believed_risk(world, asked)
        hazard = daily_hazard(nominal, p_churn)
        raised = disturbed_hazard(nominal, hazard, p_churn, np.ones_like(hazard))
        silent = ~self._waiting[asked]
        untouched = silent & (world.contact_days[asked, 0] == NEVER)
        refused = silent & (self._refused_on[asked] + round(nominal.refusal_days) > world.day)
        self._hazard_asked[asked, 1] = np.where(refused, raised, 0.0)
        self._hazard_asked[asked, 2] = np.where(untouched, hazard, 0.0)

    def _count_leaving(self, group: _Group, row: int, day: int) -> None:
        if self._asked_on[row] == NEVER:
            return
        days = float(day - self._asked_on[row] + 1)
        for column in (1, 2):
            hazard = float(self._hazard_asked[row, column])
            if hazard > 0.0:
                self._count(group, SIGNALS[column], 1.0, days * hazard, day)


def _shifted(days: Ints, first: int) -> Ints:
    return np.where(days == NEVER, NEVER, days + first)
