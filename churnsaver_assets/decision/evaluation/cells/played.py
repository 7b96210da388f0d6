"""What was played in a cell: values, spend and limits, before any of it is compared."""

import msgspec

from churnsaver_assets.decision.evaluation.cells.cell import Cell, Play


class Violations(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Counts of limits broken, over all groups and scored months.

    Attributes:
        overspent_months: Months in which more was charged than the budget.
        overspent_cents: Cents charged beyond it.
        carried_cents: Cents of accepted offers that a month's budget could not take, charged to the
            following month.
        over_capacity: Contacts beyond the daily capacity.
        two_discounts: Discounts accepted while another still ran.
        over_cap: Contacts beyond the fatigue cap.
    """

    overspent_months: int = 0
    overspent_cents: int = 0
    carried_cents: int = 0
    over_capacity: int = 0
    two_discounts: int = 0
    over_cap: int = 0


class Played(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One contender's months in one cell; G groups, T scored days.

    Attributes:
        play: Who was played, and how.
        value: Value over no further contact, USD for each customer of the first day, by group; less
            the luck of costing less than expected, which is 0 in expectation.
        spent: Share of each scored month's budget that was spent, by month, mean over groups.
        contacts: Contacts a month for each customer of the first day.
        spent_by_day: Expected cost of the day's contacts, USD for each customer of the first day.
        multiplier_by_day: Multiplier in force, mean over groups.
        violations: Limits broken.
    """

    play: Play
    value: tuple[float, ...]
    spent: tuple[float, ...]
    contacts: float
    spent_by_day: tuple[float, ...]
    multiplier_by_day: tuple[float, ...]
    violations: Violations


class CellResult(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All that was played in one cell.

    Attributes:
        cell: The conditions.
        customers: Customers of the first day.
        daily_capacity: Most contacts on a day; None for no limit.
        nothing: Expected retained revenue from the first scored day on without any contact, USD for
            each customer of the first day, by group.
        unending: Revenue of the same if nobody ever left, M monthly charges each.
        bound: Upper bound on the value's mean over groups, in the same unit; None where not
            computed.
        gap: Most by which the bound can be above the least upper bound, as a share of it.
        played: What each contender did.
        seconds: Processor seconds that the cell took.
    """

    cell: Cell
    customers: int
    daily_capacity: int | None
    nothing: tuple[float, ...]
    unending: tuple[float, ...]
    bound: float | None
    gap: float | None
    played: tuple[Played, ...]
    seconds: float

    @property
    def known_bound(self) -> float:
        """Return the upper bound.

        Raises:
            ValueError: It was not computed.
        """
        if self.bound is None:
            raise ValueError(f"no bound was computed from {self.cell.start_month} on")
        return self.bound

    def bounded_by(self, other: "CellResult") -> "CellResult":
        """Return the same with the bound of another cell of the same conditions."""
        return msgspec.structs.replace(self, bound=other.bound, gap=other.gap)

    def of(self, play: Play) -> Played:
        """Return what was played in one way.

        Raises:
            KeyError: It was not.
        """
        return {one.play: one for one in self.played}[play]
