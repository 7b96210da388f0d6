"""The planner as it is served: each customer's own programme over all contacts to come.

The one-step rule values a contact as if no other followed. The planner knows that a refused one may
be repeated once the cooldown is over, better the longer ago it was, and that an accepted offer
closes the customer for as long as the discount runs. What an acceptance is worth, and a refusal
costs, follows the risk as it changes with age; until then risk, charge and multiplier are taken to
stay as they are, and requests to come daily. So each customer is a small Markov decision process
over the days since the latest refused contact, solved here for all at once by policy iteration
(Howard 1960). The price of money is the multiplier, so the customers are independent (Hawkins
2003).
"""

from dataclasses import dataclass

import msgspec
import numpy as np

from churnsaver_serving.runtime.arrays import Bools, Floats
from churnsaver_serving.runtime.policies.observation import Observation
from churnsaver_serving.runtime.policies.value import believed_accept
from churnsaver_serving.runtime.scoring.calibration import logit, sigmoid
from churnsaver_serving.runtime.world.assumptions import World
from churnsaver_serving.runtime.world.effects import (
    acceptance_shift,
    aged_hazards,
    aged_stay,
    aged_worth_usd,
    daily_discount,
    discount_usd,
    disturbed_hazard,
)

_PROBABILITY_FLOOR = 1e-6
_ITERATIONS = 4
# Days after the end of the cooldown on which a contact may be repeated: close together while the
# latest contact weighs on acceptance, further apart later.
_STEPS = (0, 1, 2, 3, 5, 7, 10, 14, 18)


class StationaryPlanner(msgspec.Struct, tag="planner", frozen=True, forbid_unknown_fields=True):
    """The offer whose value, later contacts included, is highest over waiting.

    Attributes:
        name: The name for logs and answers.
        world: The world that it believes in; None for the nominal one.
        cooldown_days: Days from a refused contact to the next.
        rest_days: Days from an accepted offer to the next contact.
    """

    name: str = "planner"
    world: World | None = None
    cooldown_days: int = 7
    rest_days: int = 90

    def preferences(self, observation: Observation) -> Floats:
        """Return the value of no contact, 0, and of each offer over waiting a day, USD."""
        world = observation.world if self.world is None else self.world
        terms = _Terms.of(observation, world, self.cooldown_days, self.rest_days)
        untouched, refused = terms.solve()
        again = refused - terms.owed_now.sum(axis=1)
        worth = again[:, None] - terms.made[:, None]
        worth = worth + terms.p_now * (terms.accepted(untouched) - again[:, None])
        waiting = terms.waiting(observation.days_since_contact, untouched, refused)
        value = worth - waiting[:, None]
        later = (terms.stay * terms.discount) ** observation.wait_days
        return np.column_stack([np.zeros(len(value)), later[:, None] * value])


@dataclass(frozen=True, slots=True)
class _Terms:
    """The programme of n customers with O offers over S days since the refused contact.

    Values are advantages over the worth of an untouched customer, USD, each of shape (n,) where
    nothing else is said.

    Attributes:
        discount: Worth of a day's revenue over the day before's.
        stay: Probability to stay a day, untouched.
        kept: Discounted probability to stay a day after a refusal.
        loss: Worth that the raised hazard takes on such a day.
        owed_now: Worth that each refusal remembered on the day judged is still to take, the latest
            first, shape (n, C). Whoever refuses again has them to come besides the new one's.
        made: Cost of a contact at the multiplier, with the price of its place.
        gained: Advantage right after an acceptance, discount paid at the multiplier, shape (n, O).
        rested: Discounted probability to be there when contacts are allowed again, shape (n, O).
        p_now: Probability of acceptance on the day judged, shape (n, O).
        p_untouched: The same without any contact before, shape (n, O).
        p_refused: The same so many days after a refused contact, shape (S, n, O).
        days: The S days since the refused contact, ascending; the first is the cooldown.
        forgotten: Days after which it is forgotten.
    """

    discount: float
    stay: Floats
    kept: Floats
    loss: Floats
    owed_now: Floats
    made: Floats
    gained: Floats
    rested: Floats
    p_now: Floats
    p_untouched: Floats
    p_refused: Floats
    days: tuple[int, ...]
    forgotten: int

    @classmethod
    def of(cls, observation: Observation, world: World, cooldown: int, rest: int) -> "_Terms":
        """Compute the terms of an observation in a world."""
        offers, charge = observation.offers_pct, observation.monthly_charge_usd
        hazards = aged_hazards(world, observation.risk)
        once = np.ones_like(hazards[0])
        raised = [
            disturbed_hazard(world, hazard, observation.risk[:, place], once)
            for place, hazard in enumerate(hazards)
        ]
        gamma, price = float(daily_discount(world)), 1.0 + observation.multiplier
        worth = aged_worth_usd(world, charge, hazards, hazards, 0.0)
        refused = aged_worth_usd(world, charge, hazards, raised, world.refusal_days)
        bound = [
            [one * factor for one in hazards] for factor in np.asarray(world.save_effect).tolist()
        ]
        saved = np.stack(
            [aged_worth_usd(world, charge, hazards, one, world.effect_days) for one in bound],
            axis=1,
        )
        discount = discount_usd(world, charge, offers)
        binds = min(world.effect_days, rest)
        there = np.stack([aged_stay(one, binds) for one in bound], axis=1)
        there *= (aged_stay(hazards, rest) / aged_stay(hazards, binds))[:, None]
        p_now = believed_accept(observation, world)
        base = logit(np.clip(p_now, _PROBABILITY_FLOOR, 1.0 - _PROBABILITY_FLOOR))
        since, contacts = observation.days_since_contact, observation.contacts_in_window
        base = base - acceptance_shift(world, offers, since, contacts)
        forgotten = max(round(world.refusal_days), cooldown + 1)
        days = tuple(cooldown + step for step in _STEPS if cooldown + step < forgotten)
        once = np.ones(len(days))
        again = acceptance_shift(world, offers, np.array(days, dtype=np.float64), once)
        never = acceptance_shift(world, offers, np.array(np.inf), np.array(0.0))
        kept = gamma * (1.0 - raised[0])
        # As much each day as makes up what a refusal takes in all.
        loss = (worth - refused) * (1.0 - kept) / (1.0 - kept**forgotten)
        # Contacts before the latest are taken to have been a cooldown apart.
        ages = since[:, None] + cooldown * np.arange(max(int(contacts.max(initial=0.0)), 1))
        owed = _owed(kept[:, None], loss[:, None], np.maximum(forgotten - ages, 0.0))
        owed = np.where(np.arange(ages.shape[1]) < contacts[:, None], owed, 0.0)
        return cls(
            discount=gamma,
            stay=1.0 - hazards[0],
            kept=kept,
            loss=loss,
            owed_now=owed,
            made=price * world.contact_cost_usd + observation.capacity_price_usd,
            gained=saved - worth[:, None] - price[:, None] * discount,
            rested=gamma**rest * there,
            p_now=p_now,
            p_untouched=sigmoid(base + never),
            p_refused=sigmoid(base + again[:, None, :]),
            days=days,
            forgotten=forgotten,
        )

    def accepted(self, untouched: Floats) -> Floats:
        """Return the advantage right after an acceptance, shape (n, O)."""
        return self.gained + self.rested * untouched[:, None]

    def solve(self) -> tuple[Floats, Floats]:
        """Return the values of an untouched customer and of one who refused just now, (n,) each.

        Each iteration follows the best plan for the values so far, under which both are linear in
        themselves, and takes the values that the plan has.
        """
        n = len(self.stay)
        untouched, refused = np.zeros(n), self._wait(np.zeros(n), self.forgotten)
        untouched = np.maximum(self._contact(self.p_untouched, untouched, refused)[0], 0.0)
        for _ in range(_ITERATIONS):
            untouched, refused = self._improved(untouched, refused)
        return untouched, refused

    def waiting(self, since: Floats, untouched: Floats, refused: Floats) -> Floats:
        """Return the value of no contact today so many days after the latest, shape (n,)."""
        free = self.discount * self.stay * untouched
        if not len(since):
            return free
        values = self._by_days(untouched, refused)
        days = np.array([*self.days, self.forgotten], dtype=np.float64)
        tomorrow = np.clip(since + 1.0, days[0], days[-1])
        right = np.clip(days.searchsorted(tomorrow, side="left"), 1, len(days) - 1)
        share = (tomorrow - days[right - 1]) / (days[right] - days[right - 1])
        row = np.arange(len(since))
        then = (1.0 - share) * values[right - 1, row] + share * values[right, row]
        waited = self.kept * then - self.loss - self.owed_now[:, 1:].sum(axis=1)
        return np.where(since + 1.0 > self.forgotten, free, waited)

    def _wait(self, then: Floats, days: int) -> Floats:
        """Return the value so many days before it is `then`, a refusal remembered, shape (n,)."""
        return self.kept**days * then - _owed(self.kept, self.loss, days)

    def _owed(self) -> Floats:
        """Return the worth that the latest refusal is still to take on each of `days`, (S, n)."""
        left = self.forgotten - np.array(self.days, dtype=np.float64)
        return _owed(self.kept, self.loss, left[:, None])

    def _contact(
        self, p_accept: Floats, untouched: Floats, refused: Floats
    ) -> tuple[Floats, Floats, Floats]:
        """Return the value of the best contact, and how it moves with the two values."""
        worth = p_accept * (self.accepted(untouched) - refused[..., None])
        best = worth.argmax(axis=-1)[..., None]
        chosen = np.take_along_axis(p_accept, best, axis=-1)[..., 0]
        rested = np.broadcast_to(self.rested, worth.shape)
        value = refused - self.made + np.take_along_axis(worth, best, axis=-1)[..., 0]
        return value, chosen * np.take_along_axis(rested, best, axis=-1)[..., 0], 1.0 - chosen

    def _by_days(self, untouched: Floats, refused: Floats) -> Floats:
        """Return the value on each of `days` since a refusal and when forgotten, (S + 1, n)."""
        contact = self._contact(self.p_refused, untouched, refused - self._owed())[0]
        values = [untouched]
        following = self.forgotten
        for index in range(len(self.days) - 1, -1, -1):
            wait = self._wait(values[0], following - self.days[index])
            values.insert(0, np.maximum(wait, contact[index]))
            following = self.days[index]
        return np.stack(values)

    def _improved(self, untouched: Floats, refused: Floats) -> tuple[Floats, Floats]:
        contact, by_untouched, by_refused = self._contact(
            self.p_refused, untouched, refused - self._owed()
        )
        value, slope, other = untouched, np.ones_like(untouched), np.zeros_like(untouched)
        following = self.forgotten
        for index in range(len(self.days) - 1, -1, -1):
            days = following - self.days[index]
            value, kept = self._wait(value, days), self.kept**days
            now: Bools = contact[index] > value
            value = np.where(now, contact[index], value)
            slope = np.where(now, by_untouched[index], kept * slope)
            other = np.where(now, by_refused[index], kept * other)
            following = self.days[index]
        value, kept = self._wait(value, following), self.kept**following
        slope, other = kept * slope, kept * other
        # refused = constant + slope * untouched + other * refused, and the like for `untouched`.
        constant = value - slope * untouched - other * refused
        first, first_slope, first_other = self._contact(self.p_untouched, untouched, refused)
        first = first - first_slope * untouched - first_other * refused
        determinant = (1.0 - first_slope) * (1.0 - other) - first_other * slope
        new = (first * (1.0 - other) + first_other * constant) / determinant
        never = new <= 0.0
        new = np.where(never, 0.0, new)
        return new, (constant + slope * new) / (1.0 - other)


def _owed(kept: Floats, loss: Floats, days: Floats | float) -> Floats:
    """Return the worth that a raised hazard takes in so many days; broadcasts."""
    result: Floats = loss * (1.0 - kept**days) / (1.0 - kept)
    return result
