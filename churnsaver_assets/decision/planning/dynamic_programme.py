"""The finite-horizon dynamic programme of each single customer, solved for many at once as arrays.

With prices on what customers share (dollars, a day's contacts) the decision problem falls apart
into one small programme for each customer (Hawkins 2003; Adelman and Mersereau 2008). Between
contacts nothing random happens but leaving, and an acceptance closes the case, so the state of an
open case is the day, the contacts so far (all refused) and the day of the latest. Only histories
that began with the period are states: nobody has contacts from before it.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from churnsaver_assets.decision.planning.contact_stages import ContactDays, Stage, build_stage
from churnsaver_assets.decision.simulator.cohort import Cohort
from churnsaver_assets.decision.simulator.setting import Setting
from churnsaver_serving.runtime.arrays import Floats, Ints
from churnsaver_serving.runtime.effects import Effects, daily_hazard, disturbed_hazard

Offers = npt.NDArray[np.int8]


@dataclass(frozen=True, slots=True)
class Choice:
    """The best contact for each of k customers in their states, each of shape (k,).

    Attributes:
        offer: Index of the offer.
        advantage: Value of contacting with it over waiting, net of prices, USD.
        p_accept: Probability that it is accepted.
        cost: Expected cost, USD.
    """

    offer: Ints
    advantage: Floats
    p_accept: Floats
    cost: Floats


@dataclass(frozen=True, slots=True)
class Flow:
    """Expected spend and contacts of a plan followed from its first day, all customers together.

    Attributes:
        spend_usd: Expected spend on contacts and accepted discounts, by day, shape (T,).
        contacts: Expected contacts by day, shape (T,).
    """

    spend_usd: Floats
    contacts: Floats


@dataclass(frozen=True, slots=True)
class _Best:
    """The best contact in each state of a stage, each of shape (C, n)."""

    offer: Offers
    advantage: Floats

    def terms(self, stage: Stage) -> tuple[Floats, Floats]:
        """Return its probability of acceptance and its expected cost, shape (C, n) each."""
        p_accept = np.take_along_axis(stage.p_accept, self.offer[None], axis=0)[0]
        added = np.take_along_axis(stage.cost_accepted, self.offer, axis=0)
        return p_accept, np.take_along_axis(stage.cost, self.offer, axis=0) + p_accept * added


class CustomerProgrammes:
    """The programmes of n customers in given worlds, to be solved at any prices.

    Args:
        cohort: The customers.
        setting: Rules, days and offers. Contacts are made on the day they are decided.
        effects: The world, or one for each customer.
        responsiveness: Hidden acceptance log-odds, shape (n,); none where left out.
        from_day: First day to decide on.
    """

    def __init__(
        self,
        cohort: Cohort,
        setting: Setting,
        effects: Effects,
        *,
        responsiveness: Floats | None = None,
        from_day: int = 0,
    ) -> None:
        self.size = len(cohort)
        self.days = setting.calendar.days
        self.from_day = from_day
        self.contact_days = ContactDays(setting)
        hazard = daily_hazard(effects, cohort.p_churn)
        after = [np.full(self.size, float(count)) for count in range(setting.rules.fatigue_cap + 1)]
        # Probability to stay another day after 0, 1, ... refusals: (cap + 1, n).
        self.stay: Floats = 1.0 - np.stack(
            [disturbed_hazard(effects, hazard, cohort.p_churn, count) for count in after]
        )
        self.stages = {
            (int(day), contacts): build_stage(
                cohort,
                setting,
                effects,
                self.contact_days,
                day=int(day),
                contacts=contacts,
                hazard=1.0 - self.stay[contacts],
                hidden=np.zeros(self.size) if responsiveness is None else responsiveness,
            )
            for day in self.contact_days.days[self.contact_days.days >= from_day]
            for contacts in range(setting.rules.fatigue_cap)
        }

    def by_state(self) -> list[Floats]:
        """Return zeros for every state of a day: one array for each number of contacts."""
        latest = [1] + [len(self.contact_days.days)] * (len(self.stay) - 1)
        return [np.zeros((count, self.size)) for count in latest]

    def solve(
        self,
        multiplier: Floats | float,
        capacity_multipliers: Floats | None = None,
        *,
        from_day: int | None = None,
    ) -> "Plan":
        """Solve by backward induction at prices.

        Args:
            multiplier: Price of a dollar, one for all or shape (n,), >= 0.
            capacity_multipliers: Price of a contact on each day, USD, shape (T,), >= 0; none where
                left out.
            from_day: First day to decide on, not before the programmes' own.
        """
        start = self.from_day if from_day is None else from_day
        price = np.asarray(multiplier, dtype=np.float64)
        charge = np.zeros(self.days) if capacity_multipliers is None else capacity_multipliers
        values = self.by_state()
        best: dict[tuple[int, int], _Best] = {}
        for day in range(self.days - 1, start - 1, -1):
            position = self.contact_days.position(day)
            for contacts, stay in enumerate(self.stay[:-1]):
                # A latest contact on this day or later is no state of this day.
                value = values[contacts][: position if contacts else 1]
                value *= stay
                stage = self.stages.get((day, contacts))
                if stage is None:
                    continue
                refused = self.stay[contacts + 1] * values[contacts + 1][position]
                wait = value[stage.latest]
                offer, worth = _maximise(stage, price, float(charge[day]), refused)
                best[day, contacts] = _Best(offer, worth - wait)
                np.maximum(wait, worth, out=wait)
        return Plan(self, start, values[0][0], best)


class Plan:
    """A solution: the best contact in every state, and the value of an untouched customer.

    Attributes:
        value: Value of an untouched customer on the first day, over no contact at all, net of
            prices, USD, shape (n,).
    """

    def __init__(
        self,
        programmes: CustomerProgrammes,
        from_day: int,
        value: Floats,
        best: dict[tuple[int, int], _Best],
    ) -> None:
        self.value = value
        self._programmes = programmes
        self._from_day = from_day
        self._best = best

    def choice(self, day: int, rows: Ints, contacts: Ints, last_contact_day: Ints) -> Choice:
        """Return the best contact of some customers on one day.

        Args:
            day: A contact day.
            rows: Positions of the customers, shape (k,).
            contacts: Number of contacts so far, fewer than the cap, shape (k,).
            last_contact_day: Day of the latest contact, shape (k,); not read where there is none.

        Raises:
            ValueError: A latest contact before the period, or within the cooldown.
        """
        days, k = self._programmes.contact_days, len(rows)
        result = Choice(np.zeros(k, dtype=np.int64), np.zeros(k), np.zeros(k), np.zeros(k))
        for count in np.unique(contacts):
            at = np.flatnonzero(contacts == count)
            latest = days.latest(day, int(count))
            place = np.zeros(len(at), dtype=np.int64)
            if count:
                place = np.searchsorted(days.days, last_contact_day[at]) - latest.start
                if ((place < 0) | (place >= latest.stop - latest.start)).any():
                    raise ValueError(
                        f"day {day}: the latest of {count} contacts is from before the period or "
                        "within the cooldown"
                    )
            best, stage = self._best[day, int(count)], self._programmes.stages[day, int(count)]
            offer = best.offer[place, rows[at]]
            p_accept = stage.p_accept[offer, place, rows[at]]
            result.offer[at] = offer
            result.advantage[at] = best.advantage[place, rows[at]]
            result.p_accept[at] = p_accept
            result.cost[at] = (
                stage.cost[offer, rows[at]] + p_accept * stage.cost_accepted[offer, rows[at]]
            )
        return result

    def flow(self) -> Flow:
        """Follow the plan, everybody there and untouched on its first day.

        A contact is made where that is worth more than waiting.
        """
        programmes = self._programmes
        flow = Flow(np.zeros(programmes.days), np.zeros(programmes.days))
        # Probability of each state.
        masses = programmes.by_state()
        masses[0][:] = 1.0
        for day in range(self._from_day, programmes.days):
            position = programmes.contact_days.position(day)
            # Most contacts first: who is contacted today is in no other state of today.
            for contacts in range(len(masses) - 2, -1, -1):
                mass = masses[contacts][: position if contacts else 1]
                best = self._best.get((day, contacts))
                if best is not None:
                    stage = programmes.stages[day, contacts]
                    now = np.where(best.advantage > 0.0, mass[stage.latest], 0.0)
                    p_accept, cost = best.terms(stage)
                    flow.spend_usd[day] += (now * cost).sum()
                    flow.contacts[day] += now.sum()
                    mass[stage.latest] -= now
                    refused = (now * (1.0 - p_accept)).sum(axis=0)
                    masses[contacts + 1][position] = refused * programmes.stay[contacts + 1]
                mass *= programmes.stay[contacts]
        return flow


def _maximise(stage: Stage, price: Floats, charge: float, refused: Floats) -> tuple[Offers, Floats]:
    """Find the best offer in each state and its value, shape (C, n) each.

    Args:
        stage: O offers and C latest contacts.
        price: Price of a dollar, one for all or shape (n,).
        charge: Price of a contact, USD.
        refused: Value of going on after a refusal, shape (n,).
    """
    plain = stage.net - price * stage.cost - charge + refused
    added = stage.net_accepted - price * stage.cost_accepted - refused
    best = stage.p_accept[0] * added[0] + plain[0]
    offer = np.zeros(best.shape, dtype=np.int8)
    for index in range(1, len(plain)):
        worth = stage.p_accept[index] * added[index]
        worth += plain[index]
        np.copyto(offer, np.int8(index), where=worth > best)
        np.maximum(best, worth, out=best)
    return offer, best
