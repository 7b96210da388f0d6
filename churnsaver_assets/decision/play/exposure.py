"""Days at risk: who was expected to leave since the last question, and who did."""

from collections.abc import Sequence

import numpy as np

from churnsaver_assets.decision.play.group import Group
from churnsaver_assets.decision.simulator.dynamics import Dynamics
from churnsaver_assets.decision.simulator.observed import believed_risk
from churnsaver_serving.runtime.arrays import Bools, Floats, Ints
from churnsaver_serving.runtime.limits.standing import NEVER
from churnsaver_serving.runtime.world.belief import SIGNALS
from churnsaver_serving.runtime.world.effects import daily_hazard, disturbed_hazard

_REFUSED, _UNTOUCHED = SIGNALS.index("churn_after_refusal"), SIGNALS.index("churn_untouched")


class Exposure:
    """Counts days and departures as a ledger does: from one question about a customer to the next.

    Args:
        size: Number of rows.
    """

    def __init__(self, size: int) -> None:
        self._asked_on: Ints = np.full(size, NEVER, dtype=np.int64)
        self._refused_on: Ints = np.full(size, NEVER, dtype=np.int64)
        self._hazard: Floats = np.zeros((size, len(SIGNALS)))  # as it was when asked, by signal

    def answered(self, row: int, contact_on: int, *, accepted: bool) -> None:
        """Note an answer: a refusal counts from its contact's day, an acceptance ends it."""
        self._refused_on[row] = NEVER if accepted else contact_on

    def expose(self, world: Dynamics, asked: Ints, groups: Sequence[Group], month: int) -> None:
        """Count the days since each was last asked about.

        Args:
            world: The customers.
            asked: Rows asked about today.
            groups: The groups that count.
            month: The month that they count in.
        """
        days = (world.day - self._asked_on[asked]).astype(np.float64)
        days[self._asked_on[asked] == NEVER] = 0.0
        for column in (_REFUSED, _UNTOUCHED):
            expected = np.bincount(
                world.group[asked],
                weights=days * self._hazard[asked, column],
                minlength=world.groups,
            )
            for group, amount in zip(groups, expected, strict=True):
                group.tally(month).expected[0, column] += amount
        self._asked_on[asked] = world.day

    def note(self, world: Dynamics, asked: Ints, booked: Bools) -> None:
        """Note at which hazard the days until the next question will count; see `expose`.

        Args:
            world: The customers.
            asked: Rows asked about today, shape (m,).
            booked: Whether each has an open contact, shape (m,).
        """
        nominal = world.setting.nominal
        p_churn = believed_risk(world, asked)
        hazard = daily_hazard(nominal, p_churn)
        raised = disturbed_hazard(nominal, hazard, p_churn, np.ones_like(hazard))
        untouched = ~booked & (world.contact_days[asked, 0] == NEVER)
        lasts = round(nominal.refusal_days)
        refused = ~booked & (self._refused_on[asked] + lasts > world.day)
        self._hazard[asked, _REFUSED] = np.where(refused, raised, 0.0)
        self._hazard[asked, _UNTOUCHED] = np.where(untouched, hazard, 0.0)

    def left(self, row: int, day: int, group: Group, month: int) -> None:
        """Count a departure.

        Args:
            row: The customer's row.
            day: The last day.
            group: The group that counts.
            month: The month that it counts in.
        """
        if self._asked_on[row] == NEVER:
            return
        days = float(day - self._asked_on[row] + 1)
        for column in (_REFUSED, _UNTOUCHED):
            hazard = float(self._hazard[row, column])
            if hazard > 0.0:
                group.count(month, SIGNALS[column], 1.0, days * hazard)
