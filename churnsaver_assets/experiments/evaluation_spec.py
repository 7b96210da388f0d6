"""Settings of the policies' evaluation in served mode: months, arrivals, budgets, wrong worlds."""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from churnsaver_assets.experiments.strict import Scaled, Strict
from churnsaver_serving.runtime.world.assumptions import CONTRACT_TERMS, World

NOMINAL = "nominal"

Share = Annotated[float, Field(gt=0, lt=1)]
Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]
ArrivalName = Literal["daily", "nightly", "monthly", "bursts"]


class Scenario(Strict):
    """A true world that is not as the policies believe.

    Attributes:
        name: The name in tables, pictures and the JSON.
        says: A few words on the difference.
        put: Numbers of the world by name, in the units of `Assumptions`.
        scale: Factors on nominal numbers of the world, by name.
    """

    name: Name
    says: str = Field(min_length=1)
    put: Mapping[str, float | tuple[float, ...]] = Field(default_factory=dict)
    scale: Mapping[str, float] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _known(self) -> Self:
        uncertain = set(World.__struct_fields__) - CONTRACT_TERMS
        named = {*self.put, *self.scale}
        if unknown := sorted(named - uncertain):
            raise ValueError(
                f"{self.name}: {', '.join(unknown)} can't differ from what policies believe; "
                f"expected some of {sorted(uncertain)}"
            )
        if twice := sorted(self.put.keys() & self.scale.keys()):
            raise ValueError(f"{self.name}: {', '.join(twice)} in both put and scale")
        if not named:
            raise ValueError(f"{self.name}: nothing differs from {NOMINAL}")
        return self


class CapacitySpec(Strict):
    """The evaluation with a daily capacity that binds.

    Attributes:
        budget_share: The budget as a share of the unconstrained spend.
        daily_contacts: Most contacts a day, as a share of the customers.
    """

    budget_share: Share
    daily_contacts: float = Field(gt=0, lt=1)


class BudgetsSpec(Strict):
    """The budgets that policies are compared at.

    Attributes:
        budget_shares: Budgets as shares of what the best policy would spend without one.
        capacity: One budget with a daily capacity.
    """

    budget_shares: tuple[Share, ...] = Field(min_length=1)
    capacity: CapacitySpec

    @property
    def middle_share(self) -> float:
        """Return the budget in the middle, as a share."""
        return self.budget_shares[len(self.budget_shares) // 2]


class OutcomesSpec(Strict):
    """The way in which answers to contacts are reported where they are not reported at once.

    Attributes:
        late_days: Days from a contact to the report of its answer.
        unreported: Share of the refusals that are never reported.
    """

    late_days: int = Field(ge=0)
    unreported: float = Field(ge=0, lt=1)


class SizeSpec(Strict):
    """How much is played.

    Attributes:
        customers: Held-out customers of the first day, drawn once; None for all.
        replicates: Lives played in each cell, with common luck for all policies.
        start_months: Starting months, spread evenly over a year.
        worst_months: Starting months in which budgets, capacity and late answers are played.
        worlds: Worlds drawn from the priors; each is played under every arrival pattern.
        world_customers: Customers of the first day in each of them.
        scenarios: Worlds that policies don't expect, from the first.
        tuning_customers: Training customers whom baselines are tuned with; None for the baselines'
            own number.
        training_seeds: Further seeds that the learned policy is trained with, to be played over the
            prior.
        tornado: Whether each assumption is moved to its prior's ends.
        causes: Whether the headroom that is missing in the worst cells is split up.
    """

    customers: int | None = Field(default=None, ge=1)
    replicates: int = Field(ge=2)
    start_months: int = Field(ge=1, le=12)
    worst_months: int = Field(ge=0)
    worlds: int = Field(ge=2)
    world_customers: int = Field(ge=1)
    scenarios: int = Field(ge=0)
    tuning_customers: int | None = Field(default=None, ge=1)
    training_seeds: tuple[int, ...] = ()
    tornado: bool
    causes: bool


class HeadroomGoals(Strict):
    """Shares of the headroom that the default policy is to reach.

    Attributes:
        prompt: Share where answers are reported at once and no capacity binds, in every month.
        elsewhere: Share with late answers or a binding capacity.
    """

    prompt: Share
    elsewhere: Share

    def of(self, *, prompt: bool, capacity: bool) -> float:
        """Return the share that is to be reached under some conditions."""
        return self.prompt if prompt and not capacity else self.elsewhere


class EvaluationSpec(BudgetsSpec):
    """The whole evaluation.

    Attributes:
        start_on: First day of the year that the starting months are of.
        scored_months: Months scored from each starting month on, after a month of burn-in.
        new_share: New customers a month, as a share of those of the first day.
        arrivals: The arrival patterns.
        late: The way in which answers come in the cells where they don't come at once.
        worlds_at_once: Worlds of the priors played together, from one starting month; the months
            take turns.
        scenarios: Worlds that policies do not expect.
        default_order: Policies that a release may serve by default, the simplest first: where the
            prior can't tell two apart the simpler one is served.
        today: The policy that was served before, which the default must not fall below.
        goals: Shares of the headroom that are to be reached.
        full: The size of `make evaluate-policy`.
        quick: The size of its `--quick`.
        smoke: The size of its `--smoke`, which shows that every step runs and nothing else.
        release: The size of what a release is checked by.
    """

    start_on: date
    scored_months: int = Field(ge=1)
    new_share: float = Field(ge=0)
    arrivals: tuple[ArrivalName, ...] = Field(min_length=1)
    late: OutcomesSpec
    worlds_at_once: int = Field(ge=1)
    scenarios: tuple[Scenario, ...]
    default_order: tuple[Name, ...] = Field(min_length=1)
    today: Name
    goals: HeadroomGoals
    full: Scaled[SizeSpec]
    quick: SizeSpec
    smoke: SizeSpec
    release: Scaled[SizeSpec]

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        shares: Sequence[float] = self.budget_shares
        if list(shares) != sorted(set(shares)):
            raise ValueError(f"budget_shares: expected distinct ascending numbers, got {shares}")
        if self.capacity.budget_share not in shares:
            raise ValueError(f"capacity.budget_share: expected one of {shares}")
        for name, found in (("arrivals", self.arrivals), ("default_order", self.default_order)):
            if len(set(found)) != len(found):
                raise ValueError(f"{name}: expected distinct names, got {found}")
        names = [scenario.name for scenario in self.scenarios]
        if len({NOMINAL, *names}) != len(names) + 1:
            raise ValueError(f"scenarios: names must be distinct and not {NOMINAL}, got {names}")
        if self.start_on.day != 1:
            raise ValueError(f"start_on: expected the first day of a month, got {self.start_on}")
        return self
