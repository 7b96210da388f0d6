"""The exact optimum of a few customers' joint problem: a certificate for the upper bound.

The linear programme over occupation measures (how likely each state and action is) optimises over
all randomised policies under the shared constraints in expectation (Puterman 1994, section 8.9;
Altman 1999). It grows with customers and days, so it is for small instances only. States are
enumerated one by one, and what they are worth is asked of the dynamics; nothing is shared with the
arrays of `plan`.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from scipy.optimize import linprog
from scipy.sparse import coo_array

from churnsaver_assets.decision.planning.occupation import Columns, State
from churnsaver_assets.decision.planning.timing import Timing
from churnsaver_assets.decision.simulator.dynamics import NO_OFFER, Dynamics
from churnsaver_serving.runtime.limits.standing import NEVER


def occupation_optimum(
    dynamics: Dynamics,
    *,
    budget_usd: float,
    daily_capacity: float | None = None,
    relaxed: bool = True,
) -> float:
    """Find the greatest value from the dynamics' day on, under constraints on average.

    Args:
        dynamics: Few rows, one group, and few days to come.
        budget_usd: Budget of a calendar month, USD for each customer of the first day; infinity for
            none.
        daily_capacity: Most contacts with all customers on a day; None for no limit.
        relaxed: Whether each customer's problem is relaxed as the upper bound's is; else all that
            the dynamics remember counts, and the fatigue cap is kept. Without a capacity only.

    Returns:
        USD for each customer of the first day, over no further contact.
    """
    columns, first, forgotten = Columns(), dynamics.population.first, 0.0
    for row in range(dynamics.size):
        customer = _Customer(dynamics, row, relaxed=relaxed)
        forgotten += customer.enumerate(columns)
    calendar = dynamics.setting.calendar
    day, cost = np.array(columns.contact_day), np.array(columns.cost)
    limits, usage = [], []
    for month in np.unique(calendar.months[dynamics.day :]) if np.isfinite(budget_usd) else ():
        usage.append(np.where(calendar.months[day] == month, cost, 0.0))
        limits.append(budget_usd * first)
    if daily_capacity is not None:
        for one in range(dynamics.day, calendar.days):
            usage.append(((day == one) & (cost > 0.0)).astype(np.float64))
            limits.append(daily_capacity)
    size = len(columns.reward)
    answer = linprog(
        -np.array(columns.reward),
        A_ub=np.stack(usage) if usage else None,
        b_ub=limits or None,
        A_eq=coo_array(
            (columns.flow, (columns.flow_row, columns.flow_column)),
            shape=(len(columns.start), size),
        ).tocsr(),
        b_eq=columns.start,
        method="highs",
    )
    if not answer.success:
        raise RuntimeError(f"occupation measures: {answer.message}")
    return float(forgotten - answer.fun) / first


class _Customer:
    """One row's states and actions, from the dynamics' day on.

    Args:
        dynamics: The true state; a copy of it is asked what states are worth.
        row: The row.
        relaxed: As in `occupation_optimum`.
    """

    def __init__(self, dynamics: Dynamics, row: int, *, relaxed: bool) -> None:
        self._dynamics, self._row, self._relaxed = dynamics.copy(), row, relaxed
        self._rules = dynamics.setting.rules
        self._last, self._first = dynamics.setting.calendar.days, dynamics.day
        self._gap = max(self._rules.cooldown_days, 1)
        self._timing = Timing.of(dynamics)
        self._raised, self._remembered = self._timing.raised, self._timing.remembered
        self._rows: dict[State, int] = {}
        self._todo: list[State] = []
        self._columns = Columns()

    def enumerate(self, columns: Columns) -> float:
        """Add all states and actions; return what the start is worth above the true one."""
        self._columns = columns
        dynamics, row = self._dynamics, self._row
        joins = int(dynamics.population.start[dynamics.member[row]])
        ahead = 0.0
        if joins > self._first:
            self._begin(State(joins), State(joins))
        elif dynamics.there[row]:
            true = self._start()
            start = self._relaxed_start(true) if self._relaxed else true
            same_day = replace(start, day=true.day)
            ahead = self._worth(same_day) - self._worth(true)
            self._begin(same_day, start)
        while self._todo:
            self._act(self._todo.pop())
        return ahead

    def _start(self) -> State:
        dynamics, row = self._dynamics, self._row
        return State(
            self._first,
            tuple(day for day in dynamics.contact_days[row].tolist() if day != NEVER),
            tuple(day for day in dynamics.refusal_ends[row].tolist() if day != NEVER),
            int(dynamics.offer[row]),
            int(dynamics.offer_ends[row]),
            int(dynamics.accepted_on[row]),
        )

    def _begin(self, now: State, start: State) -> None:
        if start.day < self._last:
            self._columns.start[self._row_of(start)] = self._stay(now, start.day)

    def _row_of(self, state: State) -> int:
        if state not in self._rows:
            self._rows[state] = len(self._columns.start)
            self._columns.start.append(0.0)
            self._todo.append(state)
        return self._rows[state]

    def _lead(self, column: int, after: State, then: State, probability: float = 1.0) -> None:
        """Let an action lead from the state after it to a later one, if within the days."""
        if then.day < self._last:
            stay = self._stay(after, then.day)
            self._columns.lead(column, self._row_of(then), probability * stay)

    def _act(self, state: State) -> None:
        """Add waiting, and contacts with all offers where they are allowed."""
        row = self._rows[state]
        waiting = self._columns.add(row, reward=0.0, cost=0.0, day=state.day)
        self._lead(waiting, state, self._tomorrow(state))
        if not self._may_contact(state):
            return
        dynamics, discount = self._dynamics, self._dynamics.discount ** (state.day - self._first)
        self._put(state)
        p_accept = dynamics.p_accept(np.array([self._row]))[0]
        now, refused = self._worth(state), self._refused(state)
        terms = dynamics.setting.nominal
        for offer, percent in enumerate(dynamics.setting.space.offers_pct):
            p = float(p_accept[offer])
            accepted = self._accepted(state, offer)
            monthly = terms.discount_months * float(dynamics.charge[self._row])
            cost = terms.contact_cost_usd + p * monthly * percent / 100.0
            gain = p * self._worth(accepted) + (1.0 - p) * self._worth(refused) - now
            column = self._columns.add(
                row, reward=discount * (gain - cost), cost=cost, day=state.day
            )
            self._lead(column, accepted, self._rested(accepted), p)
            self._lead(column, refused, self._tomorrow(refused, contacted=True), 1.0 - p)

    def _accepted(self, state: State, offer: int) -> State:
        day = state.day
        ends = day + int(self._dynamics.effect_days[self._row])
        contacts = () if self._relaxed else self._memory((day, *state.contacts))
        return State(day, contacts, (), offer, ends, day)

    def _refused(self, state: State) -> State:
        day, held = state.day, state.offer_ends > state.day
        if self._relaxed:
            return state if held else self._refusals(day, [day - one for one in state.contacts])
        ends = state.refusal_ends if held else (day + self._raised, *state.refusal_ends)
        return replace(
            state,
            contacts=self._memory((day, *state.contacts)),
            refusal_ends=self._memory(ends),
        )

    def _refusals(self, latest: int, gaps: Sequence[int]) -> State:
        """Return the relaxed state after a refusal so many days after others."""
        kept = self._timing.pattern(gaps)
        contacts = (latest, *(latest - gap for gap in kept))
        return State(latest, contacts, self._raising(contacts))

    def _raising(self, contacts: tuple[int, ...]) -> tuple[int, ...]:
        earlier = (day + self._timing.lasting for day in contacts[1:])
        return contacts[0] + self._raised, *earlier

    def _forgetful(self, state: State) -> State:
        """Return the relaxed state without the contacts that are forgotten by its day."""
        if not state.contacts or state.day - state.contacts[0] >= self._remembered:
            return State(state.day)
        lasting = self._timing.lasting
        contacts = (
            state.contacts[0],
            *(one for one in state.contacts[1:] if state.day - one < lasting),
        )
        return replace(state, contacts=contacts, refusal_ends=self._raising(contacts))

    def _memory(self, days: tuple[int, ...]) -> tuple[int, ...]:
        return days[: max(self._rules.fatigue_cap, 1)]

    def _rested(self, accepted: State) -> State:
        """Return the state on the day on which contacts are allowed again after an acceptance."""
        again = accepted.day + max(self._rules.accepted_rest_days, 1)
        if self._relaxed and accepted.offer_ends <= again:
            return State(again)
        return replace(accepted, day=again)

    def _tomorrow(self, state: State, *, contacted: bool = False) -> State:
        """Return the state on the next day that is decided on."""
        day = state.day + 1
        if not self._relaxed:
            return replace(state, day=day)
        if state.offer != NO_OFFER:
            if contacted:
                day = min(state.day + self._gap, state.offer_ends)
            return State(day) if day >= state.offer_ends else replace(state, day=day)
        return self._forgetful(replace(state, day=day))

    def _relaxed_start(self, true: State) -> State:
        latest = true.contacts[0] if true.contacts else NEVER
        rested = true.accepted_on + self._rules.accepted_rest_days
        cooled = max(rested, latest + self._gap, true.day)
        if true.offer_ends > true.day or rested > true.day:
            return replace(true, day=cooled, contacts=(), refusal_ends=())
        if true.day - latest < self._remembered and true.refusal_ends[:1] == (
            latest + self._raised,
        ):
            earlier = self._timing.history([end - self._raised for end in true.refusal_ends])
            return self._forgetful(replace(self._refusals(latest, earlier), day=true.day))
        return State(cooled)

    def _may_contact(self, state: State) -> bool:
        """Return whether served mode could make a contact in this state."""
        setting, rules, day = self._dynamics.setting, self._rules, state.day
        latest = state.contacts[0] if state.contacts else NEVER
        earliest = max(latest + self._gap, state.accepted_on + rules.accepted_rest_days)
        recent = sum(one > day - rules.fatigue_window_days for one in state.contacts)
        full = recent >= max(rules.fatigue_cap, 1)
        if not setting.calendar.working[day] or earliest > day or full:
            return False
        population, member = self._dynamics.population, self._dynamics.member[self._row]
        first = max(self._first, latest + 1, int(population.start[member]))
        return any(
            population.asked[day - delay, member]
            and not setting.calendar.working[max(day - delay, earliest) : day].any()
            for delay in setting.space.delays_days
            if day - delay >= first
        )

    def _put(self, state: State) -> None:
        """Put the row of the copied dynamics into a state."""
        dynamics, row = self._dynamics, self._row
        dynamics.day = state.day
        for name, days in (("contact_days", state.contacts), ("refusal_ends", state.refusal_ends)):
            getattr(dynamics, name)[row] = NEVER
            getattr(dynamics, name)[row, : len(days)] = days
        dynamics.offer[row] = state.offer
        dynamics.offer_ends[row] = state.offer_ends
        dynamics.accepted_on[row] = state.accepted_on

    def _worth(self, state: State) -> float:
        self._put(state)
        return float(self._dynamics.worth_now(np.array([self._row]))[0])

    def _stay(self, state: State, until: int) -> float:
        """Return the probability to stay in a state's hazard until a day."""
        stay = 1.0
        for day in range(state.day, until):
            self._put(replace(state, day=day))
            stay *= 1.0 - float(self._dynamics.hazard()[self._row])
        return stay
