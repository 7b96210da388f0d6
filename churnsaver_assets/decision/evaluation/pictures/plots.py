"""Pictures of an evaluation as PNG: headroom, gains over baselines, days, stress."""

from collections.abc import Iterable, Sequence

import numpy as np

from churnsaver_assets.common.drawing import (
    BLUE,
    GREEN,
    GREY,
    ORANGE,
    PURPLE,
    Axes,
    figure,
    label,
    plain_style,
    png,
)
from churnsaver_assets.common.estimates import Interval
from churnsaver_assets.decision.evaluation.pictures.styles import COLOURS, names
from churnsaver_assets.decision.evaluation.results import BudgetResult, PolicyEvaluation
from churnsaver_assets.experiments.evaluation_spec import GoalsSpec

_MARKERS = "osD^vP"
_SHADES = (BLUE, ORANGE, GREEN, PURPLE)


@plain_style
def headroom_png(evaluation: PolicyEvaluation) -> bytes:
    """Draw the share of headroom of every policy under every budget, with its interval."""
    cases = [*evaluation.budgets, evaluation.capacity]
    policies = list(evaluation.roles)
    drawn = figure(7.4, 1.4 + 0.46 * len(policies))
    axes = drawn.subplots()
    axes.axvline(100, color=GREY, lw=1, ls="--")
    for place, case in enumerate(cases):
        shift = 0.17 * (place - (len(cases) - 1) / 2)
        colour = GREY if case.daily_capacity is not None else _SHADES[place % len(_SHADES)]
        _dots(
            axes,
            np.arange(len(policies)) + shift,
            [case.policies[name].headroom.scaled(100) for name in policies],
            colour=colour,
            marker=_MARKERS[place % len(_MARKERS)],
            text=_budget(case),
        )
    names(axes, policies)
    lowest = min(case.policies[name].headroom.low for case in cases for name in policies)
    axes.set_xlim(min(-4.0, 100 * lowest - 2.0), 104)
    _paint(axes, evaluation, policies)
    label(
        axes,
        f"Percent of headroom, simulated ({_customers(evaluation)})",
        "Value over doing nothing, % of the upper bound's (95 % interval)",
        "",
    )
    drawn.legend(loc="outside lower center", ncols=2, frameon=False, fontsize=9)
    return png(drawn)


@plain_style
def gains_png(evaluation: PolicyEvaluation, goals: GoalsSpec, *, learned: str) -> bytes:
    """Draw retention gained over each baseline at equal budget, and cost saved at equal retention.

    Args:
        evaluation: The evaluation of all policies.
        goals: The mission's goals, drawn as lines.
        learned: The learned policy's name.
    """
    policies = list(evaluation.budgets[0].gains)
    drawn = figure(10.6, 1.7 + 0.5 * len(policies))
    left, right = drawn.subplots(1, 2, sharey=True)
    for place, case in enumerate(evaluation.budgets):
        shift = 0.22 * (place - (len(evaluation.budgets) - 1) / 2)
        at = np.arange(len(policies)) + shift
        colour, marker = _SHADES[place % len(_SHADES)], _MARKERS[place % len(_MARKERS)]
        gains = [case.gains[name] for name in policies]
        _dots(
            left,
            at,
            [gain.nrr_relative.scaled(100) for gain in gains],
            colour=colour,
            marker=marker,
            text=_budget(case),
        )
        bounds = [100 * gain.bound_nrr_relative for gain in gains]
        left.plot(bounds, at, color=colour, marker="|", ms=9, mew=1.6, lw=0)
        savings = [gain.saving_at_equal_retention for gain in gains]
        known = [row for row, saving in enumerate(savings) if saving is not None]
        _dots(
            right,
            at[known],
            [saving.scaled(100) for saving in savings if saving is not None],
            colour=colour,
            marker=marker,
        )
    for axes, goal in ((left, goals.nrr_gain), (right, goals.offer_cost_saving)):
        axes.axvline(0, color=GREY, lw=1)
        axes.axvline(100 * goal, color=GREY, lw=1.2, ls="--")
        names(axes, policies)
    label(
        left,
        f"Net revenue retention of {learned} over each baseline",
        f"Relative gain at equal budget, % (95 % interval; | bound; dashed goal)\n"
        f"M = {evaluation.horizon_months:g} months",
        "",
    )
    label(
        right,
        "Offer cost saved at equal retention",
        "% of the baseline's cost (95 % interval; dashed goal)",
        "",
    )
    drawn.suptitle(
        f"Simulated, {_customers(evaluation)}", x=0.01, ha="left", fontsize=9, color=GREY
    )
    drawn.legend(
        *left.get_legend_handles_labels(), loc="outside upper right", ncols=4, frameon=False
    )
    return png(drawn)


@plain_style
def days_png(evaluation: PolicyEvaluation, policies: Sequence[str]) -> bytes:
    """Draw the budget used up day by day, and the multipliers that pacing set.

    Args:
        evaluation: The evaluation of all policies.
        policies: Names of the policies to draw.
    """
    cases = [*evaluation.budgets, evaluation.capacity]
    drawn = figure(3.3 * len(cases), 6.0)
    grid = drawn.subplots(2, len(cases), sharex=True, squeeze=False)
    days = np.arange(1, evaluation.period_days + 1)
    styles = ("-", "--", ":", "-.")
    for column, case in enumerate(cases):
        top, bottom = grid[0, column], grid[1, column]
        for place, name in enumerate(policies):
            path = case.paths[name]
            look = {
                "color": _SHADES[place % len(_SHADES)],
                "ls": styles[place // len(_SHADES) % len(styles)],
                "lw": 1.6,
            }
            used = 100 * np.cumsum(path.spent_usd) / case.budget_per_customer
            top.plot(days, used, label=name.replace("_", " "), **look)
            if path.multiplier is not None:
                bottom.plot(days, path.multiplier, **look)
        top.axhline(100, color=GREY, lw=1, ls="--")
        top.set_ylim(0, 106)
        bottom.axhline(case.multiplier, color=GREY, lw=1, ls="--")
        bottom.set_ylim(bottom=0)
        label(top, _budget(case).replace(", ", "\n"), "", "Budget spent, %" if column == 0 else "")
        label(
            bottom,
            "",
            "Day of the period",
            "Multiplier (dashed: the bound's)" if column == 0 else "",
        )
    drawn.legend(
        *grid[0, 0].get_legend_handles_labels(), loc="outside upper left", ncols=6, frameon=False
    )
    return png(drawn)


@plain_style
def stress_png(evaluation: PolicyEvaluation, budget_share: float) -> bytes:
    """Draw the share of headroom of every policy in every scenario, as a heat map.

    Args:
        evaluation: The evaluation of all policies.
        budget_share: Budget of the scenarios to draw, as a share of the unconstrained spend.

    Raises:
        ValueError: No scenario was played at that budget.
    """
    rows = [row for row in evaluation.stress if row.budget_share == budget_share]
    nominal = next((case for case in evaluation.budgets if case.budget_share == budget_share), None)
    if not rows or nominal is None:
        raise ValueError(f"budget_share: nothing was played at {budget_share}")
    # Who does nothing is at 0 in every world.
    policies = [name for name in evaluation.roles if nominal.policies[name].contact_rate.mean > 0]
    says = ["nominal", *(row.says for row in rows)]
    found = [nominal.policies, *(row.policies for row in rows)]
    values = np.array([[100 * one[name].headroom.mean for name in policies] for one in found])
    drawn = figure(3.4 + 0.72 * len(policies), 1.9 + 0.36 * len(says))
    axes = drawn.subplots()
    shown = axes.imshow(values, cmap="RdYlGn", vmin=0, vmax=100, aspect="auto", alpha=0.85)
    for (row, column), value in np.ndenumerate(values):
        axes.text(column, row, f"{value:.0f}", ha="center", va="center", fontsize=8)
    axes.set_xticks(
        np.arange(len(policies)),
        labels=[name.replace("_", " ") for name in policies],
        rotation=40,
        ha="right",
        rotation_mode="anchor",
    )
    axes.set_yticks(np.arange(len(says)), labels=says)
    label(axes, f"Percent of headroom under stress, simulated\n{_budget(nominal)}", "", "")
    axes.grid(visible=False)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    drawn.colorbar(shown, ax=axes, label="% of the bound in that world", shrink=0.8)
    return png(drawn)


def _dots(
    axes: Axes,
    at: Iterable[float],
    found: Sequence[Interval],
    *,
    colour: str,
    marker: str,
    text: str | None = None,
) -> None:
    """Draw means with their intervals, horizontally."""
    places = np.asarray(list(at))
    ends = np.array([(one.low, one.high) for one in found]).reshape(-1, 2)
    axes.hlines(places, ends[:, 0], ends[:, 1], color=colour, lw=1.4, alpha=0.85)
    means = [one.mean for one in found]
    axes.plot(means, places, color=colour, marker=marker, ms=4.5, lw=0, label=text)


def _paint(axes: Axes, evaluation: PolicyEvaluation, policies: Sequence[str]) -> None:
    """Colour policies' names by their role."""
    for text, name in zip(axes.get_yticklabels(), policies, strict=True):
        text.set_color(COLOURS[evaluation.roles[name]])


def _budget(case: BudgetResult) -> str:
    plain = f"\\${case.budget_per_customer:.2f} a customer ({100 * case.budget_share:.0f} %)"
    return (
        plain if case.daily_capacity is None else f"{plain}, {case.daily_capacity} contacts a day"
    )


def _customers(evaluation: PolicyEvaluation) -> str:
    data = "" if evaluation.data == "real" else f", data: {evaluation.data}"
    return f"{evaluation.customers:,} held-out customers, {evaluation.replicates} replicates{data}"
