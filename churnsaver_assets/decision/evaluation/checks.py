"""Checks of an evaluation's figures; each returns a line for every violation it finds."""

from collections.abc import Iterator, Sequence

from churnsaver_assets.decision.evaluation.results import (
    PolicyEvaluation,
    PolicyFigures,
    ServedCell,
)

# The bound's solver stops at a gap of a thousandth; its value is a bound all the same.
_ROUNDING = 1e-6


def above_the_bound(evaluation: PolicyEvaluation) -> list[str]:
    """List policies worth more than the bound allows, beyond luck: a mistake somewhere.

    What an account charges to the month after lets a run spend that much more in the first.
    """
    return [
        f"{name}, {where}: {figures.headroom} of the bound"
        for where, name, figures in _played(evaluation)
        if figures.headroom.low > 1.0 + _ROUNDING and figures.violations.carried_cents == 0
    ]


def broken_limits(evaluation: PolicyEvaluation) -> list[str]:
    """List budgets overspent, second discounts, contacts over capacity or over the cap."""
    broken = []
    for where, name, figures in _played(evaluation):
        found = figures.violations
        counts = {
            "cents overspent": found.overspent_cents,
            "discounts beside another": found.two_discounts,
            "contacts over capacity": found.over_capacity,
            "contacts over the fatigue cap": found.over_cap,
        }
        broken += [f"{name}, {where}: {count} {what}" for what, count in counts.items() if count]
    return broken


def short_of(evaluation: PolicyEvaluation, prompt: float, elsewhere: float) -> list[str]:
    """List cells in which the default policy reaches less of the headroom than it must.

    Args:
        evaluation: The evaluation.
        prompt: Share that it must reach where answers come at once and no capacity binds.
        elsewhere: Share that it must reach in other cells.
    """
    short = []
    for cell in evaluation.served:
        least = prompt if cell.prompt and cell.capacity is None else elsewhere
        found = cell.policies[evaluation.default].headroom
        if found.mean < least:
            short.append(f"{said(cell)}: {found.scaled(100):.1f} %, at least {100 * least:.1f} %")
    return short


def behind_today(evaluation: PolicyEvaluation) -> list[str]:
    """List cells in which the policy that was served before is ahead of the default one."""
    return [
        f"{said(cell)}: {cell.policies[evaluation.today].ahead_of_default:.1f} points"
        for cell in evaluation.served
        if cell.policies[evaluation.today].ahead_of_default.low > 0.0
    ]


def not_by_the_rule(evaluation: PolicyEvaluation, order: Sequence[str]) -> list[str]:
    """List what speaks against the default: another is surely better, or simpler and as good.

    Args:
        evaluation: The evaluation.
        order: Policies that may be the default, the simplest first.
    """
    default, behind = evaluation.default, evaluation.prior
    if default not in order:
        return [f"{default} is none of {list(order)}"]
    wrong = []
    if behind[default].behind_best.low > 0.0:
        wrong.append(f"{default} is behind the best by {behind[default].behind_best:.3f}")
    simpler = [name for name in order[: order.index(default)] if name in behind]
    wrong += [
        f"{name} is simpler and as good" for name in simpler if behind[name].behind_best.low <= 0.0
    ]
    return wrong


def said(cell: ServedCell) -> str:
    """Say what a cell's conditions are, in a few words."""
    capacity = "" if cell.capacity is None else f", {cell.capacity} contacts a day"
    outcomes = "" if cell.prompt else f", {cell.outcomes}"
    truth = "" if cell.truth == "model" else ", truth of another family"
    return (
        f"{cell.start_month}, {cell.arrival}, ${cell.budget_per_customer:.2f}"
        f"{capacity}{outcomes}{truth}"
    )


def _played(evaluation: PolicyEvaluation) -> Iterator[tuple[str, str, PolicyFigures]]:
    """Yield the conditions, the policy's name and its figures, for all that was served."""
    for cell in evaluation.served:
        for name, figures in cell.policies.items():
            yield said(cell), name, figures
    for scenario, by_arrival in evaluation.misspecified.items():
        for arrival, world in by_arrival.items():
            for name, figures in world.policies.items():
                yield f"{scenario}, {arrival}", name, figures
