"""The whole evaluation: prior, default, months, worst months, wrong worlds, tornado, causes."""

from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

from churnsaver_assets.decision.evaluation.assemble import (
    cause,
    prior_figures,
    seed_spread,
    served_cell,
    tornado,
    values_by_world,
    wrong_world,
)
from churnsaver_assets.decision.evaluation.cells.cell import Ground, Play
from churnsaver_assets.decision.evaluation.cells.grid import Grid
from churnsaver_assets.decision.evaluation.cells.jobs import Cells, Progress
from churnsaver_assets.decision.evaluation.cells.played import CellResult
from churnsaver_assets.decision.evaluation.cells.scenarios import prior_ends
from churnsaver_assets.decision.evaluation.default import choose_default
from churnsaver_assets.decision.evaluation.figures import headroom
from churnsaver_assets.decision.evaluation.results import (
    Cause,
    PolicyEvaluation,
    ServedCell,
    Tornado,
    WrongWorld,
)
from churnsaver_assets.decision.simulator.population import DAYS_A_MONTH
from churnsaver_serving.runtime.manifest import DataLabel
from churnsaver_serving.runtime.policies.pacing import Basis, Pacing

# Multipliers among which the best in hindsight is looked for, over the one that pacing begins with.
_IN_HINDSIGHT = (0.4, 0.6, 0.8, 1.0, 1.25, 1.6, 2.2)
_LEAST = 0.05
# Cells whose missing headroom is split up, the worst first.
_MOST_CAUSES = 4


@dataclass(frozen=True, slots=True)
class EvaluationInputs:
    """The inputs of an evaluation.

    Attributes:
        ground: All that cells share.
        grid: The cells.
        data: Whether the customers are real or a sample.
        contact_share: Share contacted by multiplier and date.
    """

    ground: Ground
    grid: Grid
    data: DataLabel
    contact_share: Mapping[str, Mapping[str, float]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Run:
    """The way in which an evaluation is run.

    Attributes:
        pool: Processes that play cells, as from `jobs.processes`; None for this one.
        folder: Folder in which finished cells are kept; None keeps nothing.
        mark: Fingerprint of the code and the artefacts that the inputs are made of; finished cells
            of another one are played again.
        progress: Called with a line that says what is being done.
    """

    pool: ProcessPoolExecutor | None = None
    folder: Path | None = None
    mark: str = ""
    progress: Progress = lambda _: None


IN_PROCESS = Run()


def evaluate(inputs: EvaluationInputs, run: Run = IN_PROCESS) -> PolicyEvaluation:
    """Play everybody over the prior, choose the default, and play the grid.

    Args:
        inputs: The ground and the cells.
        run: The way in which it is run.
    """
    grid, ground, spec = inputs.grid, inputs.ground, inputs.grid.spec
    cells = Cells(ground, run.pool, folder=run.folder, mark=run.mark, progress=run.progress)
    values = values_by_world(cells.play("prior", grid.prior()))
    default = choose_default(values, spec.default_order)
    run.progress(f"default over the prior: {default}")
    by_month = cells.play("months", grid.by_month())
    worst = worst_months(by_month, default, grid.size.worst_months)
    results = [*by_month, *cells.play("worst months", grid.worst_months(worst))]
    served = tuple(served_cell(one, default) for one in results)
    month = worst[0] if worst else grid.months()[0]
    return PolicyEvaluation(
        simulated=True,
        data=inputs.data,
        horizon_months=ground.nominal.horizon_months,
        customers=results[0].customers,
        replicates=grid.size.replicates,
        scored_months=spec.scored_months,
        seed=ground.seed,
        roles={one.name: one.role for one in ground.contenders if one.name in grid.contenders},
        default=default,
        today=spec.today,
        budgets=grid.budgets,
        served=served,
        prior=prior_figures({name: values[name] for name in grid.contenders}, spec.default_order),
        prior_worlds=grid.size.worlds,
        prior_customers=grid.size.world_customers,
        training_seeds={
            name: seed_spread(values, (name, *others)) for name, others in grid.seeds.items()
        },
        contact_share={key: dict(by_day) for key, by_day in inputs.contact_share.items()},
        misspecified=_misspecified(cells, grid, default, month),
        tornado=_tornado(cells, grid, default, by_month, month),
        causes=_causes(cells, grid, default, results, served),
    )


def worst_months(results: Sequence[CellResult], default: str, count: int) -> list[date]:
    """Return the starting months in which a policy reaches the least of the headroom.

    Args:
        results: Cells of all months, the arrivals of a month next to each other.
        default: Name of the policy.
        count: Number of months, the worst first; a month counts by its worst arrival.
    """
    reached: dict[date, float] = {}
    for result in results:
        month = result.cell.start_month
        found = headroom(result, result.of(Play(default))).mean
        reached[month] = min(found, reached.get(month, found))
    return sorted(reached, key=lambda month: reached[month])[:count]


def _misspecified(
    cells: Cells, grid: Grid, default: str, month: date
) -> dict[str, dict[str, WrongWorld]]:
    scenarios = grid.spec.scenarios[: grid.size.scenarios]
    wanted = [(scenario, cell) for scenario in scenarios for cell in grid.scenario(scenario, month)]
    played = cells.play("wrong worlds", [cell for _, cell in wanted])
    found: dict[str, dict[str, WrongWorld]] = {}
    for (scenario, cell), result in zip(wanted, played, strict=True):
        by_arrival = found.setdefault(scenario.name, {})
        by_arrival[cell.arrival] = wrong_world(scenario, result, default)
    return found


def _tornado(
    cells: Cells, grid: Grid, default: str, by_month: Sequence[CellResult], month: date
) -> dict[str, Tornado]:
    if not grid.size.tornado:
        return {}
    results = cells.play("tornado", grid.tornado(default, month))
    nominal = next(
        one
        for one in by_month
        if (one.cell.start_month, one.cell.arrival) == (month, grid.spec.arrivals[0])
    )
    return tornado(list(prior_ends(grid.assumptions)), results, nominal, default)


def _causes(
    cells: Cells,
    grid: Grid,
    default: str,
    results: Sequence[CellResult],
    served: Sequence[ServedCell],
) -> tuple[Cause, ...]:
    goals = grid.spec.goals
    missed = [
        (
            one.policies[default].headroom.mean
            - goals.of(prompt=one.prompt, capacity=one.capacity is not None),
            result,
        )
        for one, result in zip(served, results, strict=True)
        if one.truth == "model"
    ]
    missed = sorted((pair for pair in missed if pair[0] < 0.0), key=lambda pair: pair[0])[
        :_MOST_CAUSES
    ]
    if not missed or not grid.size.causes:
        return ()
    pacing = Pacing(cells.ground.pacing, 1)
    wanted = []
    for _, result in missed:
        every = 1.0 if result.cell.arrival in ("daily", "nightly") else DAYS_A_MONTH
        start = pacing.start(Basis(round(100 * result.cell.budget_usd), every, default))
        around = [factor * max(start, _LEAST) for factor in _IN_HINDSIGHT]
        wanted.append(grid.causes(result.cell, default, around))
    again = cells.play("causes", wanted)
    return tuple(
        cause(one.bounded_by(result), default)
        for one, (_, result) in zip(again, missed, strict=True)
    )
