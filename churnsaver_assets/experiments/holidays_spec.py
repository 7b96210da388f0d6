"""Settings of the holidays on which nobody is contacted."""

from typing import Annotated, Self

from pydantic import Field, model_validator

from churnsaver_assets.experiments.strict import Strict

Country = Annotated[str, Field(pattern="^[A-Z]{2}$")]


class HolidaysSpec(Strict):
    """The countries and years whose holidays are in a release.

    Attributes:
        country: Country of the customers (ISO 3166, two letters), whose states count too.
        others: Further countries, for customers whose zone is there; national holidays alone.
        years: First and last year.
    """

    country: Country
    others: tuple[Country, ...]
    years: tuple[int, int]

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        named = (self.country, *self.others)
        if len(set(named)) < len(named):
            raise ValueError(f"others: expected each country once, got {', '.join(named)}")
        if self.years[0] > self.years[1]:
            raise ValueError(f"years: expected the first and the last, got {self.years}")
        return self
