"""Styles of policies in pictures: a colour for each role, a line for each policy."""

from collections.abc import Sequence

import numpy as np

from churnsaver_assets.common.drawing import BLUE, GREEN, GREY, ORANGE, PURPLE, Axes
from churnsaver_assets.common.estimates import Interval
from churnsaver_assets.decision.evaluation.contenders import Role
from churnsaver_assets.decision.evaluation.results import PolicyEvaluation

COLOURS: dict[Role, str] = {
    "one_step": PURPLE,
    "planner": GREEN,
    "learned": BLUE,
    "baseline": GREY,
    "today": ORANGE,
}
MARKERS = "osD^vPX*<>hp"


def named(name: str) -> str:
    """Return a policy's or an assumption's name as people read it."""
    return name.replace("_", " ")


def names(axes: Axes, texts: Sequence[str], colours: Sequence[str] | None = None) -> None:
    """Write one name a line, from the top.

    Args:
        axes: The axes.
        texts: The names.
        colours: Colour of each; None for black.
    """
    axes.set_yticks(np.arange(len(texts)), labels=[named(text) for text in texts])
    axes.set_ylim(len(texts) - 0.5, -0.5)
    axes.tick_params(axis="y", length=0)
    axes.grid(visible=False, axis="y")
    for text, colour in zip(axes.get_yticklabels(), colours or [], strict=False):
        text.set_color(colour)


def dots(
    axes: Axes,
    at: Sequence[float],
    found: Sequence[Interval],
    *,
    colour: str | Sequence[str],
    marker: str,
    text: str | None = None,
) -> None:
    """Draw means with their intervals, horizontally.

    Args:
        axes: The axes.
        at: Height of each.
        found: The intervals.
        colour: One colour, or one for each.
        marker: Marker of the means.
        text: Text of the legend.
    """
    colours = [colour] * len(found) if isinstance(colour, str) else list(colour)
    low, high = [one.low for one in found], [one.high for one in found]
    axes.hlines(at, low, high, colors=colours, lw=1.4, alpha=0.85)
    axes.scatter(
        [one.mean for one in found], at, c=colours, marker=marker, s=20, zorder=3, label=text
    )


def customers(evaluation: PolicyEvaluation) -> str:
    """Say whom a picture is of."""
    data = "" if evaluation.data == "real" else f", DATA: {evaluation.data.upper()}"
    return (
        f"simulated, {evaluation.customers:,} held-out customers, {evaluation.replicates} lives, "
        f"{evaluation.scored_months} months{data}"
    )
