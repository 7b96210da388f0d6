"""Pictures of training runs as PNG: learning curves and action entropy."""

from collections.abc import Mapping

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
from churnsaver_assets.decision.ppo.curves import LearningCurves

_SHADES = (BLUE, ORANGE, GREEN, PURPLE, GREY)


@plain_style
def learning_curves_png(curves: LearningCurves) -> bytes:
    """Draw value and cost of the greedy policy over the updates, a line for each multiplier.

    Args:
        curves: Learning curves of a training run; its probes are what is drawn.
    """
    drawn = figure(11.6, 3.8)
    value, cost = drawn.subplots(1, 2, sharex=True)
    for place, price in enumerate(sorted({probe.multiplier for probe in curves.probes})):
        at = [probe for probe in curves.probes if probe.multiplier == price]
        updates = [probe.update for probe in at]
        look = {
            "color": _SHADES[place % len(_SHADES)],
            "marker": "o",
            "ms": 2.5,
            "lw": 1.4,
            "label": f"multiplier {price:g}",
        }
        value.plot(updates, [probe.gain_usd for probe in at], **look)
        cost.plot(updates, [probe.cost_usd for probe in at], **look)
    label(value, "Value over doing nothing, simulated", "Update", "USD per customer")
    label(cost, "Cost, simulated", "Update", "USD per customer")
    cost.legend(loc="center left", bbox_to_anchor=(1.02, 0.5), frameon=False, fontsize=9)
    cost.set_ylim(bottom=0)
    for axes in (value, cost):
        _mark_phases(axes, curves)
    return png(drawn)


@plain_style
def entropy_png(runs: Mapping[str, LearningCurves]) -> bytes:
    """Draw the entropy of the actions over the updates of training runs.

    Args:
        runs: Learning curves by name.
    """
    drawn = figure(6.4, 3.6)
    axes = drawn.subplots()
    for place, (name, curves) in enumerate(runs.items()):
        axes.plot(
            [one.update for one in curves.updates],
            [one.entropy for one in curves.updates],
            color=_SHADES[place % len(_SHADES)],
            lw=1.3,
            label=name.replace("_", " "),
        )
    axes.set_ylim(bottom=0)
    _mark_phases(axes, next(iter(runs.values())))
    label(axes, "Action entropy in training", "Update", "Nats a decision")
    axes.legend(frameon=False, fontsize=8)
    return png(drawn)


def _mark_phases(axes: Axes, curves: LearningCurves) -> None:
    """Draw a line where the critics' warm-up ended."""
    warm = [one.update for one in curves.updates if one.phase == "warm_up"]
    if warm and len(warm) < len(curves.updates):
        end = float(np.max(warm)) + 0.5
        axes.axvline(end, color=GREY, lw=1, ls=":")
        axes.annotate(
            "PPO from here",
            (end, 0.5),
            xycoords=("data", "axes fraction"),
            xytext=(-3, 0),
            textcoords="offset points",
            va="center",
            ha="right",
            rotation=90,
            fontsize=8,
            color=GREY,
        )
