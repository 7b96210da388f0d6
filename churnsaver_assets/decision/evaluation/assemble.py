"""Assembly of results from what was played."""

from collections import defaultdict
from collections.abc import Mapping, Sequence

import numpy as np

from churnsaver_assets.decision.evaluation.cells.cell import Play
from churnsaver_assets.decision.evaluation.cells.played import CellResult, Played
from churnsaver_assets.decision.evaluation.cells.scenarios import End
from churnsaver_assets.decision.evaluation.default import behind_best
from churnsaver_assets.decision.evaluation.figures import (
    POINTS,
    headroom,
    headroom_difference,
    nothing_retention,
    retention,
    value,
)
from churnsaver_assets.decision.evaluation.results import (
    Cause,
    PacingEffect,
    PolicyFigures,
    PriorFigures,
    SeedSpread,
    ServedCell,
    Tornado,
    TornadoEnd,
    WrongWorld,
)
from churnsaver_assets.experiments.evaluation_spec import Scenario
from churnsaver_serving.runtime.arrays import Floats


def served_cell(result: CellResult, default: str) -> ServedCell:
    """Assemble a cell in which everybody was played as a release serves.

    Args:
        result: What was played.
        default: Name of the policy that a release serves by default.
    """
    cell, ours = result.cell, result.of(Play(default))
    return ServedCell(
        start_month=f"{cell.start_month:%Y-%m}",
        arrival=cell.arrival,
        outcomes=str(cell.outcomes),
        truth=cell.truth,
        budget_per_customer=cell.budget_usd,
        capacity=result.daily_capacity,
        bound_usd=result.known_bound,
        bound_gap=result.gap or 0.0,
        nothing_nrr=nothing_retention(result),
        spent_share=float(np.mean(ours.spent)),
        default=default,
        policies=_policies(result, default),
        spent_by_day=ours.spent_by_day,
        multiplier_by_day=ours.multiplier_by_day,
    )


def values_by_world(results: Sequence[CellResult]) -> dict[str, Floats]:
    """Return each policy's value in each world, mean over arrivals, shape (W,).

    Args:
        results: Cells whose groups are worlds; cells of the same worlds under other arrivals are
            next to each other.
    """
    found: defaultdict[str, defaultdict[int, list[Floats]]] = defaultdict(lambda: defaultdict(list))
    batches = list(dict.fromkeys(result.cell.worlds for result in results))
    for result in results:
        for played in result.played:
            batch = batches.index(result.cell.worlds)
            found[played.play.contender][batch].append(np.array(played.value))
    return {
        name: np.concatenate([np.mean(by_batch[batch], axis=0) for batch in sorted(by_batch)])
        for name, by_batch in found.items()
    }


def prior_figures(values: Mapping[str, Floats], among: Sequence[str]) -> dict[str, PriorFigures]:
    """Assemble figures over the prior.

    Args:
        values: Value of each policy in each world.
        among: Policies of which the one with the highest mean is the best.
    """
    behind = behind_best(values, [name for name in among if name in values])
    return {
        name: PriorFigures(float(found.mean()), float(np.quantile(found, 0.05)), behind[name])
        for name, found in values.items()
    }


def seed_spread(values: Mapping[str, Floats], names: Sequence[str]) -> SeedSpread:
    """Assemble the spread of one policy trained with several seeds, `names`, over the prior."""
    means = tuple(float(values[name].mean()) for name in names)
    return SeedSpread(len(names), means, min(means), max(means))


def wrong_world(scenario: Scenario, result: CellResult, default: str) -> WrongWorld:
    """Assemble a world that policies don't expect, each played with and without pacing."""
    paced = {one.play.contender: one for one in result.played if not one.play.fixed_start}
    unpaced = {one.play.contender: one for one in result.played if one.play.fixed_start}
    return WrongWorld(
        says=scenario.says,
        start_month=f"{result.cell.start_month:%Y-%m}",
        arrival=result.cell.arrival,
        policies=_policies(result, default),
        pacing={
            name: PacingEffect(
                on=headroom(result, paced[name]),
                off=headroom(result, off),
                difference=headroom_difference(result, paced[name], off),
            )
            for name, off in unpaced.items()
        },
    )


def tornado(
    ends: Sequence[End], results: Sequence[CellResult], nominal: CellResult, default: str
) -> dict[str, Tornado]:
    """Assemble what moves with each assumption.

    Args:
        ends: The ends of the priors.
        results: The default policy in the world of each.
        nominal: The default policy in the nominal world, all else the same.
        default: Its name.
    """
    centre = nominal.of(Play(default))
    moved: defaultdict[str, dict[str, TornadoEnd]] = defaultdict(dict)
    for end, result in zip(ends, results, strict=True):
        found = result.of(Play(default))
        moved[end.assumption][end.end] = TornadoEnd(
            value=end.value,
            headroom=POINTS * (headroom(result, found).mean - headroom(nominal, centre).mean),
            contacts=found.contacts - centre.contacts,
            value_usd=value(found).mean - value(centre).mean,
        )
    by_name = {end.assumption: end for end in ends}
    return {
        name: Tornado(by_name[name].unit, by_name[name].believed, both["low"], both["high"])
        for name, both in moved.items()
    }


def cause(result: CellResult, default: str) -> Cause:
    """Assemble where the headroom goes: the default policy with parts of serving taken away.

    Args:
        result: The cell of `Grid.causes`.
        default: Name of the policy.
    """
    whole = result.of(Play(default))
    best = max(
        (one for one in result.played if one.play.multiplier is not None),
        key=lambda one: value(one).mean,
    )
    without: dict[str, Played] = {
        "reserve": result.of(Play(default, reserve_deviations=0.0)),
        "arrival_order": result.of(Play(default, ranked=True)),
        "exploration": result.of(Play(default, exploration=0.0)),
        "pacing": best,
    }
    gained = {name: headroom_difference(result, one, whole) for name, one in without.items()}
    reached = headroom(result, whole)
    return Cause(
        start_month=f"{result.cell.start_month:%Y-%m}",
        arrival=result.cell.arrival,
        outcomes=str(result.cell.outcomes),
        headroom=reached,
        gained=gained,
        best_multiplier=float(best.play.multiplier or 0.0),
        left=POINTS * (1.0 - reached.mean) - sum(one.mean for one in gained.values()),
    )


def _policies(result: CellResult, default: str) -> dict[str, PolicyFigures]:
    ours = result.of(Play(default))
    return {
        one.play.contender: PolicyFigures(
            headroom=headroom(result, one),
            ahead_of_default=headroom_difference(result, one, ours),
            value_usd=value(one),
            nrr=retention(result, one),
            spent_by_month=one.spent,
            contacts=one.contacts,
            violations=one.violations,
        )
        for one in result.played
        if one.play == Play(one.play.contender)
    }
