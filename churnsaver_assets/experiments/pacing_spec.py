"""Settings of pacing: how its prices move, and how the multiplier's start is fitted."""

from typing import Self

from pydantic import Field, model_validator

from churnsaver_assets.experiments.strict import Scaled, Strict


class PacingSpec(Strict):
    """Settings of the pacing that every policy is served under.

    Attributes:
        step: Change of the multiplier for a day's due spent above or below what was due.
        correction: Power of time left over money left by which the multiplier in force is lowered.
        most_correction: Largest factor by which it is lowered.
        most_overspend: Days' dues by which a day counts as overspent at most.
        capacity_step_usd: Change of the price of a place, USD, for a day's places booked above or
            below those that a day brings.
        waiting_share: Share of the contacts that wait for a later day which counts as booked once
            more on each day.
        scarce_step: The step downwards while places have a price.
        multipliers: Multipliers at which a policy's monthly spend is simulated, ascending from 0.
        least_budget_usd: Least budget at which a start is kept, USD a customer and month.
        most_budget_usd: Greatest such budget.
        customers: Training customers whom it is simulated with.
        months: Months counted, after as many that are not: as long at least as customers rest
            after an accepted offer, or those who accept at the beginning are never met again.
    """

    step: float = Field(ge=0)
    correction: float = Field(ge=0)
    most_correction: float = Field(ge=1)
    most_overspend: float = Field(gt=0)
    capacity_step_usd: float = Field(ge=0)
    waiting_share: float = Field(ge=0)
    scarce_step: float = Field(ge=0)
    multipliers: tuple[float, ...] = Field(min_length=2)
    least_budget_usd: float = Field(gt=0)
    most_budget_usd: float = Field(gt=0)
    customers: Scaled[int] = Field(ge=1)
    months: Scaled[int] = Field(ge=1)

    @model_validator(mode="after")
    def _ascending(self) -> Self:
        given = list(self.multipliers)
        if self.least_budget_usd >= self.most_budget_usd:
            raise ValueError(
                f"expected least_budget_usd < most_budget_usd, got {self.least_budget_usd} and "
                f"{self.most_budget_usd}"
            )
        if given[0] != 0 or given != sorted(set(given)):
            raise ValueError(f"multipliers: expected ascending numbers from 0, got {given}")
        return self
