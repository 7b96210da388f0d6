"""Pictures of a reward model's training as PNG."""

from churnsaver_assets.common.drawing import (
    BLUE,
    GREEN,
    GREY,
    ORANGE,
    Axes,
    figure,
    label,
    plain_style,
    png,
)
from churnsaver_assets.text.reward.evaluation import ALL
from churnsaver_assets.text.reward.report import RewardReport


@plain_style
def learning_curves_png(report: RewardReport) -> bytes:
    """Draw held-out accuracy over LoRA's steps, and the probe's over the number of training pairs.

    Where only the probe was trained, the second stands alone.

    Args:
        report: Report of the training.
    """
    if report.curves is None:
        drawn = figure(5.8, 3.6)
        _sizes(drawn.subplots(), report)
        return png(drawn)
    drawn = figure(11.6, 3.6)
    steps, sizes = drawn.subplots(1, 2)
    points = report.curves.held_out
    steps.plot(
        [point.step for point in points],
        [point.accuracy for point in points],
        color=BLUE,
        marker="o",
        ms=3,
        lw=1.4,
    )
    label(
        steps,
        f"LoRA from the probe: {report.curves.watched_pairs} held-out pairs",
        "Step",
        "Accuracy",
    )
    losses = steps.twinx()
    losses.plot(
        [point.step for point in points],
        [point.loss for point in points],
        color=ORANGE,
        marker="o",
        ms=3,
        lw=1.0,
    )
    losses.set_ylabel("Loss, nats per pair", color=ORANGE)
    losses.spines[["top"]].set_visible(False)
    _sizes(sizes, report)
    return png(drawn)


def _sizes(axes: Axes, report: RewardReport) -> None:
    """Draw the size curve with 95 % intervals by prompt."""
    points = report.size_curve
    means = [point.accuracy.mean for point in points]
    axes.errorbar(
        [point.pairs for point in points],
        means,
        yerr=[
            [point.accuracy.mean - point.accuracy.low for point in points],
            [point.accuracy.high - point.accuracy.mean for point in points],
        ],
        color=GREEN,
        marker="o",
        ms=4,
        lw=1.4,
        capsize=3,
        label="probe",
    )
    axes.axhline(
        report.probe[ALL].length_only_accuracy, color=GREY, ls="--", lw=1, label="length alone"
    )
    axes.legend(frameon=False, fontsize=8)
    label(
        axes,
        f"Probe: {report.probe[ALL].pairs} held-out pairs",
        "Training pairs",
        "Accuracy",
    )
