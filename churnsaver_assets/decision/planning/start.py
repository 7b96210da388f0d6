"""Start of the relaxed programmes: in which state the dynamics' rows are on the first day bounded.

Groups of the same customers share one programme, so a state's probability is averaged over them.
"""

from dataclasses import dataclass

import numpy as np

from churnsaver_assets.decision.planning.tables import Tables, stay_through, stay_until
from churnsaver_assets.decision.planning.timing import Timing
from churnsaver_assets.decision.simulator.dynamics import Dynamics
from churnsaver_serving.runtime.arrays import Bools, Floats, Ints
from churnsaver_serving.runtime.limits.standing import NEVER


@dataclass(frozen=True, slots=True)
class Holders:
    """Customers whom an offer still binds when contacts are allowed again, K of them.

    Until it ceases to, they don't mind being asked; then they are untouched. Of the contacts in
    between only the cooldown is kept.

    Attributes:
        customer: Position of each in the tables, shape (K,).
        ready: Day on which contacts are allowed again, ascending, shape (K,).
        ends: Day on which the offer ceases to bind, shape (K,).
        mass: Probability to be there on day `ready`, on the first day's customers, of those who
            accepted before the first day; 0 of who may accept later, shape (K,).
        excess: Worth above that of an untouched customer on each day, USD on the first day, shape
            (H, K).
        stay: Probability to stay a day, shape (H, K).
        stay_gap: Probability to stay from each day to the next possible contact, shape (H, K).
        after: Position here of those who accept on a day, by day, offer and customer, shape
            (max(H - rest, 0), O, n); -1 where the offer no longer binds by then.
    """

    customer: Ints
    ready: Ints
    ends: Ints
    mass: Floats
    excess: Floats
    stay: Floats
    stay_gap: Floats
    after: Ints


@dataclass(frozen=True, slots=True)
class Start:
    """The probabilities of the states that n customers start in, each on the first day's customers.

    Attributes:
        untouched: Untouched customers, and those who are so again when contacts are allowed or who
            join, by day, shape (H, n).
        refused: Those whose latest contact was refused, by state, shape (S, n).
        ahead: Worth of the relaxed state above the true one's, discounted, USD, shape (n,): what
            was forgotten of earlier refusals.
        holders: Those whom an offer binds.
        reentering: Days on which the untouched of each customer may be contacted because some of
            them could not be before, whenever they were asked about, shape (H, n).
    """

    untouched: Floats
    refused: Floats
    ahead: Floats
    holders: Holders
    reentering: Bools


def start_of(
    dynamics: Dynamics, timing: Timing, tables: Tables, *, rows: Ints, customer: Ints, each: float
) -> Start:
    """Find the states that rows start in.

    Args:
        dynamics: The true state.
        timing: Its days.
        tables: The customers' tables.
        rows: Rows of the dynamics, shape (k,).
        customer: Position of each in the tables, shape (k,).
        each: Probability that a row stands for.
    """
    today, n = timing.first, len(tables.rows)
    untouched = np.zeros((timing.days, n))
    refused = np.zeros((timing.states, n))
    joins = dynamics.population.start[dynamics.member[rows]]
    later = (joins > today) & (joins < timing.first + timing.days)
    np.add.at(untouched, (joins[later] - today, customer[later]), each)

    there = dynamics.there[rows]
    rows, customer = rows[there], customer[there]
    latest, ends = dynamics.contact_days[rows, 0], dynamics.offer_ends[rows]
    rested = np.maximum(dynamics.accepted_on[rows] + timing.rest, latest + timing.gap)
    accepted = (ends > today) | (dynamics.accepted_on[rows] + timing.rest > today)
    # A contact refused while an offer bound raises no hazard.
    remembered = (latest > today - timing.remembered) & (
        dynamics.refusal_ends[rows, 0] == latest + timing.raised
    )
    as_refused = ~accepted & remembered
    at = timing.contact_days.searchsorted(latest[as_refused] - today)
    pattern = _patterns(dynamics, timing, rows[as_refused])
    np.add.at(refused, (pattern * len(timing.contact_days) + at, customer[as_refused]), each)

    ready = np.where(accepted | (latest != NEVER), np.maximum(rested, today), today)
    holding = accepted & (ends > ready) & (ready < today + timing.days)
    offer = np.maximum(dynamics.offer[rows], 0)
    until = np.minimum(ready, today + timing.days)
    stay = stay_through(dynamics, rows, offer, (np.full(len(rows), today), ends, until))
    plain = ~as_refused & ~holding & (ready < today + timing.days)
    np.add.at(untouched, (ready[plain] - today, customer[plain]), each * stay[plain])

    reentering = np.zeros((timing.days, n), dtype=np.bool_)
    reentering[timing.rest :] = True
    working = np.flatnonzero(timing.working)
    back = plain & (ready > today)
    turn = working.searchsorted(ready[back] - today)
    inside = turn < len(working)
    reentering[working[turn[inside]], customer[back][inside]] = True

    ahead = np.zeros(n)
    open_rows = rows[~accepted]
    forgotten = dynamics.worth.untouched[today, dynamics.place[open_rows]]
    np.add.at(ahead, customer[~accepted], each * (forgotten - dynamics.worth_now(open_rows)))
    return Start(
        untouched=untouched,
        refused=refused,
        ahead=ahead,
        holders=_holders(
            dynamics,
            timing,
            tables,
            _Holding(customer, ready - today, ends - today, offer, each * stay).at(holding),
        ),
        reentering=reentering,
    )


def _patterns(dynamics: Dynamics, timing: Timing, rows: Ints) -> Ints:
    """Return the patterns of refusals remembered before the latest, shape (k,)."""
    made = dynamics.refusal_ends[rows] - timing.raised
    gaps, which = np.unique(made - made[:, :1], axis=0, return_inverse=True)
    since = timing.first - made[:, 0]
    result = np.zeros(len(rows), dtype=np.int64)
    for one, days in enumerate(gaps.tolist()):
        pattern = timing.history(days)
        mine = which.ravel() == one
        for kept in range(len(pattern) + 1):
            live = mine & (since < timing.limit(pattern[:kept]))
            result[live] = timing.patterns.index(pattern[:kept])
    return result


@dataclass(frozen=True, slots=True)
class _Holding:
    customer: Ints
    ready: Ints
    ends: Ints
    offer: Ints
    mass: Floats

    def at(self, some: Bools | Ints) -> "_Holding":
        return _Holding(
            self.customer[some],
            self.ready[some],
            self.ends[some],
            self.offer[some],
            self.mass[some],
        )


def _accepting_later(dynamics: Dynamics, timing: Timing, tables: Tables) -> _Holding:
    """List who may accept on one of the days and hold the offer for longer than the rest."""
    again = max(timing.days - timing.rest, 0)
    effect = dynamics.effect_days[tables.rows]
    long = np.flatnonzero(effect > timing.rest)
    day, offer, customer = (
        index.ravel()
        for index in np.meshgrid(
            np.arange(again), np.arange(dynamics.worth.offers), long, indexing="ij"
        )
    )
    return _Holding(
        customer, day + timing.rest, day + effect[customer], offer, np.zeros(len(customer))
    )


def _holders(dynamics: Dynamics, timing: Timing, tables: Tables, now: _Holding) -> Holders:
    later = _accepting_later(dynamics, timing, tables)
    both = _Holding(
        *(np.concatenate([getattr(now, name), getattr(later, name)]) for name in _FIELDS)
    )
    order = np.argsort(both.ready, kind="stable")
    rank = np.empty(len(order), dtype=np.int64)
    rank[order] = np.arange(len(order))
    offers, n = dynamics.worth.offers, len(tables.rows)
    after = np.full((max(timing.days - timing.rest, 0), offers, n), -1)
    accepted_on = later.ready - timing.rest
    after[accepted_on, later.offer, later.customer] = rank[len(now.customer) :]
    both = both.at(order)
    rows = tables.rows[both.customer]
    place, dtype = dynamics.place[rows], tables.stay.dtype
    shape = (timing.days, len(order))
    excess, stay, gap = np.zeros(shape, dtype), np.ones(shape, dtype), np.ones(shape, dtype)
    ends = both.ends + timing.first
    for ahead in range(int(both.ready.min(initial=timing.days)), timing.days):
        day = timing.first + ahead
        held = np.flatnonzero((both.ready <= ahead) & (both.ends > ahead))
        who, offer = rows[held], both.offer[held]
        worth = dynamics.worth.accepted(place[held], day, offer, ends[held])
        worth = worth - dynamics.worth.untouched[day, place[held]]
        excess[ahead, held] = tables.discounted[ahead] * worth
        today = np.full(len(held), day)
        stay[ahead, held] = stay_until(dynamics, 1 + offer, who, today, today + 1)
        stop = np.minimum(np.minimum(day + timing.gap, ends[held]), timing.first + timing.days)
        gap[ahead, held] = stay_until(dynamics, 1 + offer, who, today, stop)
    return Holders(
        customer=both.customer,
        ready=both.ready,
        ends=both.ends,
        mass=both.mass,
        excess=excess,
        stay=stay,
        stay_gap=gap,
        after=after,
    )


_FIELDS = ("customer", "ready", "ends", "offer", "mass")
