"""Pacing: the day's multiplier, from what is left of the budget and how offers were taken so far.

The multiplier is what a dollar of budget is worth in dollars of value (the Lagrange multiplier of
the budget). A fixed one spends too much or too little as soon as a model is wrong; setting it anew
each day, so that the spend still to come fits what is left, does not (receding horizon).
"""

import msgspec
import numpy as np

from churnsaver_serving.runtime.arrays import Floats


class PacingError(ValueError):
    """A pacing table that contradicts itself; names the field."""


class PacingTable(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A policy's spend from a day on, per customer there at the period's start, USD.

    Simulated in the nominal world. Both arrays are indexed [before][from now on][switch]: the
    least multiplier in force before that day, the one from then on, and the day of the switch.
    The last row of the first axis stands for customers nobody has decided on yet.

    Attributes:
        multipliers: The L multipliers, ascending, the first 0.
        switch_days: The S days from the period's start, ascending, the first 0.
        contacts_usd: Spend on contacts, (L + 1) x L x S.
        discounts_usd: Spend on discounts, (L + 1) x L x S.
    """

    multipliers: tuple[float, ...]
    switch_days: tuple[int, ...]
    contacts_usd: tuple[tuple[tuple[float, ...], ...], ...]
    discounts_usd: tuple[tuple[tuple[float, ...], ...], ...]

    def __post_init__(self) -> None:
        """Refuse axes that are not ascending from 0 and arrays that don't fit them."""
        for name in ("multipliers", "switch_days"):
            axis = getattr(self, name)
            if len(axis) < 2 or axis[0] != 0 or list(axis) != sorted(set(axis)):  # noqa: PLR2004
                raise PacingError(f"{name}: expected distinct ascending numbers from 0, got {axis}")
        levels = len(self.multipliers)
        shape = (levels + 1, levels, len(self.switch_days))
        for name in ("contacts_usd", "discounts_usd"):
            found = np.shape(getattr(self, name))
            if found != shape:
                raise PacingError(f"{name}: expected shape {shape}, got {found}")


class Pacing:
    """Multipliers set by a table.

    Args:
        table: The policy's spend at each multiplier.
    """

    def __init__(self, table: PacingTable) -> None:
        self.table = table
        self._scale = np.log1p(np.asarray(table.multipliers))
        self._days = np.asarray(table.switch_days, dtype=np.float64)
        self._contacts = np.asarray(table.contacts_usd)
        self._discounts = np.asarray(table.discounts_usd)

    def forecast(self, day: int, *, least_before: float | None, acceptance_ratio: float) -> Floats:
        """Forecast the spend from `day` on per customer of the period's start, by multiplier, USD.

        Args:
            day: Days since the period began.
            least_before: Least multiplier in force so far; None for customers not decided on.
            acceptance_ratio: Ratio of offers accepted to expected; discounts are paid in
                proportion.

        Returns:
            Shape (L,), not increasing.
        """
        spend = self._contacts + acceptance_ratio * self._discounts
        at_day = _interpolate(spend, self._days, float(day), axis=2)
        if least_before is None:
            row = at_day[-1]
        else:
            row = _interpolate(at_day[:-1], self._scale, float(np.log1p(least_before)), axis=0)
        # More for a dollar never buys more; what simulation noise says otherwise is levelled.
        result: Floats = np.minimum.accumulate(row)
        return result

    def multiplier(
        self,
        day: int,
        remaining_usd: float,
        *,
        customers: float,
        undecided: float = 0.0,
        least_before: float | None = None,
        acceptance_ratio: float = 1.0,
    ) -> float:
        """Find the multiplier at which the spend still to come uses up what is left.

        Args:
            day: Days since the period began.
            remaining_usd: What is left of the budget, USD.
            customers: Number of the period's first customers who were decided on before today.
            undecided: Number of those who were not.
            least_before: Least multiplier so far; None at the start.
            acceptance_ratio: Ratio of offers accepted to expected so far.

        Returns:
            Between 0 and the table's largest.
        """
        spend = undecided * self.forecast(day, least_before=None, acceptance_ratio=acceptance_ratio)
        if customers:
            spend = spend + customers * self.forecast(
                day, least_before=least_before, acceptance_ratio=acceptance_ratio
            )
        # np.interp wants ascending abscissae: spend falls with the multiplier.
        scale = np.interp(remaining_usd, spend[::-1], self._scale[::-1])
        # Rounding alone must not carry it past the table.
        return min(float(np.expm1(scale)), self.table.multipliers[-1])


def _interpolate(values: Floats, axis_values: Floats, at: float, axis: int) -> Floats:
    """Interpolate linearly along one axis, flat beyond its ends."""
    upper = int(np.clip(np.searchsorted(axis_values, at), 1, len(axis_values) - 1))
    low, high = axis_values[upper - 1], axis_values[upper]
    share = float(np.clip((at - low) / (high - low), 0.0, 1.0))
    before, after = np.take(values, upper - 1, axis=axis), np.take(values, upper, axis=axis)
    result: Floats = (1.0 - share) * before + share * after
    return result
