"""Tables of the relaxed programme of each customer: what its states are worth, price apart.

Days count from the first one that is bounded. Values are advantages over the worth of a customer
whom nobody contacts and who refused nothing lately ("untouched"), discounted to the first day.
"""

from dataclasses import dataclass

import numpy as np
from scipy.special import expit

from churnsaver_assets.decision.planning.timing import NOT_ASKED, Timing
from churnsaver_assets.decision.simulator.dynamics import Dynamics
from churnsaver_assets.decision.simulator.worlds import Worlds
from churnsaver_serving.runtime.arrays import Floats, Ints
from churnsaver_serving.runtime.world.assumptions import World
from churnsaver_serving.runtime.world.effects import acceptance_shift, discount_usd


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
        stay: Probability to stay a day after 0, 1, ... refusals that raise the hazard, shape
            (L, H, n).
        loss: Worth lost by the raised hazard of that one day, shape (L, H, n).
        at_end: Advantage of each state on the day after the last, shape (S, n): none is positive,
            since refusals are still to be forgotten.
        accepted: Advantage of an acceptance on each day, discount paid, shape (H, O, n).
        stay_rest: Probability that who accepts on a day is there when contacts are allowed again,
            shape (max(H - rest, 0), O, n).
        p_accept: Probability of acceptance at each `Timing.age`, shape (A, O, n).
    """

    rows: Ints
    asked: Ints
    daily: bool
    discounted: Floats
    contact_usd: float
    discount_usd: Floats
    stay: Floats
    loss: Floats
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
    levels = [0, *range(1 + worth.offers, 2 + worth.offers + timing.earlier)]
    hazard = np.stack([worth.hazard[level, after][:, place] for level in levels])
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
        loss=(discounted[1:, None] * (hazard - hazard[0]) * tomorrow).astype(dtype),
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
    last, width = timing.first + timing.days, len(timing.contact_days)
    result = np.zeros((timing.states, len(place)))
    for place_of, pattern in enumerate(timing.patterns):
        lasting = [timing.raised, *(timing.lasting - gap for gap in pattern)]
        for position, day in enumerate(timing.contact_days.tolist()):
            if timing.days - day < min(timing.limit(pattern), timing.raised):
                ends = np.tile(timing.first + day + np.array(lasting), (len(place), 1))
                worth = dynamics.worth.refused(place, last, ends)
                worth = worth - dynamics.worth.untouched[last, place]
                result[place_of * width + position] = discounted * worth
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
    """Tabulate acceptance after so many contacts or more, which leave it no higher."""
    offers = dynamics.setting.space.offers_pct
    effects = dynamics.effects(rows)
    logits = dynamics.setting.cohort.accept_logit[dynamics.customer[rows]].astype(np.float64)
    # The most that so many contacts or more leave.
    most = np.maximum.accumulate(logits[:, ::-1], axis=1)[:, ::-1]
    most = most + dynamics.responsiveness[rows, None]
    result = np.empty((timing.age(timing.remembered, 0) + 1, len(offers), len(rows)))
    known = [
        (since, earlier)
        for earlier in range(1 + timing.earlier)
        for since in range(timing.gap, timing.remembered)
    ]
    for since, earlier in known:
        contacts = earlier + (since < timing.window)
        base = most[:, min(contacts, most.shape[1] - 1)]
        result[timing.age(since, earlier)] = _at(effects, offers, base, float(since), contacts)
    result[-1] = _at(effects, offers, most[:, 0], np.inf, 0)
    return result


def _at(
    effects: World | Worlds,
    offers: tuple[int, ...],
    base: Floats,
    days_since: float,
    contacts: int,
) -> Floats:
    shift = acceptance_shift(
        effects, offers, np.full(len(base), days_since), np.full(len(base), float(contacts))
    )
    result: Floats = expit(base[:, None] + shift).T
    return result
