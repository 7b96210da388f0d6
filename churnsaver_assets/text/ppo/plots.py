"""Pictures of PPO on text, as PNG."""

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
from churnsaver_assets.text.ppo.curves import PpoTextCurves


@plain_style
def ppo_curves_png(curves: PpoTextCurves, kl_target: float) -> bytes:
    """Draw rewards, pass rates, KL with its weight, length, entropy and values by iteration.

    Args:
        curves: Curves of at least one iteration.
        kl_target: Target of the KL, nats per token.
    """
    drawn = figure(11.6, 6.6)
    (reward, passed, kl), (tokens, entropy, values) = drawn.subplots(2, 3, sharex=True)
    _draw(reward, curves, {"reward": ("total", BLUE)} | _PARTS)
    label(reward, "Rewards of a message", "", "Mean")
    _draw(
        passed,
        curves,
        {"strict_pass_rate": ("breaks no rule", BLUE), "finished_rate": ("finished", GREY)},
    )
    passed.set_ylim(0.0, 1.02)
    label(passed, "Samples at training's temperature", "", "Share")
    _draw(kl, curves, {"kl": ("k1", BLUE), "kl_k3": ("k3", PURPLE)})
    kl.axhline(kl_target, color=GREY, lw=1, ls="--", label="target")
    beside = kl.twinx()
    _draw(beside, curves, {"beta": ("beta (right)", ORANGE)}, legend=False)
    beside.spines[["top"]].set_visible(False)
    label(kl, "KL to the reference", "", "Nats a token")
    handles = [*kl.get_lines(), *beside.get_lines()]
    kl.legend(handles=handles, frameon=False, fontsize=8)
    _draw(tokens, curves, {"tokens": ("tokens", BLUE)}, legend=False)
    tokens.set_ylim(bottom=0)
    label(tokens, "Length", "Iteration", "Tokens a message")
    _draw(entropy, curves, {"entropy": ("entropy", BLUE)}, legend=False)
    entropy.set_ylim(bottom=0)
    label(entropy, "Entropy", "Iteration", "Nats a token")
    _draw(
        values,
        curves,
        {
            "explained_variance": ("explained variance", BLUE),
            "clip_share": ("clipped tokens", ORANGE),
        },
    )
    values.set_ylim(-1.0, 1.02)
    label(values, "Value head and clipping", "Iteration", "Share")
    return png(drawn)


_PARTS = {
    "reward_model": ("reward model", ORANGE),
    "safety": ("safety", GREEN),
    "brevity": ("brevity", PURPLE),
}


def _draw(
    axes: Axes, curves: PpoTextCurves, shown: dict[str, tuple[str, str]], *, legend: bool = True
) -> None:
    """Draw lines of some figures, by field: name and colour."""
    iterations = [one.iteration for one in curves.figures]
    for field, (name, colour) in shown.items():
        drawn = [getattr(one, field) for one in curves.figures]
        axes.plot(iterations, drawn, color=colour, lw=1.3, label=name)
    if legend:
        axes.legend(frameon=False, fontsize=8)
