"""Worth of customers whose hazard changes with age, effects and refusals: exact, from sums by day.

The closed forms of `runtime.effects` with a hazard for each day in place of one for ever. Revenue
from a day on is a sum of products of the days' kept shares; with cumulative sums it costs two
lookups, whatever the number of days.
"""

import numpy as np

from churnsaver_assets.decision.simulator.worlds import Worlds
from churnsaver_serving.runtime.arrays import Floats, Ints
from churnsaver_serving.runtime.world.assumptions import World
from churnsaver_serving.runtime.world.effects import daily_discount, daily_hazard, disturbed_hazard

# Products over a year must stay within double precision.
_MOST_HAZARD = 0.8


class Worth:
    """The worth of n rows on each day, untouched, under an offer, and after refusals.

    Level 0 is untouched, 1 to O under an accepted offer, then after 1, 2, ... refusals.

    Args:
        effects: The true world: one for all rows, or one for each.
        p_churn: Monthly probability to leave on each day, shape (T, n); the last day's holds for
            ever.
        monthly_charge_usd: Monthly charge, USD, shape (n,).
        refusals: Most refusals remembered at a time.

    Attributes:
        hazard: Daily hazard of each level on each day, shape (levels, T, n).
    """

    def __init__(
        self, effects: World | Worlds, p_churn: Floats, monthly_charge_usd: Floats, refusals: int
    ) -> None:
        untouched = daily_hazard(effects, p_churn)
        save = np.asarray(effects.save_effect, dtype=np.float64)
        offers = np.moveaxis(save, -1, 0)
        raised = [
            disturbed_hazard(effects, untouched, p_churn, np.full_like(p_churn, float(count)))
            for count in range(1, refusals + 1)
        ]
        self.offers = len(offers)
        self.hazard: Floats = np.minimum(
            np.stack([untouched, *(untouched * factor for factor in offers), *raised]),
            _MOST_HAZARD,
        )
        gamma = daily_discount(effects)
        revenue = monthly_charge_usd / effects.period_days
        levels, days, rows = self.hazard.shape
        self._log = np.zeros((levels, days + 1, rows))
        self._sum = np.zeros((levels, days + 1, rows))
        for level in range(levels):  # by level, each stays in the processor's cache
            kept = np.log(gamma * (1.0 - self.hazard[level]))
            _add_up(kept, self._log[level])
            # A day's revenue is earned before the customer may leave.
            earned = revenue * np.exp(self._log[level, :-1])
            _add_up(earned, self._sum[level])
        closed = revenue / (1.0 - gamma * (1.0 - self.hazard[0, -1]))
        log, total = self._log[0], self._sum[0]
        self.untouched: Floats = (total[-1] - total) * np.exp(-log) + np.exp(log[-1] - log) * closed
        self.days = days

    def kept(self, level: Ints | int, rows: Ints, start: Ints | int, stop: Ints | int) -> Floats:
        """Return the discounted probability to stay from one day to another at a level, (k,)."""
        kept: Floats = np.exp(self._log[level, stop, rows] - self._log[level, start, rows])
        return kept

    def until(
        self,
        level: Ints | int,
        rows: Ints,
        start: Ints | int,
        stop: Ints | int,
        beyond: Floats,
    ) -> Floats:
        """Return the worth on day `start` of rows at a level until `stop`, worth `beyond` then."""
        earned = self._sum[level, stop, rows] - self._sum[level, start, rows]
        worth: Floats = (
            earned * np.exp(-self._log[level, start, rows])
            + self.kept(level, rows, start, stop) * beyond
        )
        return worth

    def accepted(self, rows: Ints, day: int, offer: Ints, until: Ints) -> Floats:
        """Return the worth of rows that hold an offer until a day, shape (k,)."""
        stop = np.maximum(until, day)
        return self.until(1 + offer, rows, day, stop, self.untouched[stop, rows])

    def refused(self, rows: Ints, day: int, forgotten: Ints) -> Floats:
        """Return the worth of rows that have refused, shape (k,).

        Args:
            rows: k rows.
            day: The day.
            forgotten: Day on which each refusal stops raising the hazard, shape (k, C); refusals
                forgotten by `day` don't count.
        """
        ends = -np.sort(-np.maximum(forgotten, day), axis=1)
        worth: Floats = self.untouched[ends[:, 0], rows]
        for count in range(ends.shape[1]):
            stop = ends[:, count]
            start = ends[:, count + 1] if count + 1 < ends.shape[1] else np.full_like(stop, day)
            some = np.flatnonzero(start < stop)
            if len(some):
                worth[some] = self.until(
                    1 + self.offers + count, rows[some], start[some], stop[some], worth[some]
                )
        return worth


def _add_up(values: Floats, sums: Floats) -> None:
    """Write the sums of the first 0, 1, ... rows: `cumsum`, which is slow along the first axis."""
    for day, row in enumerate(values):
        np.add(sums[day], row, out=sums[day + 1])
