"""Outcomes of a day, sampled by given random numbers or integrated in closed form."""

from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np

from churnsaver_serving.runtime.arrays import Bools, Floats, Ints

Mode = Literal["sampled", "integrated"]


@dataclass(frozen=True, slots=True)
class Step:
    """The outcomes of one day, each of shape (R,).

    Attributes:
        contacted: Rows contacted today, those decided earlier included.
        dropped: Rows whose requested contact budget or capacity refused.
        gain: Expected change in retained revenue of today's contact, given the state, USD.
        cost: Expected cost of today's contact, USD.
        reward: Gain less cost: the value over doing nothing, whose sum over a path is the path's.
        stay: Probability that the row goes on as an open case; in sampled mode 1 or 0.
        accepted: Rows contacted today that accepted (sampled mode).
        spent: Money really spent on today's contacts (sampled mode; else 0), USD.
    """

    contacted: Bools
    dropped: Bools
    gain: Floats
    cost: Floats
    reward: Floats
    stay: Floats
    accepted: Bools
    spent: Floats


class Outcomes(Protocol):
    """A way to turn probabilities into shares of R rows."""

    def accepted(self, day: int, rows: Ints, p_accept: Floats) -> Floats:
        """Return the share of each of `rows` that accepts today, shape (len(rows),)."""

    def leaving(self, day: int, hazard: Floats) -> Floats:
        """Return the share of every row that leaves today, shape (R,)."""


class Sampled:
    """Sampled outcomes: shares are 0 or 1.

    One number for each row and day, used or not: policies compared on one seed meet the same
    customers' luck (common random numbers), and a better offer is never taken less.
    """

    def __init__(self, rng: np.random.Generator, days: int, size: int) -> None:
        self._accept = rng.random((days, size))
        self._leave = rng.random((days, size))

    def accepted(self, day: int, rows: Ints, p_accept: Floats) -> Floats:
        """See `Outcomes`."""
        share: Floats = (self._accept[day, rows] < p_accept).astype(np.float64)
        return share

    def leaving(self, day: int, hazard: Floats) -> Floats:
        """See `Outcomes`."""
        share: Floats = (self._leave[day] < hazard).astype(np.float64)
        return share


class Integrated:
    """Integrated outcomes: shares are the probabilities themselves."""

    def accepted(self, day: int, rows: Ints, p_accept: Floats) -> Floats:  # noqa: ARG002 - no luck
        """See `Outcomes`."""
        return p_accept

    def leaving(self, day: int, hazard: Floats) -> Floats:  # noqa: ARG002
        """See `Outcomes`."""
        return hazard
