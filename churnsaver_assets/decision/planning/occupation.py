"""States and state-action pairs of the linear programme over occupation measures."""

from dataclasses import dataclass, field

from churnsaver_assets.decision.simulator.dynamics import NO_OFFER
from churnsaver_serving.runtime.limits.standing import NEVER


@dataclass(frozen=True, slots=True)
class State:
    """What is remembered of a customer on a day.

    Attributes:
        day: Days since the calendar's start.
        contacts: Days of the latest contacts, newest first.
        refusal_ends: Days on which refusals stop raising the hazard, newest first.
        offer: Position of the offer that was accepted last.
        offer_ends: Day on which it ceases to bind.
        accepted_on: Day on which it was accepted.
    """

    day: int
    contacts: tuple[int, ...] = ()
    refusal_ends: tuple[int, ...] = ()
    offer: int = NO_OFFER
    offer_ends: int = NEVER
    accepted_on: int = NEVER


@dataclass(slots=True)
class Columns:
    """State-action pairs with their rewards, costs and transitions."""

    reward: list[float] = field(default_factory=list)
    cost: list[float] = field(default_factory=list)
    contact_day: list[int] = field(default_factory=list)
    flow_row: list[int] = field(default_factory=list)
    flow_column: list[int] = field(default_factory=list)
    flow: list[float] = field(default_factory=list)
    start: list[float] = field(default_factory=list)

    def add(self, row: int, *, reward: float, cost: float, day: int) -> int:
        """Add an action in the state of that row; return its column."""
        column = len(self.reward)
        self.reward.append(reward)
        self.cost.append(cost)
        self.contact_day.append(day)
        self._put(row, column, 1.0)
        return column

    def lead(self, column: int, row: int, probability: float) -> None:
        """Let an action lead to the state of that row."""
        self._put(row, column, -probability)

    def _put(self, row: int, column: int, flow: float) -> None:
        self.flow_row.append(row)
        self.flow_column.append(column)
        self.flow.append(flow)
