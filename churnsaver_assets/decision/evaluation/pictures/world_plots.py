"""Pictures over worlds as PNG: the prior, one assumption at a time, and wrong worlds."""

import numpy as np

from churnsaver_assets.common.drawing import BLUE, GREY, ORANGE, figure, label, plain_style, png
from churnsaver_assets.decision.evaluation.pictures.styles import (
    COLOURS,
    customers,
    dots,
    named,
    names,
)
from churnsaver_assets.decision.evaluation.results import PolicyEvaluation, Tornado

_LINEAR_POINTS = 10.0


@plain_style
def prior_png(evaluation: PolicyEvaluation) -> bytes:
    """Draw each policy's mean over the prior, its 5th percentile, and how far it is behind."""
    order = sorted(evaluation.prior, key=lambda name: -evaluation.prior[name].mean)
    colours = [COLOURS[evaluation.roles[name]] for name in order]
    found = [evaluation.prior[name] for name in order]
    drawn = figure(10.6, 1.8 + 0.34 * len(order))
    left, right = drawn.subplots(1, 2, sharey=True)
    at = np.arange(len(order))
    left.hlines(at, [one.p05 for one in found], [one.mean for one in found], colors=colours, lw=1.2)
    left.scatter([one.mean for one in found], at, c=colours, s=26, label="mean", zorder=3)
    left.scatter(
        [one.p05 for one in found],
        at,
        c=colours,
        marker="|",
        s=60,
        label="5th percentile",
        zorder=3,
    )
    dots(right, at.tolist(), [one.behind_best for one in found], colour=colours, marker="o")
    for axes in (left, right):
        axes.axvline(0, color=GREY, lw=1)
        names(axes, order, colours)
    label(
        left,
        f"Value over the prior, {evaluation.prior_worlds} worlds",
        "USD a customer over no contact: mean (dot), 5th percentile (bar)",
        "",
    )
    label(right, "Behind the best", "USD a customer, paired by world (95 % interval)", "")
    drawn.suptitle(customers(evaluation), x=0.01, ha="left", fontsize=9, color=GREY)
    return png(drawn)


@plain_style
def tornado_png(evaluation: PolicyEvaluation) -> bytes:
    """Draw what moves with each assumption at its prior's ends: headroom, contacts, value."""
    moved = evaluation.tornado
    order = sorted(moved, key=lambda name: -_width(moved[name]))
    texts = [
        f"{named(name)}{' (known)' if one.believed else ''}\n"
        f"{_said(one.low.value)} to {_said(one.high.value)}"
        for name, one in ((name, moved[name]) for name in order)
    ]
    drawn = figure(13.0, 1.8 + 0.44 * len(order))
    grid = drawn.subplots(1, 3, sharey=True)
    for axes, (figure_name, title, unit) in zip(
        grid,
        (
            ("headroom", "Headroom", "Percentage points"),
            ("contacts", "Contacts", "A month and customer"),
            ("value_usd", "Value", "USD a customer"),
        ),
        strict=True,
    ):
        for end, colour in (("low", BLUE), ("high", ORANGE)):
            width = [getattr(getattr(moved[name], end), figure_name) for name in order]
            axes.barh(np.arange(len(order)), width, color=colour, alpha=0.85, height=0.62)
        axes.axvline(0, color=GREY, lw=1)
        if figure_name == "headroom":
            # Where hardly anything is to be had, a share of it is a large number.
            axes.set_xscale("symlog", linthresh=_LINEAR_POINTS)
            axes.xaxis.set_major_formatter("{x:g}")
        names(axes, texts)
        label(axes, title, f"{unit}, less the nominal world's", "")
    drawn.suptitle(
        f"{named(evaluation.default)} with one assumption at its prior's low (blue) and high "
        f"(orange) end; {customers(evaluation)}",
        x=0.01,
        ha="left",
        fontsize=9,
        color=GREY,
    )
    return png(drawn)


@plain_style
def wrong_worlds_png(evaluation: PolicyEvaluation) -> bytes:
    """Draw every policy's share of headroom in worlds that it doesn't expect, as heat maps."""
    worlds = evaluation.misspecified
    arrivals = list(next(iter(worlds.values())))
    policies = list(next(iter(next(iter(worlds.values())).values())).policies)
    drawn = figure(3.0 + 0.62 * len(policies) * len(arrivals), 2.4 + 0.32 * len(worlds))
    grid = drawn.subplots(1, len(arrivals), sharey=True, squeeze=False)
    for axes, arrival in zip(grid[0], arrivals, strict=True):
        values = np.array(
            [
                [100 * by_arrival[arrival].policies[name].headroom.mean for name in policies]
                for by_arrival in worlds.values()
            ]
        )
        axes.imshow(values, cmap="RdYlGn", vmin=30, vmax=100, aspect="auto", alpha=0.85)
        for (row, column), value in np.ndenumerate(values):
            axes.text(column, row, f"{value:.0f}", ha="center", va="center", fontsize=7.5)
        axes.set_xticks(
            np.arange(len(policies)),
            labels=[named(name) for name in policies],
            rotation=40,
            ha="right",
            rotation_mode="anchor",
            fontsize=8,
        )
        axes.set_yticks(
            np.arange(len(worlds)), labels=[one[arrival].says for one in worlds.values()]
        )
        label(axes, f"Asked {arrival}", "", "")
        axes.grid(visible=False)
        axes.tick_params(length=0)
        axes.spines[:].set_visible(False)
    drawn.suptitle(
        f"% of the headroom in worlds that policies don't expect; {customers(evaluation)}",
        x=0.01,
        ha="left",
        fontsize=9,
        color=GREY,
    )
    return png(drawn)


def _width(moved: Tornado) -> float:
    return max(abs(moved.low.headroom), abs(moved.high.headroom))


def _said(value: tuple[float, ...]) -> str:
    return " ".join(f"{one:g}" for one in value)
