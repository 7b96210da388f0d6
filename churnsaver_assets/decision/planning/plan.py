"""Plans: backward induction over the relaxed programmes' states, and a plan followed forward."""

import numpy as np
import numpy.typing as npt

from churnsaver_assets.decision.planning.start import Start
from churnsaver_assets.decision.planning.states import States
from churnsaver_assets.decision.planning.tables import Tables
from churnsaver_assets.decision.planning.timing import NOT_ASKED, Timing
from churnsaver_serving.runtime.arrays import Bools, Floats, Ints

_WAIT = -1
Offers = npt.NDArray[np.int8]


class Plan:
    """The best contact in every state at some prices, and the states' values.

    Args:
        timing: The days.
        tables: The programmes of n customers.
        start: The states they start in.
        states: The states of each day.
        dollars: Price of a dollar on each day, shape (H,).
        charge: Price of a contact on each day, USD, shape (H,).
        days_fill_up: Whether a full day moves a contact on to a later one.

    Attributes:
        choices: Best offer in each open state of a working day, -1 for none, by day.
        held_choices: The same of holders, shape (H, K).
    """

    def __init__(
        self,
        timing: Timing,
        tables: Tables,
        start: Start,
        states: list[States],
        dollars: Floats,
        charge: Floats,
        *,
        days_fill_up: bool,
    ) -> None:
        self.timing, self.tables, self.start, self.states = timing, tables, start, states
        self._dollars, self._charge = dollars, charge
        self._days_fill_up = days_fill_up
        n, held, dtype = tables.stay.shape[-1], start.holders, tables.stay.dtype
        self._values = tables.at_end.copy()
        self._untouched = np.zeros((timing.days + 1, n), dtype)
        self._held = np.zeros((timing.days + 1, len(held.customer)), dtype)
        self.choices: dict[int, Offers] = {}
        self.held_choices: Offers = np.full(held.stay.shape, _WAIT, dtype=np.int8)

    def values(self) -> Floats:
        """Return each customer's expected value, net of prices, on each customer of the first day.

        Shape (n,).
        """
        start, held = self.start, self.start.holders
        value = start.ahead + (start.untouched * self._untouched[:-1]).sum(axis=0)
        value += (start.refused * self._values).sum(axis=0)
        ready = self._held[held.ready, np.arange(len(held.ready))]
        value += np.bincount(held.customer, weights=held.mass * ready, minlength=len(value))
        result: Floats = value
        return result

    def step_back(self, day: int) -> None:
        """Solve one day, the days after it solved."""
        tables, states, values = self.tables, self.states[day], self._values
        values[states.forgetting] = values[states.forgotten]
        for one in states.waits:
            values[one.states] *= tables.stay[one.refusals, day]
            if one.refusals:
                values[one.states] -= tables.loss[one.refusals, day]
        values[-1] *= tables.stay[0, day]
        accepted, spent = self._if_accepted(day), self._if_made(day)
        if self.timing.working[day]:
            refused = values[states.refused]
            worth, offer = _best(tables.p_accept[states.ages], accepted, refused)
            worth += refused - spent
            wait = values[states.open]
            contact = (worth > wait) & self._allowed(day)
            values[states.open] = np.where(contact, worth, wait)
            self.choices[day] = np.where(contact, offer, np.int8(_WAIT))
        self._untouched[day] = values[-1]
        self._step_back_holders(day, accepted, spent)

    def _allowed(self, day: int) -> Bools:
        """Return whether each open state may be contacted today, shape (k, n) or (1, 1)."""
        tables, timing = self.tables, self.timing
        if tables.daily:
            return np.ones((1, 1), dtype=np.bool_)
        asked, before = tables.asked[day], timing.working_before[day]
        if self._days_fill_up:
            before = NOT_ASKED
        latest = self.states[day].latest[:, None]
        # Who has an open contact is asked about again once it is answered; and a contact is made
        # on the first working day that the cooldown allows.
        refused = (asked > latest) & ((asked > before) | (latest + timing.gap > before))
        untouched = (asked > before) | (self.start.reentering[day] & (asked != NOT_ASKED))
        return np.concatenate([refused, untouched[None]])

    def _if_made(self, day: int) -> float:
        """Return what a contact costs, prices included."""
        dollar = self.tables.discounted[day] + self._dollars[day]
        return float(dollar * self.tables.contact_usd + self._charge[day])

    def _if_accepted(self, day: int) -> Floats:
        """Return the advantage of an acceptance over an untouched customer, shape (O, n)."""
        tables, again = self.tables, day + self.timing.rest
        dtype = tables.stay.dtype
        value: Floats = tables.accepted[day] - dtype.type(self._dollars[day]) * tables.discount_usd
        if again < self.timing.days:
            after = self.start.holders.after[day]
            then = np.broadcast_to(self._untouched[again], after.shape)
            if (after >= 0).any():
                then = np.where(after >= 0, self._held[again][after], then)
            value = value + tables.stay_rest[day] * then
        return value

    def _step_back_holders(self, day: int, accepted: Floats, spent: float) -> None:
        holders, tables = self.start.holders, self.tables
        ready = int(np.searchsorted(holders.ready, day, side="right"))
        if not ready:
            return
        customer, ends = holders.customer[:ready], holders.ends[:ready]
        value = holders.stay[day, :ready] * self._held[day + 1, :ready]
        if self.timing.working[day]:
            stop = self.stop(day, ends)
            refused = holders.stay_gap[day, :ready] * self._held[stop, np.arange(ready)]
            added = accepted[:, customer] - holders.excess[day, :ready]
            p_accept = tables.p_accept[-1:][:, :, customer]
            worth, offer = _best(p_accept, added, refused[None])
            worth = worth[0] + refused - spent
            contact = (worth > value) & (tables.asked[day, customer] != NOT_ASKED) & (ends > day)
            value = np.where(contact, worth, value)
            self.held_choices[day, :ready] = np.where(contact, offer[0], np.int8(_WAIT))
        self._held[day, :ready] = np.where(ends > day, value, self._untouched[day, customer])

    def stop(self, day: int, ends: Ints) -> Ints:
        """Return the day on which holders are next open, if they refuse today, shape (k,)."""
        result: Ints = np.minimum(np.minimum(day + self.timing.gap, ends), self.timing.days)
        return result


class Followed:
    """A plan followed forward from its first day."""

    def __init__(self, plan: Plan) -> None:
        self._plan, tables, start = plan, plan.tables, plan.start
        held, dtype = start.holders, tables.stay.dtype
        self._entering = start.untouched.astype(dtype)
        self._mass = start.refused.astype(dtype)
        self._held = np.zeros((plan.timing.days + 1, len(held.customer)), dtype)
        self._held[held.ready, np.arange(len(held.ready))] = held.mass

    def run(self) -> tuple[Floats, Floats]:
        """Return expected spend, USD, and expected contacts by day, shape (H,) each."""
        days = self._plan.timing.days
        spend, contacts = np.zeros(days), np.zeros(days)
        for day in range(days):
            self._enter(day)
            if self._plan.timing.working[day]:
                for cost, made in (self._contact(day), self._contact_holders(day)):
                    spend[day] += cost
                    contacts[day] += made
            self._pass(day)
        return spend, contacts

    def _enter(self, day: int) -> None:
        """Let the untouched in, and those whose offer binds no longer."""
        self._mass[-1] += self._entering[day]
        holders = self._plan.start.holders
        free = np.flatnonzero(holders.ends <= day)
        if len(free):
            np.add.at(self._mass[-1], holders.customer[free], self._held[day, free])
            self._held[day, free] = 0.0

    def _contact(self, day: int) -> tuple[float, float]:
        """Contact today; return the cost, USD, and the number, both expected."""
        plan, tables, mass = self._plan, self._plan.tables, self._mass
        states, choice = plan.states[day], plan.choices[day]
        offer = np.maximum(choice, 0)
        now = np.where(choice >= 0, mass[states.open], 0.0)
        p_accept = tables.p_accept[states.ages[:, None], offer, np.arange(choice.shape[1])]
        taken = now * p_accept
        mass[states.open] -= now
        refused = now - taken
        for state in np.unique(states.refused):
            mass[state] += refused[states.refused == state].sum(axis=0)
        by_offer = np.stack(
            [
                np.where(offer == one, taken, 0.0).sum(axis=0)
                for one in range(len(tables.accepted[0]))
            ]
        )
        self._accept(day, by_offer)
        made = float(now.sum(dtype=np.float64))
        cost = float((by_offer * tables.discount_usd).sum(dtype=np.float64))
        return made * tables.contact_usd + cost, made

    def _contact_holders(self, day: int) -> tuple[float, float]:
        plan, tables, holders = self._plan, self._plan.tables, self._plan.start.holders
        at = np.flatnonzero(plan.held_choices[day] >= 0)
        if not len(at):
            return 0.0, 0.0
        offer, customer = plan.held_choices[day, at], holders.customer[at]
        now = self._held[day, at]
        taken = now * tables.p_accept[-1, offer, customer]
        self._held[day, at] = 0.0
        stop = plan.stop(day, holders.ends[at])
        self._held[stop, at] += (now - taken) * holders.stay_gap[day, at]
        by_offer = np.zeros_like(tables.discount_usd)
        np.add.at(by_offer, (offer, customer), taken)
        self._accept(day, by_offer)
        made = float(now.sum(dtype=np.float64))
        cost = float((by_offer * tables.discount_usd).sum(dtype=np.float64))
        return made * tables.contact_usd + cost, made

    def _accept(self, day: int, taken: Floats) -> None:
        """Send those who accept, shape (O, n), to the day on which they may be contacted again."""
        again = day + self._plan.timing.rest
        if again >= self._plan.timing.days:
            return
        there = taken * self._plan.tables.stay_rest[day]
        after = self._plan.start.holders.after[day]
        self._entering[again] += np.where(after >= 0, 0.0, there).sum(axis=0)
        self._held[again, after[after >= 0]] += there[after >= 0]

    def _pass(self, day: int) -> None:
        tables, states, holders = (
            self._plan.tables,
            self._plan.states[day],
            self._plan.start.holders,
        )
        mass = self._mass
        for wait in states.waits:
            mass[wait.states] *= tables.stay[wait.refusals, day]
        mass[-1] *= tables.stay[0, day]
        for state, then in zip(states.forgetting, states.forgotten, strict=True):
            mass[then] += mass[state]
            mass[state] = 0.0
        self._held[day + 1] += self._held[day] * holders.stay[day]


def _best(p_accept: Floats, accepted: Floats, refused: Floats) -> tuple[Floats, Offers]:
    """Find the best offer in each of k states and what it adds to a refusal, shape (k, n) each.

    Args:
        p_accept: Probability of acceptance, shape (k, O, n).
        accepted: Value if accepted, shape (O, n).
        refused: Value if refused, shape (k, n).
    """
    best = p_accept[:, 0] * (accepted[0] - refused)
    offer = np.zeros(best.shape, dtype=np.int8)
    for index in range(1, len(accepted)):
        worth = accepted[index] - refused
        worth *= p_accept[:, index]
        np.copyto(offer, np.int8(index), where=worth > best)
        np.maximum(best, worth, out=best)
    return best, offer
