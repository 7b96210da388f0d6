"""Settings of pacing tables."""

from typing import Self

from pydantic import Field, model_validator

from churnsaver_assets.experiments.strict import Strict


class PacingSpec(Strict):
    """The axes of pacing tables, and how many customers they are simulated with.

    Attributes:
        multipliers: Dollars of value per dollar of budget, ascending from 0.
        switch_days: Days from the period's start, ascending from 0.
        customers: Training customers that stand for all.
    """

    multipliers: tuple[float, ...] = Field(min_length=2)
    switch_days: tuple[int, ...] = Field(min_length=2)
    customers: int = Field(ge=1)

    @model_validator(mode="after")
    def _ascending(self) -> Self:
        for name in ("multipliers", "switch_days"):
            axis = getattr(self, name)
            if axis[0] != 0 or list(axis) != sorted(set(axis)):
                raise ValueError(f"{name}: expected distinct ascending numbers from 0, got {axis}")
        return self
