"""Styles of policies in pictures: a colour for each role, a line for each policy."""

from collections.abc import Sequence

import numpy as np

from churnsaver_assets.common.drawing import BLUE, GREEN, ORANGE, PURPLE, Axes
from churnsaver_assets.decision.evaluation.results import Role

COLOURS: dict[Role, str] = {
    "learned": BLUE,
    "variant": PURPLE,
    "planner": GREEN,
    "baseline": ORANGE,
}


def names(axes: Axes, policies: Sequence[str]) -> None:
    """Write one policy a line, from the top."""
    axes.set_yticks(np.arange(len(policies)), labels=[name.replace("_", " ") for name in policies])
    axes.set_ylim(len(policies) - 0.5, -0.5)
    axes.tick_params(axis="y", length=0)
    axes.grid(visible=False, axis="y")
