"""Pictures of policies in service as PNG: headroom by month and arrival, and a month's days."""

from collections.abc import Sequence
from datetime import date, timedelta

import numpy as np

from churnsaver_assets.common.drawing import (
    BLUE,
    GREY,
    ORANGE,
    Axes,
    figure,
    label,
    plain_style,
    png,
)
from churnsaver_assets.decision.evaluation.pictures.styles import (
    COLOURS,
    MARKERS,
    customers,
    named,
)
from churnsaver_assets.decision.evaluation.results import PolicyEvaluation, ServedCell

_SHADES = (BLUE, ORANGE)


@plain_style
def months_png(evaluation: PolicyEvaluation) -> bytes:
    """Draw each policy's share of headroom by starting month, a panel for each arrival pattern."""
    cells = evaluation.by_month()
    arrivals = list(dict.fromkeys(cell.arrival for cell in cells))
    drawn = figure(5.6 * len(arrivals) + 2.2, 5.0)
    grid = drawn.subplots(1, len(arrivals), sharey=True, squeeze=False)
    for axes, arrival in zip(grid[0], arrivals, strict=True):
        mine = [cell for cell in cells if cell.arrival == arrival]
        at = np.arange(len(mine))
        for place, (name, role) in enumerate(evaluation.roles.items()):
            found = [cell.policies[name].headroom.scaled(100) for cell in mine]
            own = name == evaluation.default
            axes.plot(
                at,
                [one.mean for one in found],
                color=COLOURS[role],
                marker=MARKERS[place % len(MARKERS)],
                ms=4.5,
                lw=2.4 if own else 1.0,
                zorder=3 if own else 2,
                label=f"{named(name)}{' (default)' if own else ''}",
            )
            axes.fill_between(
                at,
                [one.low for one in found],
                [one.high for one in found],
                color=COLOURS[role],
                alpha=0.12,
                lw=0,
            )
        axes.axhline(100, color=GREY, lw=1, ls="--")
        axes.set_xticks(at, labels=[cell.start_month for cell in mine], rotation=45, ha="right")
        label(axes, f"Asked {arrival}", "First of the scored months", "")
    lowest = min(one.headroom.low for cell in cells for one in cell.policies.values())
    grid[0, 0].set_ylim(max(100 * lowest - 2.0, -5.0), 103.0)
    grid[0, 0].set_ylabel("Value over no contact, % of the upper bound's (95 % interval)")
    _title(evaluation, drawn)
    drawn.legend(
        *grid[0, 0].get_legend_handles_labels(),
        loc="outside right upper",
        frameon=False,
        fontsize=8,
    )
    return png(drawn)


@plain_style
def days_png(evaluation: PolicyEvaluation) -> bytes:
    """Draw the default policy's spend and multiplier by day, in its worst month."""
    cells = evaluation.by_month()
    month = min(cells, key=lambda cell: cell.policies[cell.default].headroom.mean).start_month
    shown = [cell for cell in cells if cell.start_month == month]
    drawn = figure(5.2 * len(shown), 6.0)
    grid = drawn.subplots(3, len(shown), sharex=True, squeeze=False)
    for column, cell in enumerate(shown):
        top, middle, bottom = grid[:, column]
        days = _days(cell)
        spent = 100 * np.array(cell.spent_by_day) / cell.budget_per_customer
        top.bar(days, spent, color=_SHADES[0], width=0.9)
        middle.plot(days, _within_month(days, spent.tolist()), color=_SHADES[0], lw=1.6)
        middle.axhline(100, color=GREY, lw=1, ls="--")
        middle.set_ylim(bottom=0)
        bottom.plot(days, cell.multiplier_by_day, color=_SHADES[1], lw=1.6)
        bottom.set_ylim(bottom=0)
        bottom.tick_params(axis="x", rotation=45)
        first = column == 0
        label(
            top, f"Asked {cell.arrival}", "", "Expected cost of the\nday, % of the budget" * first
        )
        label(middle, "", "", "Expected cost of the\nmonth so far, %" * first)
        label(bottom, "", "", "Multiplier in force" * first)
    _title(evaluation, drawn)
    return png(drawn)


def _title(evaluation: PolicyEvaluation, drawn: Axes) -> None:
    budget = evaluation.by_month()[0].budget_per_customer
    drawn.suptitle(
        f"{customers(evaluation)}; \\${budget:.2f} a customer and month",
        x=0.01,
        ha="left",
        fontsize=9,
        color=GREY,
    )


def _days(cell: ServedCell) -> list[date]:
    year, month = map(int, cell.start_month.split("-"))
    return [date(year, month, 1) + timedelta(days=day) for day in range(len(cell.spent_by_day))]


def _within_month(days: Sequence[date], spent: Sequence[float]) -> list[float]:
    """Return running sums that begin anew with each month."""
    total, result = 0.0, []
    for day, amount in zip(days, spent, strict=True):
        total = amount if day.day == 1 else total + amount
        result.append(total)
    return result
