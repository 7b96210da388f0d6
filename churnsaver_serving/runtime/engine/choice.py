"""Choices for customers in turn, under a budget and capacities that those before them use up.

The API and the simulator's served mode choose by this one function. Customers see each other only
through what is left, so all of them are judged at once, and the result stands as far as nobody used
up what a later one was shown; from there the rest are judged again.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from churnsaver_serving.runtime.arrays import Bools, Floats, Ints
from churnsaver_serving.runtime.limits.account import Account, Commitments, required_cents
from churnsaver_serving.runtime.limits.actions import NO_CONTACT, ActionSpace
from churnsaver_serving.runtime.limits.constraints import NO_DAY, first_day


@dataclass(frozen=True, slots=True)
class Judged:
    """Contacts of n customers as a policy judges them, each on one day; O offers.

    Attributes:
        preferences: The policy's preference of no contact and of each offer, shape (n, 1 + O).
        values: Value of the same, net of the multiplier times the cost, by the decision path's own
            formula, USD, shape (n, 1 + O): what makes two of them near-equal.
        commitments: Money that each offer commits.
    """

    preferences: Floats
    values: Floats
    commitments: Commitments

    def rows(self, at: slice | Bools | Ints) -> "Judged":
        """Return the judgement of some of the customers."""
        return Judged(self.preferences[at], self.values[at], self.commitments.rows(at))

    def put(self, at: Ints, other: "Judged") -> None:
        """Replace the judgement of some of the customers."""
        self.preferences[at] = other.preferences
        self.values[at] = other.values
        for name in ("discount_cents", "mean_cents", "variance"):
            getattr(self.commitments, name)[at] = getattr(other.commitments, name)


Judge = Callable[[Ints, Ints], Judged]
"""Judges some rows, each on the day at a position of the delays."""


@dataclass(slots=True)
class SharedLimits:
    """What all customers share: the months' accounts, and contacts still free by day.

    Attributes:
        accounts: Account of each month that a contact may fall in, by `month_of`.
        free: Contacts still free, by day (ordinal); a day that isn't named has no limit.
        deviations: Standard deviations that are reserved above the mean cost of open contacts.
    """

    accounts: dict[int, Account]
    free: dict[int, int] = field(default_factory=dict)
    deviations: float = 0.0


@dataclass(frozen=True, slots=True)
class Choices:
    """Choices for n customers.

    Attributes:
        action: Index of the joint action, shape (n,).
        position: Position of the delay that each was judged at, shape (n,); `NO_DAY` where no day
            was allowed.
        propensity: Probability with which the action was drawn, shape (n,).
        probabilities: Probability of no contact and of each offer, shape (n, 1 + O).
        greedy: The policy's own choice: 0, or 1 plus the offer's position, shape (n,).
        affordable: Whether the money allowed each offer, shape (n, O).
        remaining_cents: What was left of the month's budget at the customer's turn, shape (n,).
    """

    action: Ints
    position: Ints
    propensity: Floats
    probabilities: Floats
    greedy: Ints
    affordable: Bools
    remaining_cents: Ints


def month_of(days: Ints) -> Ints:
    """Return the months of days (ordinals): 12 times the year plus the month less 1."""
    since_1970 = (days - _EPOCH).astype("datetime64[D]").astype("datetime64[M]").astype(np.int64)
    months: Ints = since_1970 + 12 * 1970
    return months


_EPOCH = 719_163  # ordinal of 1 January 1970


def choose(
    judge: Judge,
    allowed: Bools,
    today: Ints,
    space: ActionSpace,
    shared: SharedLimits,
    uniforms: Floats,
    *,
    exploration: float,
    margin_usd: float,
) -> Choices:
    """Choose for customers in turn; `shared` is changed to what is left afterwards.

    Args:
        judge: Judges rows on a day; asked again where a day has become full.
        allowed: Days after each delay that the customer's own rules allow, shape (n, D).
        today: The customers' own today, ordinals, shape (n,).
        space: The joint actions.
        shared: Budget and capacity before the first of them.
        uniforms: Random numbers in [0, 1), shape (n,). The same ones give the same choices.
        exploration: Probability mass spread evenly over what is near-equal to the policy's choice.
        margin_usd: Value by which near-equal actions may differ from the policy's choice, USD.
    """
    n, offers = len(today), len(space.offers_pct)
    days = today[:, None] + np.asarray(space.delays_days)
    turn = _Turns(judge, allowed, days, shared)
    result = Choices(
        action=np.zeros(n, dtype=np.int64),
        position=np.full(n, NO_DAY, dtype=np.int64),
        propensity=np.ones(n),
        probabilities=np.zeros((n, 1 + offers)),
        greedy=np.zeros(n, dtype=np.int64),
        affordable=np.zeros((n, offers), dtype=np.bool_),
        remaining_cents=np.zeros(n, dtype=np.int64),
    )
    start = 0
    while start < n:
        position, judged = turn.judged(start)
        affordable, _ = turn.affordable(start, position, judged.commitments, None)
        possible = np.column_stack([np.ones(n - start, dtype=np.bool_), affordable])
        drawn, greedy, probabilities = _draw(
            judged, possible, uniforms[start:], exploration, margin_usd
        )
        now, remaining = turn.affordable(start, position, judged.commitments, drawn)
        changed = (now != affordable).any(axis=1) | turn.full(start, position, drawn)
        stop = len(drawn) if not changed.any() else int(changed.argmax())
        at, to = slice(start, start + stop), slice(stop)
        contact = drawn[to] > 0
        result.position[at] = position[to]
        result.action[at] = np.where(contact, 1 + position[to] * offers + drawn[to] - 1, NO_CONTACT)
        result.probabilities[at] = probabilities[to]
        result.propensity[at] = probabilities[np.arange(len(drawn)), drawn][to]
        result.greedy[at] = greedy[to]
        result.affordable[at] = affordable[to]
        result.remaining_cents[at] = remaining[to]
        turn.commit(start, stop, position, judged.commitments, drawn)
        start += stop
    return result


class _Turns:
    """The customers' turns: their judgement by day, and what is left at each turn."""

    def __init__(self, judge: Judge, allowed: Bools, days: Ints, shared: SharedLimits) -> None:
        self._judge = judge
        self._allowed = allowed
        self._days = days
        self._shared = shared
        self._months = month_of(days)
        self._position = np.full(len(days), NO_DAY, dtype=np.int64)
        self._judged: Judged | None = None

    def judged(self, start: int) -> tuple[Ints, Judged]:
        """Return the position of each day and the judgement, of the rows from `start` on."""
        full = [day for day, free in self._shared.free.items() if free <= 0]
        allowed = self._allowed[start:]
        if full:
            allowed = allowed & ~np.isin(self._days[start:], full)
        position = first_day(allowed)
        if self._judged is None:
            self._judged = self._judge(np.arange(len(self._days)), np.maximum(position, 0))
            self._position = position
        else:
            moved = np.flatnonzero((position != self._position[start:]) & (position != NO_DAY))
            if len(moved):
                self._judged.put(start + moved, self._judge(start + moved, position[moved]))
            self._position[start:] = position
        return position, self._judged.rows(slice(start, None))

    def affordable(
        self, start: int, position: Ints, commitments: Commitments, drawn: Ints | None
    ) -> tuple[Bools, Ints]:
        """Return whether each offer can be paid for at each row's turn, and what is left then.

        Args:
            start: The first row.
            position: Position of each row's day.
            commitments: Money that each offer commits.
            drawn: What the rows before took: 0, or 1 plus the offer's position; None for nothing.
        """
        rows = np.arange(len(position))
        month = self._months[start:][rows, np.maximum(position, 0)]
        fits = np.zeros(commitments.mean_cents.shape, dtype=np.bool_)
        left = np.zeros(len(position), dtype=np.int64)
        deviations = self._shared.deviations
        for one in np.unique(month):
            account = self._shared.accounts[int(one)]
            mine = np.flatnonzero(month == one)
            before = np.zeros((3, len(mine)), dtype=np.int64)
            own = (commitments.mean_cents, commitments.variance, commitments.worst_cents)
            if drawn is not None:
                taken = np.flatnonzero(drawn[mine] > 0)
                amounts = np.zeros((3, len(mine)), dtype=np.int64)
                at = mine[taken], drawn[mine[taken]] - 1
                amounts[:, taken] = [amount[at] for amount in own]
                before = amounts.cumsum(axis=1) - amounts
            mean, variance, worst = (
                whole + sums
                for whole, sums in zip(
                    (account.mean_cents, account.variance, account.worst_cents), before, strict=True
                )
            )
            needed = required_cents(
                account.spent_cents,
                mean[:, None] + own[0][mine],
                variance[:, None] + own[1][mine],
                worst[:, None] + own[2][mine],
                deviations,
            )
            fits[mine] = (needed <= account.limit_cents) & (position[mine] != NO_DAY)[:, None]
            reserved = required_cents(account.spent_cents, mean, variance, worst, deviations)
            left[mine] = np.maximum(account.limit_cents - reserved, 0)
        return fits, left

    def full(self, start: int, position: Ints, drawn: Ints) -> Bools:
        """Return whether a row's day has become full before its turn."""
        result = np.zeros(len(position), dtype=np.bool_)
        days = self._days[start:][np.arange(len(position)), np.maximum(position, 0)]
        for day, free in self._shared.free.items():
            mine = np.flatnonzero((days == day) & (position != NO_DAY))
            if len(mine) and free > 0:
                taken = (drawn[mine] > 0).astype(np.int64)
                result[mine] = taken.cumsum() - taken >= free
        return result

    def commit(
        self, start: int, stop: int, position: Ints, commitments: Commitments, drawn: Ints
    ) -> None:
        """Take what the first `stop` rows use from what is left."""
        taken = np.flatnonzero(drawn[:stop] > 0)
        for row in taken.tolist():
            month = int(self._months[start + row, position[row]])
            one = commitments.one(row, int(drawn[row]) - 1)
            self._shared.accounts[month] = self._shared.accounts[month].committed(one)
            day = int(self._days[start + row, position[row]])
            if day in self._shared.free:
                self._shared.free[day] -= 1


def _draw(
    judged: Judged, possible: Bools, uniforms: Floats, exploration: float, margin_usd: float
) -> tuple[Ints, Ints, Floats]:
    """Draw from what is possible; return the draw, the policy's own choice, all probabilities."""
    rows = np.arange(len(possible))
    greedy = np.where(possible, judged.preferences, -np.inf).argmax(axis=1)
    own = judged.values[rows, greedy]
    # What is far better by these values is no more near-equal than what is far worse; and what a
    # policy never makes is not explored.
    near = possible & (np.abs(judged.values - own[:, None]) <= margin_usd)
    near &= judged.preferences > -np.inf
    near[rows, greedy] = True
    probabilities = exploration * near / near.sum(axis=1, keepdims=True)
    probabilities[rows, greedy] += 1.0 - exploration
    cumulative = probabilities.cumsum(axis=1)
    # Scale to the row's last value, or rounding could let a draw fall past the end.
    drawn: Ints = (cumulative <= (uniforms * cumulative[:, -1])[:, None]).sum(axis=1)
    return drawn, greedy, probabilities
