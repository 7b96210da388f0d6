"""The grid: which cells are played, thinned so that the whole of it ends in time."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date

from msgspec.structs import replace

from churnsaver_assets.decision.baselines.conditions import Conditions
from churnsaver_assets.decision.evaluation.cells.cell import (
    PROMPT,
    Cell,
    Outcomes,
    Play,
    Truth,
    month_after,
)
from churnsaver_assets.decision.evaluation.cells.scenarios import (
    drawn_worlds,
    prior_ends,
    true_world,
)
from churnsaver_assets.decision.simulator.arrivals import Arrival
from churnsaver_assets.experiments.evaluation_spec import EvaluationSpec, Scenario, SizeSpec
from churnsaver_serving.runtime.world.assumptions import Assumptions, World


@dataclass(frozen=True, slots=True)
class Grid:
    """The cells of an evaluation.

    Attributes:
        spec: Months, arrivals, outcomes, worlds.
        size: How much is played.
        assumptions: The nominal world and the priors.
        budgets: Budgets of a month, USD for each customer, in the order of `spec.budget_shares`.
        contenders: Names of the policies compared.
        seeds: Names of contenders that are the same learned policy trained with other seeds, by its
            name; they are played over the prior alone.
        truths: Truths that there are: that of the models alone, or another family's beside it.
        seed: Seed of the worlds drawn.
    """

    spec: EvaluationSpec
    size: SizeSpec
    assumptions: Assumptions
    budgets: tuple[float, ...]
    contenders: tuple[str, ...]
    truths: tuple[Truth, ...]
    seed: int
    seeds: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def middle(self) -> float:
        """Return the budget in the middle, USD."""
        return self.budgets[len(self.budgets) // 2]

    def months(self) -> list[date]:
        """Return the first days of the starting months."""
        count = self.size.start_months
        return [month_after(self.spec.start_on, 12 * place // count) for place in range(count)]

    def conditions(self) -> list[Conditions]:
        """Return the conditions that baselines are shown in, each once."""
        cells = [*self.by_month(), *self.worst_months(self.months()[: self.size.worst_months])]
        return list(
            dict.fromkeys(
                Conditions(cell.arrival, cell.budget_usd, cell.daily_contacts) for cell in cells
            )
        )

    def prior(self) -> list[Cell]:
        """Return the cells of worlds drawn from the priors; a group of a cell is a world."""
        at_once = self.spec.worlds_at_once
        worlds = drawn_worlds(self.assumptions, self.size.worlds, self.seed)
        batches = [worlds[start : start + at_once] for start in range(0, len(worlds), at_once)]
        months = self.months()
        again = tuple(Play(name) for others in self.seeds.values() for name in others)
        return [
            replace(
                self._cell(months[place % len(months)], arrival, self._everyone() + again),
                worlds=batch,
                customers=self.size.world_customers,
                bounded=False,
            )
            for place, batch in enumerate(batches)
            for arrival in self.spec.arrivals
        ]

    def by_month(self) -> list[Cell]:
        """Return the cells of every starting month, at the middle budget, with prompt outcomes."""
        return [
            self._cell(month, arrival, self._everyone())
            for month in self.months()
            for arrival in self.spec.arrivals
        ]

    def worst_months(self, months: Sequence[date]) -> list[Cell]:
        """Return the further cells of the worst months, under every truth.

        Args:
            months: The worst months.
        """
        return [
            replace(
                self._cell(month, arrival, self._everyone()),
                budget_usd=budget,
                daily_contacts=capacity,
                outcomes=outcomes,
                truth=truth,
            )
            for truth in self.truths
            for month in months
            for arrival in self.spec.arrivals
            for budget, capacity, outcomes in self._conditions()
            if truth != "model" or (budget, capacity, outcomes) != (self.middle, None, PROMPT)
        ]

    def scenario(self, scenario: Scenario, month: date) -> list[Cell]:
        """Return the cells of a world that policies don't expect; each is played unpaced, too.

        Args:
            scenario: The scenario.
            month: The starting month.
        """
        world = true_world(scenario, self.assumptions.nominal())
        unpaced = tuple(
            Play(name, fixed_start=True)
            for name in self.contenders
            if name in self.spec.default_order
        )
        return [
            self._halved(self._cell(month, arrival, self._everyone() + unpaced, world=world))
            for arrival in self.spec.arrivals
        ]

    def tornado(self, default: str, month: date) -> list[Cell]:
        """Return the cells of each prior's ends, in the order of `prior_ends`, for one policy.

        Args:
            default: Name of the policy.
            month: The starting month.
        """
        return [
            replace(
                self._halved(
                    self._cell(month, self.spec.arrivals[0], (Play(default),), world=end.world)
                ),
                nominal=end.world if end.believed else None,
            )
            for end in prior_ends(self.assumptions)
        ]

    def causes(self, cell: Cell, default: str, multipliers: Sequence[float]) -> Cell:
        """Return a cell again, for one policy with each part of serving taken away in turn.

        Args:
            cell: The cell, as it was played.
            default: Name of the policy.
            multipliers: Multipliers among which the best in hindsight is looked for.
        """
        return replace(
            cell,
            plays=(
                Play(default),
                Play(default, reserve_deviations=0.0),
                Play(default, ranked=True),
                Play(default, exploration=0.0),
                *(Play(default, multiplier=one) for one in multipliers),
            ),
            bounded=False,
        )

    def _conditions(self) -> Iterator[tuple[float, float | None, Outcomes]]:
        """Yield budget, capacity and outcomes of the cells of a worst month."""
        capacity, late = self.spec.capacity, self.spec.late
        shares = self.spec.budget_shares
        for budget in self.budgets:
            yield budget, None, PROMPT
        limited = self.budgets[shares.index(capacity.budget_share)]
        yield limited, capacity.daily_contacts, PROMPT
        yield self.middle, None, Outcomes(late.late_days, late.unreported)

    def _halved(self, cell: Cell) -> Cell:
        """Return a cell of half the lives: what is moved here moves far."""
        return replace(cell, worlds=cell.worlds[: max(len(cell.worlds) // 2, 2)])

    def _everyone(self) -> tuple[Play, ...]:
        return tuple(Play(name) for name in self.contenders)

    def _cell(
        self, month: date, arrival: Arrival, plays: tuple[Play, ...], *, world: World | None = None
    ) -> Cell:
        """Return a cell in one world, the nominal one where none is given, as often as is asked."""
        one = self.assumptions.nominal() if world is None else world
        return Cell(
            start_month=month,
            arrival=arrival,
            budget_usd=self.middle,
            worlds=(one,) * self.size.replicates,
            plays=plays,
            customers=self.size.customers,
            scored_months=self.spec.scored_months,
        )
