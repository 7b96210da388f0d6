"""Contacts from their booking until they are answered, by row: a ledger's view of them."""

import numpy as np

from churnsaver_serving.runtime.arrays import Bools, Floats, Ints
from churnsaver_serving.runtime.limits.account import Commitment, Commitments
from churnsaver_serving.runtime.limits.standing import NEVER

_UNANSWERED = 10**9


class OpenContacts:
    """At most one open contact a row. Days count from the start; arrays have a place for each row.

    Attributes:
        on: Day of the contact.
        booked: Whether there is one, made or not.
        made: Whether it was made.
        offer: Position of its offer.
        p_accept: Probability of acceptance that it was booked with.
        answer_on: Day on which its answer is reported.
        answer: Whether it was accepted, once it was made.
        settled_early: Whether it was settled as refused before an answer came, because the customer
            had left.

    Args:
        size: Number of rows.
    """

    def __init__(self, size: int) -> None:
        self.on: Ints = np.full(size, NEVER, dtype=np.int64)
        self.booked: Bools = np.zeros(size, dtype=np.bool_)
        self.made: Bools = np.zeros(size, dtype=np.bool_)
        self.offer: Ints = np.zeros(size, dtype=np.int64)
        self.p_accept: Floats = np.zeros(size)
        self.answer_on: Ints = np.full(size, _UNANSWERED, dtype=np.int64)
        self.answer: Bools = np.zeros(size, dtype=np.bool_)
        self.settled_early: Bools = np.zeros(size, dtype=np.bool_)
        self._money: Ints = np.zeros((size, 4), dtype=np.int64)  # the fields of a commitment

    @property
    def pending(self) -> Bools:
        """Return whether a contact is booked and not made, shape (R,)."""
        return self.booked & ~self.made

    def commitment(self, row: int) -> Commitment:
        """Return the money that a row's contact commits."""
        return Commitment(*(int(part) for part in self._money[row]))

    def book(
        self, rows: Ints, on: Ints, offer: Ints, p_accept: Floats, commitments: Commitments
    ) -> None:
        """Book a contact for each of some rows.

        Args:
            rows: The rows, shape (k,).
            on: Day of each contact, shape (k,).
            offer: Position of its offer, shape (k,).
            p_accept: Probability of acceptance of each offer, shape (k, O).
            commitments: Money that each offer commits, of the same shape.
        """
        at = np.arange(len(rows))
        self.on[rows], self.offer[rows] = on, offer
        self.booked[rows], self.made[rows] = True, False
        self.answer_on[rows] = _UNANSWERED
        self.p_accept[rows] = p_accept[at, offer]
        self._money[rows] = np.column_stack(
            [
                np.full(len(rows), commitments.contact_cents),
                commitments.discount_cents[at, offer],
                commitments.mean_cents[at, offer],
                commitments.variance[at, offer],
            ]
        )

    def due(self, today: int) -> Ints:
        """Return the rows to be contacted today."""
        return np.flatnonzero(self.pending & (self.on == today))

    def make(self, rows: Ints, accepted: Bools, reported_on: Ints, unreported: Bools) -> None:
        """Note that contacts were made.

        Args:
            rows: Their rows, shape (k,).
            accepted: The answers, shape (k,).
            reported_on: Day on which each is reported, shape (k,).
            unreported: Whether it never is, shape (k,).
        """
        self.made[rows] = True
        self.answer[rows] = accepted
        self.answer_on[rows] = np.where(unreported, _UNANSWERED, reported_on)

    def silent(self, today: int, answer_days: int) -> Ints:
        """Return the rows of which no answer came within so many days."""
        return np.flatnonzero(self.booked & self.made & (self.on + answer_days < today))

    def answered(self, today: int) -> Ints:
        """Return the rows whose answer is known by the end of today."""
        return np.flatnonzero(self.booked & self.made & (self.answer_on <= today))

    def owed_late(self, today: int) -> Ints:
        """Return the rows settled early that turn out to have accepted; each is told once."""
        told = np.flatnonzero(self.settled_early & (self.answer_on <= today))
        self.settled_early[told] = False
        return told[self.answer[told]]

    def close(self, rows: Ints | int) -> None:
        """End the contacts of some rows."""
        self.booked[rows] = False
        self.made[rows] = False
