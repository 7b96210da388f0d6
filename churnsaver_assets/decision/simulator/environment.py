"""The simulator: thousands of customers over a budget period, stepped as arrays.

One dynamics serves two modes. *Sampled*: customers accept, refuse and leave by given random
numbers, under a budget that can't be overspent; for execution and evaluation. *Integrated*: each
row follows the branch in which every contact is refused and nobody leaves, carries its probability
as weight and books acceptance in closed form; for training.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from churnsaver_assets.decision.simulator.accounts import Accounts
from churnsaver_assets.decision.simulator.counting import OutcomeCounter
from churnsaver_assets.decision.simulator.outcomes import Integrated, Mode, Outcomes, Sampled, Step
from churnsaver_assets.decision.simulator.setting import Setting
from churnsaver_assets.decision.simulator.state import State
from churnsaver_serving.runtime.actions import NO_CONTACT
from churnsaver_serving.runtime.arrays import Bools, Floats, Ints
from churnsaver_serving.runtime.assumptions import World
from churnsaver_serving.runtime.belief import Tally
from churnsaver_serving.runtime.effects import contact_terms
from churnsaver_serving.runtime.observation import Observation
from churnsaver_serving.runtime.value import reserve_usd


@dataclass(frozen=True, slots=True)
class _Contacts:
    """Contacts with the chosen offers, each of shape (n,): the true world's terms, the belief."""

    gain: Floats
    cost: Floats
    p_accept: Floats
    believed: Floats


class RetentionVectorEnv(State):
    """Groups of customers over T days; R = groups * n rows, a group's rows side by side.

    Args:
        setting: Customers, rules and days.
        worlds: True world of each group, G of them. Contract terms are known to everyone, so they
            are the nominal world's.
        mode: Sampled or integrated.
        rng: Generator of outcomes (sampled) or of the belief's counting noise (integrated).
        budget_usd: Budget of each group, shape (G,); infinity for none. Sampled mode only.
        daily_capacity: Most contacts of a group on a day; None for no limit. Sampled mode only.
        population: Number of customers that a group stands for in the belief's counts; None for n.
            Integrated mode only.

    Raises:
        ValueError: An argument that doesn't fit the others; names it.
    """

    def __init__(
        self,
        setting: Setting,
        worlds: Sequence[World],
        *,
        mode: Mode,
        rng: np.random.Generator,
        budget_usd: Floats | None = None,
        daily_capacity: int | None = None,
        population: int | None = None,
    ) -> None:
        super().__init__(setting, worlds)
        sampled = mode == "sampled"
        if not sampled and not (budget_usd is None and daily_capacity is None):
            raise ValueError("budget_usd, daily_capacity: integrated rows share nothing; use none")
        if sampled and population is not None:
            raise ValueError("population: sampled customers stand for themselves; use none")
        self.mode = mode
        self.daily_capacity = daily_capacity
        self.budget_usd = np.full(self.groups, np.inf) if budget_usd is None else budget_usd
        if self.budget_usd.shape != (self.groups,) or not (self.budget_usd >= 0).all():
            raise ValueError(f"budget_usd: expected {self.groups} numbers >= 0, got {budget_usd}")
        self.reserve = reserve_usd(self.charge, setting.space, setting.nominal)
        # What a refused contact costs, in whole cents as `reserve` is.
        self._plain = np.ceil(np.round(100.0 * setting.nominal.contact_cost_usd, 6)) / 100.0
        self._rng = rng
        n = len(setting.cohort)
        self._counter = OutcomeCounter(
            self.groups, customers_per_row=(population or n) / n, noise=None if sampled else rng
        )
        self.reset()

    def reset(self, contacts: Floats | None = None, days_since: Floats | None = None) -> None:
        """Start the period: everybody there, new random numbers.

        Args:
            contacts: Number of contacts made in the window before the period, shape (R,); none
                where left out. They stay in the window, which is at least as long as the period.
            days_since: Days since the latest of them, shape (R,); never where left out.
        """
        self._begin(contacts, days_since, self._rng.standard_normal(self.size))
        days = self.setting.calendar.days
        self._outcomes: Outcomes = (
            Sampled(self._rng, days, self.size) if self.mode == "sampled" else Integrated()
        )
        last = days + max(self.setting.space.delays_days)
        self._accounts = Accounts(self.budget_usd, self.daily_capacity, last)
        self._counter.reset()

    @property
    def remaining_usd(self) -> Floats:
        """Return budgets less everything spent and committed, shape (G,)."""
        return self._accounts.remaining_usd

    @property
    def tally(self) -> Tally:
        """Return observed and expected counts so far, by group."""
        return self._counter.tally

    def observe(
        self, multiplier: Floats, rows: Ints | None = None, *, lift_cap: bool = False
    ) -> Observation:
        """Return the policies' observation of today.

        Args:
            multiplier: Multiplier of each group, shape (G,), or of each row, shape (R,).
            rows: Rows to observe; None for all.
            lift_cap: Whether the fatigue cap is left out of the eligible actions, to see what a
                policy would do without it.

        Raises:
            ValueError: Multipliers of another shape.
        """
        at = self._rows(rows)
        space = self.setting.space
        if multiplier.shape not in {(self.groups,), (self.size,)}:
            raise ValueError(f"multiplier: shape {multiplier.shape} fits neither groups nor rows")
        by_row = multiplier if len(multiplier) == self.size else multiplier[self.group]
        allowed = self._allowed(self.open) if lift_cap else self.eligible()
        return Observation(
            p_churn=self.believed_p[at],
            p_accept=np.stack(
                [self.believed_p_accept(at, delay) for delay in space.delays_days], axis=1
            ),
            monthly_charge_usd=self.charge[at],
            days_left=np.full(len(at), float(self.days_left)),
            days_since_contact=self.days_since[at],
            contacts_in_window=self.contacts[at],
            multiplier=by_row[at],
            belief=self.tally.belief()[self.group[at]],
            eligible=allowed[at],
            space=space,
            world=self.setting.nominal,
        )

    def step(self, action: Ints, priority: Floats | None = None) -> Step:
        """Simulate one day.

        Args:
            action: Action of each row, index in the space, shape (R,).
            priority: Rank of each row where budget or capacity don't serve all, highest first,
                shape (R,). Equals come in order of the rows, as all do where it is left out.
                Sampled mode only.

        Raises:
            ValueError: An action that the rules don't allow, or a step after the last day.
        """
        self._check_allowed(action)
        delay = self.setting.space.delay_days[action]
        due = (self.pending != NO_CONTACT) & (self.pending_in == 0) & self.open
        later = (action != NO_CONTACT) & (delay > 0)
        now = due | ((action != NO_CONTACT) & ~later)
        chosen = np.where(due, self.pending, action)
        rows = np.flatnonzero(now)
        contacts = self._contact(rows, chosen[rows])
        taken = self._outcomes.accepted(self.day, rows, contacts.p_accept)
        spent, dropped = np.zeros(self.size), np.zeros(self.size, dtype=np.bool_)
        if self.mode == "sampled":
            spent[rows] = np.where(taken > 0, self.reserve[rows, chosen[rows]], self._plain)
            dropped = self._pay(action, due, spent, priority)
            spent[dropped] = 0.0
        made = ~dropped[rows]
        rows, taken, now, later = rows[made], taken[made], now & ~dropped, later & ~dropped
        gain, cost, share, believed = (
            self._spread(rows, values)
            for values in (contacts.gain[made], contacts.cost[made], taken, contacts.believed[made])
        )
        self._counter.add("acceptance", self.weight * share, self.weight * believed)
        self.pending = np.where(later, action, np.where(due, NO_CONTACT, self.pending))
        self.pending_in = np.maximum(np.where(later, delay, self.pending_in) - 1, 0)
        stay = self._pass_day(rows, 1.0 - share)
        accepted = (share > 0) & (self.mode == "sampled")
        return Step(now, dropped, gain, cost, gain - cost, stay, accepted, spent)

    def _check_allowed(self, action: Ints) -> None:
        if self.done:
            raise ValueError(f"the period of {self.day} days is over; call reset()")
        size = self.setting.space.size
        if action.shape != (self.size,) or ((action < 0) | (action >= size)).any():
            raise ValueError(f"action: expected {self.size} indices below {size}")
        allowed = self.eligible()[np.arange(self.size), action]
        if not allowed.all():
            wrong = int(allowed.argmin())
            raise ValueError(
                f"row {wrong}: action {int(action[wrong])} is not allowed on day {self.day}; "
                "choose among eligible()"
            )

    def _contact(self, rows: Ints, action: Ints) -> _Contacts:
        """Compute the terms of contacts made now with `rows`, in the true world."""
        space = self.setting.space
        p_accept = self.p_accept(rows)
        terms = contact_terms(
            self._true.effects_of(rows),
            space.offers_pct,
            p_churn=self.p_churn[rows],
            hazard=self._true.hazard[rows],
            monthly_charge_usd=self.charge[rows],
            p_accept=p_accept,
            days_left=np.full(len(rows), float(self.days_left)),
        )
        chosen = np.arange(len(rows)), (action - 1) % len(space.offers_pct)
        believed = self.believed_p_accept(rows)
        return _Contacts(terms.gain[chosen], terms.cost[chosen], p_accept[chosen], believed[chosen])

    def _pay(self, action: Ints, due: Bools, price: Floats, priority: Floats | None) -> Bools:
        """Pay for today's contacts, commit money to later ones; return the rows dropped."""
        made = np.flatnonzero(due)
        self._accounts.settle_commitments(
            self.group[made], self.reserve[made, self.pending[made]], price[made]
        )
        asking = np.flatnonzero(action != NO_CONTACT)
        if priority is not None:
            if np.isnan(priority[asking]).any():
                raise ValueError("priority: NaN for a row that asks for a contact")
            asking = asking[np.lexsort((-priority[asking], self.group[asking]))]
        delay = self.setting.space.delay_days[action[asking]]
        reserve = self.reserve[asking, action[asking]]
        allowed = self._accounts.serve(
            self.group[asking],
            self.day + delay,
            reserve_usd=reserve,
            price_usd=np.where(delay > 0, reserve, price[asking]),
        )
        dropped = np.zeros(self.size, dtype=np.bool_)
        dropped[asking[~allowed]] = True
        return dropped

    def _pass_day(self, contacted: Ints, refused: Floats) -> Floats:
        """Apply contacts, let some leave and begin the next day; return `Step.stay`.

        Args:
            contacted: Rows contacted today.
            refused: Share of each row that holds no offer after today's contact, shape (R,).
        """
        self.contacts, self.refusals = self.contacts.copy(), self.refusals.copy()
        self.contacts[contacted] += 1.0
        self.refusals[contacted] += 1.0
        self.days_since = self.days_since + 1.0
        self.days_since[contacted] = 1.0
        for probabilities in (self._true, self._believed):
            probabilities.refused(contacted, self.refusals[contacted])
        there = self.weight * refused
        leaving = self._outcomes.leaving(self.day, self._true.hazard)
        gone, expected = there * leaving, there * self._believed.hazard
        after_refusal, untouched = self.refusals > 0, self.contacts == 0
        self._counter.add("churn_after_refusal", gone * after_refusal, expected * after_refusal)
        self._counter.add("churn_untouched", gone * untouched, expected * untouched)
        self.weight = there * (1.0 - leaving)
        self.open = self.weight > 0
        self.left = self.left | (gone == 1.0)
        self.day += 1
        self._eligible = None
        off = np.flatnonzero((self.pending != NO_CONTACT) & ~self.open)
        self._accounts.cancel(
            self.group[off],
            self.day + self.pending_in[off],
            reserve_usd=self.reserve[off, self.pending[off]],
        )
        self.pending[off] = NO_CONTACT
        return refused * (1.0 - leaving)

    def _spread(self, rows: Ints, values: Floats) -> Floats:
        result = np.zeros(self.size)
        result[rows] = values
        return result
