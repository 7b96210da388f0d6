"""Printing of an evaluation as tables on a terminal."""

from collections.abc import Sequence

from rich import box
from rich.console import Console
from rich.table import Table

from churnsaver_assets.common.estimates import Interval
from churnsaver_assets.decision.evaluation.checks import above_the_bound, broken_constraints
from churnsaver_assets.decision.evaluation.results import (
    BudgetResult,
    PolicyEvaluation,
    PolicyMetrics,
    Verdict,
)

_STYLES: dict[Verdict, str] = {
    "met": "green",
    "open": "yellow",
    "missed": "red",
    "impossible": "dim",
}


def print_evaluation(console: Console, evaluation: PolicyEvaluation, *, learned: str) -> None:
    """Print everything, from the budgets to the ablations.

    Args:
        console: The console to print to.
        evaluation: The evaluation.
        learned: The learned policy's name.
    """
    label = "" if evaluation.data == "real" else f"; DATA: {evaluation.data.upper()}"
    console.print(
        f"[bold]Simulated[/]: {evaluation.customers:,} held-out customers, "
        f"{evaluation.replicates} replicates of {evaluation.period_days} days from "
        f"{evaluation.start_on}, M = {evaluation.horizon_months:g} months{label}.\n"
        f"Without any contact the net revenue retention (NRR) is {evaluation.nothing_nrr:.1%}; "
        f"without a budget the best policy spends ${evaluation.unconstrained_spend:.2f} a "
        "customer. Brackets: 95 % intervals over customers and luck, paired for differences.",
        highlight=False,
    )
    for case in (*evaluation.budgets, evaluation.capacity):
        _print_budget(console, case)
        _print_gains(console, case, learned)
    for share in dict.fromkeys(row.budget_share for row in evaluation.stress):
        _print_stress(console, evaluation, share)
    _print_misspecified(console, evaluation)
    _print_ablations(console, evaluation)
    _print_wrong(console, evaluation)


def _print_budget(console: Console, case: BudgetResult) -> None:
    table = _table(
        f"{_name(case)}: bound ${case.bound:.2f} a customer over doing nothing, "
        f"NRR {case.bound_nrr:.2%}, multiplier {case.multiplier:.2f}",
        (
            "policy",
            "% of headroom",
            "NRR, %",
            "offer cost, $",
            "contacts",
            "ROI",
            "spent",
            "broken",
        ),
    )
    for name, figures in case.policies.items():
        table.add_row(
            name,
            _interval(figures.headroom.scaled(100), 1),
            _interval(figures.nrr.scaled(100), 1),
            f"{figures.offer_cost.mean:.2f}",
            f"{figures.contact_rate.mean:.3f}",
            "-" if figures.roi is None else _interval(figures.roi, 2),
            f"{figures.budget_spent.mean:.1%}",
            _broken(figures),
        )
    console.print(table)


def _print_gains(console: Console, case: BudgetResult, learned: str) -> None:
    table = _table(
        f"{learned} over each baseline at equal budget ({_name(case)}); best seed baseline: "
        f"{case.best_baseline}",
        (
            "baseline",
            "NRR, points",
            "NRR, relative %",
            "bound allows",
            "goal",
            "offer cost, %",
            "saved at equal NRR, %",
            "goal",
        ),
    )
    for name, gain in case.gains.items():
        cost, saving = gain.offer_cost_relative, gain.saving_at_equal_retention
        table.add_row(
            name,
            _interval(gain.nrr_points, 2),
            _interval(gain.nrr_relative.scaled(100), 2),
            f"{100 * gain.bound_nrr_relative:.2f}",
            _verdict(gain.nrr_goal),
            "-" if cost is None else _interval(cost.scaled(100), 1),
            "-" if saving is None else _interval(saving.scaled(100), 1),
            _verdict(gain.offer_cost_goal),
        )
    console.print(table)


def _print_stress(console: Console, evaluation: PolicyEvaluation, share: float) -> None:
    """Print baselines in a table of their own: all policies side by side are too wide."""
    baselines = [name for name, role in evaluation.roles.items() if role == "baseline"]
    others = [name for name in evaluation.roles if name not in baselines]
    for policies in (others, baselines):
        table = _table(
            f"Stress: % of headroom, budget {100 * share:.0f} % of the unconstrained spend",
            ("true world", *(name.replace("_", " ") for name in policies)),
        )
        for row in evaluation.stress:
            if row.budget_share == share:
                means = [row.policies[name].headroom.mean for name in policies]
                table.add_row(row.says, *(f"{100 * mean:.1f}" for mean in means))
        console.print(table)


def _print_misspecified(console: Console, evaluation: PolicyEvaluation) -> None:
    worlds = evaluation.misspecified.worlds
    if not worlds:
        return
    reference = evaluation.misspecified.reference
    shown = [name for name in worlds[0].ahead_of_reference if evaluation.roles[name] != "baseline"]
    table = _table(
        f"Misspecified worlds: points of headroom ahead of {reference}, each under its own pacing",
        ("true world", "budget", reference, *(name.replace("_", " ") for name in shown)),
    )
    for world in worlds:
        table.add_row(
            world.says,
            f"{100 * world.budget_share:.0f} %",
            _interval(world.headroom[reference].scaled(100), 1),
            *(_interval(world.ahead_of_reference[name], 1) for name in shown),
        )
    console.print(table)
    paced = list(worlds[0].pacing)
    table = _table(
        "Pacing on less off, points of headroom",
        ("true world", "budget", *paced),
    )
    for world in worlds:
        differences = [world.pacing[name].difference for name in paced]
        table.add_row(
            world.says,
            f"{100 * world.budget_share:.0f} %",
            *(_interval(difference, 1) for difference in differences),
        )
    console.print(table)


def _print_ablations(console: Console, evaluation: PolicyEvaluation) -> None:
    if not evaluation.ablations:
        return
    table = _table(
        "Ablations: % of headroom where the part should matter",
        ("without", "true world", "budget", "whole", "without it", "loss, points"),
    )
    for part, row in evaluation.ablations.items():
        table.add_row(
            part.replace("_", " "),
            row.scenario,
            f"{100 * row.budget_share:.0f} %",
            _interval(row.whole.scaled(100), 1),
            _interval(row.without.scaled(100), 1),
            _interval(row.loss, 1),
        )
    console.print(table)


def _print_wrong(console: Console, evaluation: PolicyEvaluation) -> None:
    wrong = [*above_the_bound(evaluation), *broken_constraints(evaluation)]
    if not wrong:
        console.print("[green]No policy is above the bound; no constraint was broken.[/]")
    for line in wrong:
        console.print(f"[red]{line}[/]", highlight=False)


def _table(title: str, columns: Sequence[str]) -> Table:
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, title_style="bold")
    for place, column in enumerate(columns):
        table.add_column(column, justify="left" if place == 0 else "right", min_width=5)
    return table


def _name(case: BudgetResult) -> str:
    capacity = "" if case.daily_capacity is None else f", {case.daily_capacity} contacts a day"
    return (
        f"Budget ${case.budget_per_customer:.2f} a customer "
        f"({100 * case.budget_share:.0f} %{capacity})"
    )


def _interval(found: Interval, digits: int) -> str:
    mean, low, high = (f"{one:.{digits}f}" for one in (found.mean, found.low, found.high))
    return f"{mean} [{low}, {high}]".replace("[", "\\[")


def _verdict(verdict: Verdict) -> str:
    return f"[{_STYLES[verdict]}]{verdict}[/]"


def _broken(figures: PolicyMetrics) -> str:
    found = figures.violations
    count = found.overspent + found.cooldown_breaches + found.over_capacity_days
    fatigue = found.fatigue_over_cap
    beyond = "" if not fatigue else f", {fatigue:.1%} over cap if let"
    return f"{count}{beyond}"
