"""Standings: what the ledger holds of customers, as arrays for the rules to look at."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import date

import numpy as np

from churnsaver_serving.runtime.arrays import Bools, Ints
from churnsaver_serving.runtime.customer import Customer

# The day of what never happened: long before any rule looks back to.
NEVER = -1_000_000


@dataclass(frozen=True, slots=True)
class Standing:
    """What the ledger holds of n customers; days are proleptic Gregorian ordinals.

    Attributes:
        last_contact: Day of the latest contact, made or booked, shape (n,); `NEVER` for none.
        contacts_in_window: Contacts in the fatigue window, booked ones included, shape (n,).
        last_accepted: Day on which an offer was last accepted, shape (n,); `NEVER` for none.
        waiting: Whether a contact is booked, or made and not yet answered, shape (n,).
        opted_out: Whether the customer asked not to be contacted, shape (n,).
        churned: Whether the customer has left, as far as reported, shape (n,).
    """

    last_contact: Ints
    contacts_in_window: Ints
    last_accepted: Ints
    waiting: Bools
    opted_out: Bools
    churned: Bools

    @classmethod
    def of(cls, customers: Sequence[Customer]) -> "Standing":
        """Return the standing in the customers' histories."""
        histories = [customer.history for customer in customers]
        return cls(
            last_contact=_ordinals([one.last_contact_on for one in histories]),
            contacts_in_window=np.array([one.contacts_in_window for one in histories], np.int64),
            last_accepted=_ordinals([one.last_accepted_on for one in histories]),
            waiting=np.array([one.waiting for one in histories], dtype=np.bool_),
            opted_out=np.array([one.opted_out for one in histories], dtype=np.bool_),
            churned=np.array([one.churned for one in histories], dtype=np.bool_),
        )

    def __len__(self) -> int:
        return len(self.last_contact)

    def rows(self, at: slice | Bools | Ints) -> "Standing":
        """Return the standing of some of the customers."""
        return Standing(**{field.name: getattr(self, field.name)[at] for field in fields(self)})


def _ordinals(days: Sequence[date | None]) -> Ints:
    return np.array([NEVER if day is None else day.toordinal() for day in days], dtype=np.int64)
