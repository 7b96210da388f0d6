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
from churnsaver_assets.decision.simulator.setting import Setting
from churnsaver_serving.runtime.effects import daily_hazard

_SHADES = (BLUE, ORANGE, GREEN, PURPLE, GREY)


@plain_style
def learning_curves_png(
    runs: Mapping[str, LearningCurves], setting: Setting, *, probed_customers: int
) -> bytes:
    """Draw retention, cost, violations and multipliers over the updates of training runs.

    Retention and cost are the greedy policy's in the nominal world at fixed multipliers: the first
    run's, one line for each. Violations and multipliers are those of the updates, of every run.

    Args:
        runs: Learning curves by name, at least one.
        setting: The setting that the first run was trained in.
        probed_customers: Number of customers that probes were made with, from the first on.
    """
    name, first = next(iter(runs.items()))
    nothing_usd, starting_usd = _revenue(setting, probed_customers)
    drawn = figure(11.6, 7.0)
    (retention, cost), (violation, multiplier) = drawn.subplots(2, 2, sharex="col")
    prices = sorted({probe.multiplier for probe in first.probes})
    for place, price in enumerate(prices):
        at = [probe for probe in first.probes if probe.multiplier == price]
        updates = [probe.update for probe in at]
        look = {
            "color": _SHADES[place % len(_SHADES)],
            "marker": "o",
            "ms": 2.5,
            "lw": 1.4,
            "label": f"multiplier {price:g}",
        }
        nrr = [100 * (nothing_usd + probe.gain_usd) / starting_usd for probe in at]
        retention.plot(updates, nrr, **look)
        cost.plot(updates, [probe.cost_usd for probe in at], **look)
    plain = {"color": GREY, "lw": 1, "ls": "--"}
    retention.axhline(100 * nothing_usd / starting_usd, **plain)
    cost.axhline(0, label="no contacts", **plain)
    for place, (run, curves) in enumerate(runs.items()):
        updates = [one.update for one in curves.updates]
        look = {"color": _SHADES[place % len(_SHADES)], "lw": 1.2, "label": run.replace("_", " ")}
        violation.plot(updates, [one.violation_usd for one in curves.updates], **look)
        multiplier.plot(updates, [one.multiplier for one in curves.updates], **look)
    label(
        retention,
        f"{name.replace('_', ' ')}: retention, simulated",
        "",
        f"Net revenue retention, % (M = {setting.nominal.horizon_months:g} months)",
    )
    label(cost, f"{name.replace('_', ' ')}: offer cost, simulated", "", "USD per customer")
    label(violation, "Spend above the budget", "Update", "USD per customer, expected")
    label(multiplier, "Multipliers met", "Update", "Mean, dollars of value per dollar")
    for axes in (cost, multiplier):
        axes.legend(loc="center left", bbox_to_anchor=(1.02, 0.5), frameon=False, fontsize=9)
    for axes in (violation, multiplier):
        axes.set_ylim(bottom=0)
    for axes in (retention, cost):
        _mark_phases(axes, first)
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


def _revenue(setting: Setting, customers: int) -> tuple[float, float]:
    """Return expected revenue kept without contacts, and at the start, USD per customer."""
    some = setting.cohort.rows(np.arange(min(customers, len(setting.cohort))))
    starting = some.monthly_charge_usd * setting.nominal.horizon_months
    stays = (1.0 - daily_hazard(setting.nominal, some.p_churn)) ** setting.calendar.days
    return float((starting * stays).mean()), float(starting.mean())


def _mark_phases(axes: Axes, curves: LearningCurves) -> None:
    """Draw a line where the warm start ended."""
    warm = [one.update for one in curves.updates if one.phase == "distillation"]
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
