"""Plots of the text models' evaluation as PNG: rules broken, win-rates, best-of-n."""

import numpy as np

from churnsaver_assets.common.drawing import (
    BLUE,
    GREEN,
    GREY,
    ORANGE,
    PURPLE,
    figure,
    label,
    plain_style,
    png,
)
from churnsaver_assets.common.estimates import Interval
from churnsaver_assets.text.judging.report import TextEvaluation

_COLOURS = {"sft": GREY, "rejection": ORANGE, "ppo": BLUE}


@plain_style
def breaches_png(evaluation: TextEvaluation) -> bytes:
    """Draw the share of each policy's bodies that pass, and that break each rule."""
    policies = evaluation.policies
    rules = sorted({rule for one in policies.values() for rule in one.breaches})
    rows = ["strict pass", *rules]
    drawn = figure(7.4, 1.6 + 0.5 * len(rows))
    axes = drawn.subplots()
    height = 0.8 / len(policies)
    for place, (name, one) in enumerate(policies.items()):
        at = np.arange(len(rows)) + height * (place - (len(policies) - 1) / 2)
        passed = one.strict_pass_rate.scaled(100)
        shares = [passed.mean, *(100 * one.breaches.get(rule, 0.0) for rule in rules)]
        axes.barh(at, shares, height, color=_COLOURS[name], label=name)
        axes.errorbar(passed.mean, at[0], xerr=_bars([passed]), color="black", lw=1, capsize=2)
    axes.set_yticks(np.arange(len(rows)), labels=[row.replace("_", " ") for row in rows])
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.set_xlim(0, 100)
    label(
        axes,
        f"Bodies that pass, and rules broken ({evaluation.prompts} held-out prompts)",
        "% of bodies at temperature 1 (95 % interval of the pass rate)",
        "",
    )
    drawn.legend(loc="outside lower center", ncols=len(policies), frameon=False)
    return png(drawn)


@plain_style
def win_rates_png(evaluation: TextEvaluation) -> bytes:
    """Draw the win-rates of every comparison with their intervals, by definition of a win."""
    names = list(evaluation.comparisons)
    drawn = figure(7.4, 1.8 + 0.62 * len(names))
    axes = drawn.subplots()
    axes.axvline(50, color=GREY, lw=1, ls="--")
    found = list(evaluation.comparisons.values())
    series = {
        "what would be sent": (BLUE, "o", [one.sent.win_rate for one in found]),
        "gold judge": (GREEN, "s", [one.gold.length_controlled.win_rate for one in found]),
        "rules alone": (ORANGE, "D", [one.rules.win_rate for one in found]),
        "reward model alone": (PURPLE, "^", [one.reward_model.win_rate for one in found]),
    }
    for place, (text, (colour, marker, rates)) in enumerate(series.items()):
        scaled = [rate.scaled(100) for rate in rates]
        axes.errorbar(
            [rate.mean for rate in scaled],
            np.arange(len(names)) + 0.17 * (place - 1.5),
            xerr=_bars(scaled),
            color=colour,
            marker=marker,
            lw=0,
            elinewidth=1.4,
            ms=5,
            label=text,
        )
    axes.set_yticks(np.arange(len(names)), labels=[name.replace("_", " ") for name in names])
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.set_xlim(0, 100)
    label(
        axes,
        f"Win-rates on the same {evaluation.prompts} held-out prompts",
        "% won, ties half (95 % interval by prompt)",
        "",
    )
    drawn.legend(loc="outside lower center", ncols=4, frameon=False, fontsize=9)
    return png(drawn)


@plain_style
def best_of_n_png(evaluation: TextEvaluation) -> bytes:
    """Draw strict pass and win-rate over SFT against KL: best-of-n beside the trained policies.

    Raises:
        ValueError: Best-of-n wasn't run.
    """
    if evaluation.best_of_n is None:
        raise ValueError("best-of-n wasn't run: name sizes in judge.best_of to draw it")
    rows = evaluation.best_of_n.rows
    drawn = figure(9.6, 3.8)
    left, right = drawn.subplots(1, 2, sharex=True)
    kl = [row.kl_bound for row in rows]
    for axes, rates, text in (
        (left, [row.strict_pass_rate for row in rows], "Strict pass"),
        (right, [row.over_sft.sent.win_rate for row in rows], "Win-rate over SFT"),
    ):
        scaled = [rate.scaled(100) for rate in rates]
        means = [rate.mean for rate in scaled]
        axes.errorbar(kl, means, yerr=_bars(scaled), color=GREEN, marker="o", label="best of n")
        for row, mean in zip(rows, means, strict=True):
            axes.annotate(f" {row.n}", (row.kl_bound, mean), fontsize=8, va="bottom")
        axes.set_ylim(0, 104)
        label(axes, f"{text}, %", "KL to the model both begin at, nats per message", "")
    ppo, versus = evaluation.policies["ppo"], evaluation.comparisons["ppo_over_sft"]
    for axes, rate in ((left, ppo.strict_pass_rate), (right, versus.sent.win_rate)):
        axes.errorbar(
            evaluation.best_of_n.ppo_kl_per_message,
            100 * rate.mean,
            yerr=_bars([rate.scaled(100)]),
            color=_COLOURS["ppo"],
            marker="s",
            lw=0,
            elinewidth=1.4,
            label="ppo",
        )
    drawn.legend(
        *left.get_legend_handles_labels(), loc="outside lower center", ncols=3, frameon=False
    )
    return png(drawn)


def _bars(rates: list[Interval]) -> list[list[float]]:
    """Return the lengths of error bars below and above, shape (2, n)."""
    return [
        [max(rate.mean - rate.low, 0.0) for rate in rates],
        [max(rate.high - rate.mean, 0.0) for rate in rates],
    ]
