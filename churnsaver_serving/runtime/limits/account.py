"""Accounts: a month's budget in whole cents, with money reserved for contacts not yet answered.

Reserving each open contact's worst case would leave a third of a month's money idle. Open contacts
are many and answered one by one, so a quantile of what they can cost together is reserved: mean
plus a multiple of the standard deviation, and never more than the worst case. What is charged never
exceeds the limit: should more offers be accepted than the reserve covers, the rest is charged to
the following month.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import msgspec
import numpy as np

from churnsaver_serving.runtime.arrays import Bools, Floats, Ints


class Commitment(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The money that one open contact may come to cost, in cents.

    Attributes:
        contact_cents: Cost of the contact itself.
        discount_cents: Cost of the discount if it is accepted.
        mean_cents: Expected cost of both, rounded up.
        variance: Variance of the cost, cents squared, rounded up.
    """

    contact_cents: int
    discount_cents: int
    mean_cents: int
    variance: int

    @property
    def worst_cents(self) -> int:
        """Return the most that the contact can cost."""
        return self.contact_cents + self.discount_cents


@dataclass(frozen=True, slots=True)
class Commitments:
    """Commitments of n customers' possible contacts, whole cents.

    Attributes:
        contact_cents: Cost of a contact.
        discount_cents: Cost of each discount, shape (n, O).
        mean_cents: Expected cost of contact and discount, shape (n, O).
        variance: Variance of the cost, shape (n, O).
    """

    contact_cents: int
    discount_cents: Ints
    mean_cents: Ints
    variance: Ints

    @classmethod
    def of(cls, contact_usd: float, discount_usd: Floats, p_accept: Floats) -> "Commitments":
        """Reckon the commitments of contacts.

        Args:
            contact_usd: Cost of a contact, USD.
            discount_usd: Cost of each discount if accepted, USD, shape (n, O).
            p_accept: Probability of acceptance, shape (n, O).
        """
        contact = int(_cents_up(np.asarray(contact_usd)))
        discount = _cents_up(discount_usd)
        mean = contact + np.ceil(p_accept * discount).astype(np.int64)
        variance = np.ceil(p_accept * (1.0 - p_accept) * discount.astype(np.float64) ** 2)
        return cls(contact, discount, mean, variance.astype(np.int64))

    @property
    def worst_cents(self) -> Ints:
        """Return the most that each contact can cost, shape (n, O)."""
        return self.contact_cents + self.discount_cents

    def rows(self, at: slice | Bools | Ints) -> "Commitments":
        """Return the commitments of some of the customers."""
        return Commitments(
            self.contact_cents, self.discount_cents[at], self.mean_cents[at], self.variance[at]
        )

    def one(self, row: int, offer: int) -> Commitment:
        """Return the commitment of one customer's contact with the offer at that position."""
        return Commitment(
            self.contact_cents,
            int(self.discount_cents[row, offer]),
            int(self.mean_cents[row, offer]),
            int(self.variance[row, offer]),
        )


_MOST_MONTHS = 12


@dataclass(frozen=True, slots=True)
class Account:
    """A month's account; it is immutable, each change returns another.

    Attributes:
        limit_cents: The month's budget.
        spent_cents: Money charged: contacts made and discounts accepted.
        mean_cents: Expected cost of the open contacts.
        variance: Variance of their cost, cents squared.
        worst_cents: The most that they can cost.
    """

    limit_cents: int
    spent_cents: int = 0
    mean_cents: int = 0
    variance: int = 0
    worst_cents: int = 0

    @property
    def expected_cents(self) -> int:
        """Return what is spent and expected to be spent on the open contacts."""
        return self.spent_cents + self.mean_cents

    def required_cents(self, deviations: float) -> int:
        """Return what is spent and reserved, at that many standard deviations above the mean."""
        return int(
            required_cents(
                self.spent_cents, self.mean_cents, self.variance, self.worst_cents, deviations
            )
        )

    def remaining_cents(self, deviations: float) -> int:
        """Return what may still be committed; 0 where the limit was lowered under what is."""
        return max(self.limit_cents - self.required_cents(deviations), 0)

    def committed(self, one: Commitment) -> "Account":
        """Return the account with one more open contact."""
        return self._open(one, 1)

    def released(self, one: Commitment) -> "Account":
        """Return the account without a contact that was cancelled before it was made."""
        return self._open(one, -1)

    def refused(self, one: Commitment) -> tuple["Account", int]:
        """Return the account after a contact was refused, or not answered in time.

        Returns:
            The account, and the cents that do not fit, which are carried to next month.
        """
        return self.released(one).charged(one.contact_cents)

    def accepted(self, one: Commitment) -> tuple["Account", int]:
        """Return the account after a contact was accepted, and the cents carried to next month."""
        released = self.released(one)
        # What the other open contacts are expected to cost stays theirs.
        free = max(released.limit_cents - released.expected_cents, one.contact_cents)
        own = min(one.worst_cents, free)
        account, beyond = released.charged(own)
        return account, one.worst_cents - own + beyond

    def charged(self, cents: int) -> tuple["Account", int]:
        """Return the account with as much more spent as fits, and the cents that do not."""
        own = min(cents, max(self.limit_cents - self.spent_cents, 0))
        return self.overcharged(own), cents - own

    def overcharged(self, cents: int) -> "Account":
        """Return the account with that much more spent, whether it fits or not."""
        return replace(self, spent_cents=self.spent_cents + cents)

    def limited(self, limit_cents: int) -> "Account":
        """Return the account under another limit."""
        return replace(self, limit_cents=limit_cents)

    def _open(self, one: Commitment, count: int) -> "Account":
        return Account(
            self.limit_cents,
            self.spent_cents,
            self.mean_cents + count * one.mean_cents,
            self.variance + count * one.variance,
            self.worst_cents + count * one.worst_cents,
        )


def settle(
    of: Callable[[int], Account], month: int, account: Account, carried: int
) -> dict[int, tuple[Account, int]]:
    """Return the accounts that a settled contact changes, each with the cents that it carries on.

    What does not fit into a month is charged to the next, and so on. Once the limit is 0, or after
    a year, it is charged all the same: the limit was lowered then.

    Args:
        of: Returns a month's account.
        month: Month of the contact.
        account: That month's account afterwards.
        carried: Cents that did not fit into it.
    """
    changed = {month: (account, carried)}
    last = month + _MOST_MONTHS
    while carried:
        month += 1
        following = of(month)
        if month == last or following.limit_cents <= 0:
            following, carried = following.overcharged(carried), 0
        else:
            following, carried = following.charged(carried)
        changed[month] = following, carried
    return changed


def required_cents(
    spent: Ints | int,
    mean: Ints | int,
    variance: Ints | int,
    worst: Ints | int,
    deviations: float,
) -> Ints:
    """Return money spent and reserved, whole cents; see `Account.required_cents`. Broadcasts."""
    spread = np.ceil(deviations * np.sqrt(np.asarray(variance, dtype=np.float64)))
    reserved = np.minimum(np.asarray(mean) + spread.astype(np.int64), worst)
    result: Ints = np.asarray(spent + reserved)
    return result


def _cents_up(usd: Floats) -> Ints:
    """Round amounts up to whole cents; 10.55 stays 10.55, whatever its last binary digit."""
    return np.ceil(np.round(100.0 * usd, 6)).astype(np.int64)
