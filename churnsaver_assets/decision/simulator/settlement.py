"""Paying for contacts one after the other, so that a budget is used up but never overspent."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from churnsaver_serving.runtime.arrays import Floats, Ints
from churnsaver_serving.runtime.value import whole_cents


@dataclass(frozen=True, slots=True)
class Settlement:
    """The contacts that a budget allowed.

    Attributes:
        allowed: Whether each contact was allowed, in turn, shape (n,).
        remaining_usd: Money left of the budget afterwards.
    """

    allowed: npt.NDArray[np.bool_]
    remaining_usd: float


def settle(
    reserve_usd: Floats,
    price_usd: Floats,
    remaining_usd: float,
    *,
    day: Ints | None = None,
    free: Floats | None = None,
) -> Settlement:
    """Allow each contact whose worst case is still covered, in turn; then pay its true price.

    Reserving every worst case at once would leave money unused that refusals give back within the
    day; settling in turn needs to cover only one worst case at a time. A contact that the money
    refuses takes no capacity, and the other way round.

    Args:
        reserve_usd: Most that each contact can cost, whole cents, shape (n,).
        price_usd: Price of each contact, at most the reserve, whole cents, shape (n,).
        remaining_usd: The budget.
        day: Position in `free` of each contact's day, shape (n,); the first where left out.
        free: Contacts still free on each day; no limit where left out.
    """
    reserve, price = np.round(100.0 * reserve_usd), np.round(100.0 * price_usd)
    remaining = float(whole_cents(remaining_usd))
    day = np.zeros(len(reserve), dtype=np.int64) if day is None else day
    free = np.full(int(day.max(initial=0)) + 1, np.inf) if free is None else free.copy()
    allowed = np.zeros(len(reserve), dtype=np.bool_)
    waiting = np.arange(len(reserve))
    while True:
        # What doesn't fit now never will: money and capacity only become less.
        waiting = waiting[(reserve[waiting] <= remaining) & (free[day[waiting]] > 0)]
        if not len(waiting):
            return Settlement(allowed, remaining / 100.0)
        ahead = np.cumsum(price[waiting]) - price[waiting]
        fits = ahead + reserve[waiting] <= remaining
        fits &= _earlier_alike(day[waiting]) < free[day[waiting]]
        stop = len(waiting) if fits.all() else int(fits.argmin())
        served, waiting = waiting[:stop], waiting[stop:]
        allowed[served] = True
        remaining -= price[served].sum()
        free -= np.bincount(day[served], minlength=len(free))


def _earlier_alike(values: Ints) -> Ints:
    """Count the equal values that stand before each, shape (n,)."""
    order = np.argsort(values, kind="stable")
    ranked = values[order]
    starts = np.searchsorted(ranked, ranked, side="left")
    earlier = np.empty(len(values), dtype=np.int64)
    earlier[order] = np.arange(len(values)) - starts
    return earlier
