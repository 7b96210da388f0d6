"""The months' accounts in the ledger: read where needed, changed as values, written back."""

from calendar import monthrange
from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime, timedelta

import numpy as np
import sqlalchemy as sa

from churnsaver_serving.live.store.tables import accounts
from churnsaver_serving.live.store.upsert import put
from churnsaver_serving.runtime.engine.choice import month_of
from churnsaver_serving.runtime.limits.account import Account, Commitment, settle

_READ = sa.select(accounts).where(accounts.c.month.in_(sa.bindparam("months", expanding=True)))
_LATEST_LIMIT = (
    sa.select(accounts.c.limit_cents).order_by(accounts.c.month.desc()).limit(sa.literal(1))
)


def month_name(month: int) -> str:
    """Return the name of a month (`choice.month_of`), as 2026-11."""
    return f"{month // 12:04d}-{month % 12 + 1:02d}"


def month_at(day: date) -> int:
    """Return the month of a day, as `choice.month_of` numbers it."""
    return int(month_of(np.array(day.toordinal())))


def days_in(day: date) -> int:
    """Return the number of days of a day's month."""
    return monthrange(day.year, day.month)[1]


class Accounts:
    """Accounts as one transaction sees and changes them.

    Args:
        connection: A connection in a transaction; a writing one where `flush` is called.
        now: The time.
        limit_cents: The limit in force now, which replaces that of every month that a contact may
            still fall in; None while there is no release, which leaves the limits as they are.
    """

    def __init__(self, connection: sa.Connection, now: datetime, limit_cents: int | None) -> None:
        self._connection = connection
        self._limit = limit_cents
        # Somewhere it is still yesterday.
        self._first = month_at(now.astimezone(UTC).date() - timedelta(days=1))
        self._stored: dict[int, tuple[Account, int]] = {}
        self._known: dict[int, Account] = {}
        self._carried: dict[int, int] = {}

    def read(self, months: Iterable[int]) -> dict[int, Account]:
        """Return the accounts of months; one that has none yet is opened."""
        months = list(months)
        missing = {month_name(month): month for month in months if month not in self._known}
        if missing:
            for row in self._connection.execute(_READ, {"months": list(missing)}):
                month = missing.pop(row.month)
                account = Account(
                    row.limit_cents, row.spent_cents, row.mean_cents, row.variance, row.worst_cents
                )
                self._stored[month] = account, row.carried_cents
                self._carried[month] = row.carried_cents
                if self._limit is not None and month >= self._first:
                    account = account.limited(self._limit)
                self._known[month] = account
            for month in missing.values():
                self._known[month] = Account(self._opening_limit())
                self._carried[month] = 0
        return {month: self._known[month] for month in months}

    def of(self, month: int) -> Account:
        """Return a month's account."""
        return self.read([month])[month]

    def put(self, changed: Mapping[int, Account]) -> None:
        """Replace accounts."""
        self._known.update(changed)

    def release(self, month: int, one: Commitment) -> None:
        """Give an open contact's money back."""
        self._known[month] = self.of(month).released(one)

    def refuse(self, month: int, one: Commitment) -> None:
        """Settle an open contact that was refused, or not answered."""
        self._settle(month, *self.of(month).refused(one))

    def accept(self, month: int, one: Commitment) -> None:
        """Settle an open contact that was accepted."""
        self._settle(month, *self.of(month).accepted(one))

    def charge(self, month: int, cents: int) -> None:
        """Charge money that is not reserved; what does not fit is carried to the next month."""
        self._settle(month, *self.of(month).charged(cents))

    def _settle(self, month: int, account: Account, carried: int) -> None:
        for at, (changed, onward) in settle(self.of, month, account, carried).items():
            self._known[at] = changed
            self._carried[at] += onward

    def flush(self) -> None:
        """Write what has changed."""
        changed = {
            month: (account, self._carried[month])
            for month, account in self._known.items()
            if self._stored.get(month) != (account, self._carried[month])
        }
        put(
            self._connection,
            accounts,
            [
                {
                    "month": month_name(month),
                    "limit_cents": account.limit_cents,
                    "spent_cents": account.spent_cents,
                    "mean_cents": account.mean_cents,
                    "variance": account.variance,
                    "worst_cents": account.worst_cents,
                    "carried_cents": carried,
                }
                for month, (account, carried) in changed.items()
            ],
        )
        self._stored.update(changed)

    def _opening_limit(self) -> int:
        if self._limit is not None:
            return self._limit
        # Opened for what an earlier month carries, hence there is one.
        return int(self._connection.execute(_LATEST_LIMIT).scalar_one())
