"""Tables of the relaxed programme of each customer: what its states are worth, price apart.

Days count from the first one that is bounded. Values are advantages over the worth of a customer
whom nobody contacts and who refused nothing lately ("untouched"), discounted to the first day.
"""

from dataclasses import dataclass

import numpy as np
from scipy.special import expit

from churnsaver_assets.decision.simulator.dynamics import Dynamics
from churnsaver_assets.decision.simulator.worlds import Worlds
from churnsaver_serving.runtime.arrays import Bools, Floats, Ints
from churnsaver_serving.runtime.assumptions import World
from churnsaver_serving.runtime.effects import acceptance_shift, discount_usd

# Log-odds of acceptance lost to a contact so long ago that it may be forgotten.
_FORGOTTEN_LOG_ODDS = 0.02

NOT_ASKED = -1_000_000


@dataclass(frozen=True, slots=True)
class Timing:
    """The days that a programme's states count, the same for every customer.

    Attributes:
        first: The first day, days since the calendar's start.
        days: Number of days bounded, H.
        gap: Least number of days between two contacts.
        rest: Least number of days from an accepted offer to the next contact.
        remembered: Days after which a refused contact is forgotten; acceptance and hazard are then
            those of an untouched customer.
        raised: Days for which a refusal raises the hazard.
        delays: Days within which a contact follows on a day on which the customer is asked about.
        contact_days: Days that the latest contact may be on, ascending, negative before the first
            day, shape (W,).
        working: Whether contacts are made on each day, shape (H,).
        working_before: The latest working day before each day, -1 for none, shape (H,).
    """

    first: int
    days: int
    gap: int
    rest: int
    remembered: int
    raised: int
    delays: tuple[int, ...]
    contact_days: Ints
    working: Bools
    working_before: Ints

    @classmethod
    def of(cls, dynamics: Dynamics) -> "Timing":
        """Return the timing of a bound from the dynamics' day on."""
        calendar, rules = dynamics.setting.calendar, dynamics.setting.rules
        first = dynamics.day
        remembered = remembered_days(dynamics)
        before = np.unique(dynamics.contact_days[:, 0])
        before = before[before > first - remembered]
        working = calendar.working[first:]
        ahead = np.flatnonzero(working)
        return cls(
            first=first,
            days=calendar.days - first,
            gap=max(rules.cooldown_days, 1),
            rest=max(rules.accepted_rest_days, 1),
            remembered=remembered,
            raised=round(dynamics.setting.nominal.refusal_days),
            delays=dynamics.setting.space.delays_days,
            contact_days=np.union1d(before - first, ahead),
            working=working,
            working_before=np.append(-1, ahead)[ahead.searchsorted(np.arange(len(working)))],
        )

    def position(self, day: int) -> int:
        """Return the position of the first contact day that is not before `day`."""
        return int(np.searchsorted(self.contact_days, day))


def remembered_days(dynamics: Dynamics) -> int:
    """Return the days after which a refused contact is forgotten.

    By then it raises no hazard, is out of the fatigue window, and takes next to nothing off the
    log-odds to accept.
    """
    rules, delays = dynamics.setting.rules, dynamics.setting.space.delays_days
    fading = [
        world.recency_decay_days * np.log(world.recency_penalty / _FORGOTTEN_LOG_ODDS)
        for world in set(dynamics.worlds)
        if world.recency_penalty > _FORGOTTEN_LOG_ODDS
    ]
    return max(
        rules.fatigue_window_days,
        # Who is asked about when nothing is remembered was out of the cooldown already.
        rules.cooldown_days + max(delays) + 1,
        round(dynamics.setting.nominal.refusal_days),
        *(int(np.ceil(days)) for days in fading),
    )


@dataclass(frozen=True, slots=True)
class Tables:
    """Tables of n customers over H days with O offers; probabilities, and USD on the first day.

    Attributes:
        rows: The dynamics' row that stands for each customer, shape (n,).
        asked: The latest day up to each on which the customer is asked about and from which a
            contact can follow on that day, shape (H, n); `NOT_ASKED` for none.
        daily: Whether everybody is asked about daily, so that `asked` says nothing.
        discounted: Worth of a dollar of each day on the first, shape (H,).
        contact_usd: Cost of a contact.
        discount_usd: Cost of each discount if accepted, shape (O, n).
        stay: Probability to stay a day, untouched, shape (H, n).
        stay_refused: The same while a refusal is remembered, shape (H, n).
        loss_refused: Worth lost by the raised hazard of that one day, shape (H, n).
        at_end: Advantage on the day after the last of those who refused on each contact day and
            have still to forget it, shape (W, n): none is positive.
        accepted: Advantage of an acceptance on each day, discount paid, shape (H, O, n).
        stay_rest: Probability that who accepts on a day is there when contacts are allowed again,
            shape (max(H - rest, 0), O, n).
        p_accept: Probability of acceptance by days since the refused contact, from `gap` to
            `remembered` - 1, and last of whoever remembers none, shape (S, O, n).
    """

    rows: Ints
    asked: Ints
    daily: bool
    discounted: Floats
    contact_usd: float
    discount_usd: Floats
    stay: Floats
    stay_refused: Floats
    loss_refused: Floats
    at_end: Floats
    accepted: Floats
    stay_rest: Floats
    p_accept: Floats


def tabulate(dynamics: Dynamics, timing: Timing, rows: Ints, dtype: type[np.floating]) -> Tables:
    """Tabulate the programmes of some of the dynamics' rows.

    Args:
        dynamics: The true state.
        timing: Its days.
        rows: Row that stands for each customer, shape (n,).
        dtype: Precision of the tables.
    """
    worth, place, first = dynamics.worth, dynamics.place[rows], timing.first
    asked = _asked(dynamics, timing, dynamics.member[rows])
    after = slice(first, first + timing.days)
    discounted = dynamics.discount ** np.arange(timing.days + 1, dtype=np.float64)
    hazard = worth.hazard[0, after][:, place]
    raised = worth.hazard[1 + worth.offers, after][:, place]
    tomorrow = worth.untouched[first + 1 : first + timing.days + 1][:, place]
    world = dynamics.setting.nominal
    discount = discount_usd(world, dynamics.charge[rows], dynamics.setting.space.offers_pct).T
    return Tables(
        rows=rows,
        asked=asked,
        daily=bool((asked == np.arange(timing.days)[:, None]).all()),
        discounted=discounted[:-1],
        contact_usd=world.contact_cost_usd,
        discount_usd=discount.astype(dtype),
        stay=(1.0 - hazard).astype(dtype),
        stay_refused=(1.0 - raised).astype(dtype),
        loss_refused=(discounted[1:, None] * (raised - hazard) * tomorrow).astype(dtype),
        at_end=_at_end(dynamics, timing, place, float(discounted[-1])).astype(dtype),
        accepted=_accepted(dynamics, timing, rows, discount).astype(dtype),
        stay_rest=_stay_rest(dynamics, timing, rows).astype(dtype),
        p_accept=_p_accept(dynamics, timing, rows).astype(dtype),
    )


def stay_until(
    dynamics: Dynamics, level: Ints | int, rows: Ints, start: Ints, stop: Ints
) -> Floats:
    """Return the probability to stay from one day to another at a level of worth, shape (k,)."""
    kept = dynamics.worth.kept(level, dynamics.place[rows], start, stop)
    result: Floats = kept * dynamics.discount ** -(stop - start).astype(np.float64)
    return result


def stay_through(
    dynamics: Dynamics, rows: Ints, offer: Ints, days: tuple[Ints, Ints, Ints]
) -> Floats:
    """Return the probability to stay from one day to another under an offer that binds for some.

    Args:
        dynamics: The true state.
        rows: Rows, shape (k,).
        offer: The offer's position, shape (k,).
        days: The day itself, the day on which the offer ceases to bind, and the other day, each of
            shape (k,).
    """
    start, ends, stop = days
    change = np.clip(ends, start, stop)
    return stay_until(dynamics, 1 + offer, rows, start, change) * stay_until(
        dynamics, 0, rows, change, stop
    )


def _asked(dynamics: Dynamics, timing: Timing, member: Ints) -> Ints:
    population, first = dynamics.population, timing.first
    days = np.arange(timing.days)[:, None]
    asked = population.asked[first : first + timing.days][:, member]
    asked = asked & (population.start[member] <= first + days)
    latest = np.full(asked.shape, NOT_ASKED)
    for delay in timing.delays:
        if delay < timing.days:
            then = np.where(asked, days, NOT_ASKED)[: timing.days - delay]
            latest[delay:] = np.maximum(latest[delay:], then)
    return latest


def _at_end(dynamics: Dynamics, timing: Timing, place: Ints, discounted: float) -> Floats:
    last = timing.first + timing.days
    result = np.zeros((len(timing.contact_days), len(place)))
    for position, day in enumerate(timing.contact_days.tolist()):
        forgotten = timing.first + day + timing.raised
        if forgotten > last:
            ends = np.full((len(place), 1), forgotten)
            worth = (
                dynamics.worth.refused(place, last, ends) - dynamics.worth.untouched[last, place]
            )
            result[position] = discounted * worth
    return result


def _accepted(dynamics: Dynamics, timing: Timing, rows: Ints, discount: Floats) -> Floats:
    worth, place = dynamics.worth, dynamics.place[rows]
    result = np.empty((timing.days, worth.offers, len(rows)))
    for ahead in range(timing.days):
        day = timing.first + ahead
        until = day + dynamics.effect_days[rows]
        for offer in range(worth.offers):
            held = worth.accepted(place, day, np.full(len(rows), offer), until)
            gained = held - worth.untouched[day, place] - discount[offer]
            result[ahead, offer] = dynamics.discount**ahead * gained
    return result


def _stay_rest(dynamics: Dynamics, timing: Timing, rows: Ints) -> Floats:
    offers, n = dynamics.worth.offers, len(rows)
    again = max(timing.days - timing.rest, 0)
    result = np.empty((again, offers, n))
    for ahead in range(again):
        day = np.full(n, timing.first + ahead)
        for offer in range(offers):
            days = day, day + dynamics.effect_days[rows], day + timing.rest
            result[ahead, offer] = stay_through(dynamics, rows, np.full(n, offer), days)
    return result


def _p_accept(dynamics: Dynamics, timing: Timing, rows: Ints) -> Floats:
    """Tabulate acceptance; with more contacts in the window than one it is not higher."""
    offers, window = dynamics.setting.space.offers_pct, dynamics.setting.rules.fatigue_window_days
    effects = dynamics.effects(rows)
    logits = dynamics.setting.cohort.accept_logit[dynamics.customer[rows]].astype(np.float64)
    # The most that so many contacts or more leave.
    most = np.maximum.accumulate(logits[:, ::-1], axis=1)[:, ::-1]
    most = most + dynamics.responsiveness[rows, None]
    since = [*range(timing.gap, timing.remembered), np.inf]
    result = np.empty((len(since), len(offers), len(rows)))
    for index, days in enumerate(since):
        counted = int(days < window and most.shape[1] > 1)
        result[index] = _at(effects, offers, most[:, counted], float(days), float(days < window))
    return result


def _at(
    effects: World | Worlds,
    offers: tuple[int, ...],
    base: Floats,
    days_since: float,
    contacts: float,
) -> Floats:
    shift = acceptance_shift(
        effects, offers, np.full(len(base), days_since), np.full(len(base), contacts)
    )
    result: Floats = expit(base[:, None] + shift).T
    return result
