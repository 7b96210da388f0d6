"""Checks of an evaluation's figures; each returns a line for every violation it finds."""

from collections.abc import Iterator

from churnsaver_assets.decision.evaluation.results import PolicyEvaluation, PolicyMetrics


def above_the_bound(evaluation: PolicyEvaluation) -> list[str]:
    """List policies worth more than the bound allows, beyond luck: a mistake somewhere."""
    return [
        f"{name}, {where}: {figures.headroom} of the bound"
        for where, name, figures in _played(evaluation)
        if figures.above_bound
    ]


def broken_constraints(evaluation: PolicyEvaluation) -> list[str]:
    """List budgets overspent, contacts within the cooldown and days over capacity."""
    broken = []
    for where, name, figures in _played(evaluation):
        found = figures.violations
        counts = {
            "budgets overspent": found.overspent,
            "contacts within the cooldown": found.cooldown_breaches,
            "days over capacity": found.over_capacity_days,
        }
        broken += [f"{name}, {where}: {count} {what}" for what, count in counts.items() if count]
    return broken


def _played(evaluation: PolicyEvaluation) -> Iterator[tuple[str, str, PolicyMetrics]]:
    """Yield the conditions, the policy's name and its metrics, for all that was played."""
    for case in (*evaluation.budgets, evaluation.capacity):
        capacity = "" if case.daily_capacity is None else f", {case.daily_capacity} contacts a day"
        for name, figures in case.policies.items():
            yield f"budget {100 * case.budget_share:.0f} %{capacity}", name, figures
    for row in evaluation.stress:
        for name, figures in row.policies.items():
            yield f"{row.scenario}, budget {100 * row.budget_share:.0f} %", name, figures
