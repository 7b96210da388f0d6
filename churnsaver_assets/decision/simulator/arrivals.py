"""Arrival patterns: on which days a business asks about each customer."""

from typing import Literal

import numpy as np

from churnsaver_assets.decision.simulator.calendar import Calendar
from churnsaver_serving.runtime.arrays import Bools, Ints

Arrival = Literal["daily", "nightly", "monthly", "bursts"]

# Days in a month on which bursts come, and the share of the customers in each.
_BURSTS, _BURST_SHARE = 4, 0.3


def asked_days(arrival: Arrival, calendar: Calendar, customers: int, seed: int) -> Bools:
    """Draw on which days each customer is asked about, shape (T, n).

    Args:
        arrival: `daily` and `nightly`: every day; `monthly`: once in each calendar month, on a day
            drawn for each customer and month; `bursts`: on a few days of each month, each time a
            share of the customers.
        calendar: The days.
        customers: Number of customers, n.
        seed: Seed for the draws.
    """
    if arrival in ("daily", "nightly"):
        return np.ones((calendar.days, customers), dtype=np.bool_)
    rng = np.random.default_rng([seed, _STREAM])
    asked = np.zeros((calendar.days, customers), dtype=np.bool_)
    for month in np.unique(calendar.months):
        days = np.flatnonzero(calendar.months == month)
        if arrival == "monthly":
            asked[rng.choice(days, size=customers), np.arange(customers)] = True
        else:
            for day in rng.choice(days, size=min(_BURSTS, len(days)), replace=False):
                asked[day] = rng.random(customers) < _BURST_SHARE
    return asked


def arrival_order(arrival: Arrival, day: int, rows: Ints, seed: int) -> Ints:
    """Return the rows asked about on a day in the order in which the requests come.

    A nightly list has the same order every night; other requests come at random.
    """
    if arrival == "nightly":
        return rows
    return np.random.default_rng([seed, _STREAM, day]).permutation(rows)


_STREAM = 7
