"""Settings of the evaluation of decision policies: budgets, replicates, true worlds, goals."""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from churnsaver_assets.experiments.strict import Scaled, Strict
from churnsaver_serving.runtime.assumptions import CONTRACT_TERMS, World

# The scenario in which the world is as policies believe; always there, never listed.
NOMINAL = "nominal"

Share = Annotated[float, Field(gt=0)]
Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]

Part = Literal[
    "risk_model", "acceptance_model", "multiplier_input", "pacing", "domain_randomisation"
]


class Scenario(Strict):
    """A true world that is not as the policies believe, or a budget that is not as planned.

    Attributes:
        name: The name in tables, pictures and the JSON.
        says: A few words on the difference.
        put: Numbers of the world by name, in the units of `Assumptions`.
        scale: Factors on nominal numbers of the world, by name.
        budget_scale: The budget over the one that was planned for. Policies are told what is left.
    """

    name: Name
    says: str = Field(min_length=1)
    put: Mapping[str, float | tuple[float, ...]] = Field(default_factory=dict)
    scale: Mapping[str, float] = Field(default_factory=dict)
    budget_scale: float = Field(default=1.0, gt=0)

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
        if not named and self.budget_scale == 1:
            raise ValueError(f"{self.name}: nothing differs from {NOMINAL}")
        return self

    @property
    def misspecified(self) -> bool:
        """Return whether the policies believe in another world than the true one."""
        return bool(self.put or self.scale)


class CapacitySpec(Strict):
    """The evaluation with a daily capacity that binds.

    Attributes:
        budget_share: The budget as a share of the unconstrained spend.
        daily_contacts: Most contacts a day, as a share of the customers.
    """

    budget_share: Share
    daily_contacts: float = Field(gt=0, lt=1)


class AblationSpec(Strict):
    """One part of the learned policy taken away, and where that should be seen.

    Attributes:
        part: The part that is taken away. The policy is trained anew without it; without pacing it
            keeps the multiplier that fits the nominal world.
        scenario: The true world, by name.
        budget_share: The budget as a share of the unconstrained spend.
    """

    part: Part
    scenario: Name
    budget_share: Share


class PIDGains(Strict):
    """Gains of the variant with a controlled multiplier (Stooke, Achiam and Abbeel 2020).

    Attributes:
        proportional: Gain on the relative overspend.
        integral: Gain on the sum of it.
        derivative: Gain on the rise of it.
        initial: The multiplier to begin with.
    """

    proportional: float = Field(ge=0)
    integral: float = Field(ge=0)
    derivative: float = Field(ge=0)
    initial: float = Field(ge=0)


class GoalsSpec(Strict):
    """Goals against the best seed baseline.

    Attributes:
        nrr_gain: Relative rise of net revenue retention at equal budget.
        offer_cost_saving: Relative fall of offer cost at equal retention.
        seed_baselines: The baselines that the goals are about.
    """

    nrr_gain: float = Field(gt=0)
    offer_cost_saving: float = Field(gt=0)
    seed_baselines: tuple[Name, ...] = Field(min_length=1)


class BudgetsSpec(Strict):
    """The budgets that policies are compared at.

    Attributes:
        budget_shares: Budgets as shares of what the best policy would spend without one.
        capacity: One budget with a daily capacity.
    """

    budget_shares: tuple[Share, ...] = Field(min_length=1)
    capacity: CapacitySpec


class EvaluationSpec(BudgetsSpec):
    """The whole evaluation.

    Attributes:
        start_on: First day of the evaluated period.
        replicates: Periods played with every held-out customer, each with its own luck.
        scenario_shares: Budgets at which the scenarios are played.
        scenarios: True worlds and budgets that policies did not expect.
        learned: The policy that the gains over baselines are about.
        pacing_compared: Policies that are also played without pacing.
        reference: The policy that misspecified worlds are compared with.
        ablations: Parts taken away.
        pid: Gains of the variant with a controlled multiplier.
        goals: Goals against the baselines.
    """

    start_on: date
    replicates: Scaled[int] = Field(ge=2)
    scenario_shares: tuple[Share, ...] = Field(min_length=1)
    scenarios: tuple[Scenario, ...]
    learned: Name
    pacing_compared: tuple[Name, ...]
    reference: Name
    ablations: tuple[AblationSpec, ...]
    pid: PIDGains
    goals: GoalsSpec

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        for name in ("budget_shares", "scenario_shares"):
            shares: Sequence[float] = getattr(self, name)
            if list(shares) != sorted(set(shares)):
                raise ValueError(f"{name}: expected distinct ascending numbers, got {shares}")
        names = [scenario.name for scenario in self.scenarios]
        if len({NOMINAL, *names}) != len(names) + 1:
            raise ValueError(f"scenarios: names must be distinct and not {NOMINAL}, got {names}")
        parts = [ablation.part for ablation in self.ablations]
        if len(set(parts)) != len(parts):
            raise ValueError(f"ablations: parts must be distinct, got {parts}")
        for ablation in self.ablations:
            if ablation.scenario not in {NOMINAL, *names}:
                raise ValueError(
                    f"ablations: {ablation.part}: unknown scenario {ablation.scenario}; "
                    f"expected one of {[NOMINAL, *names]}"
                )
        return self

    def brief(self) -> Self:
        """Return the budgets and the capacity alone: no scenarios, no ablations."""
        return self.model_copy(update={"scenarios": (), "ablations": ()})

    def scenario(self, name: str) -> Scenario | None:
        """Find the scenario of that name; None for the nominal one.

        Raises:
            KeyError: there is none.
        """
        if name == NOMINAL:
            return None
        return {scenario.name: scenario for scenario in self.scenarios}[name]
