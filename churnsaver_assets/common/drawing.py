"""The look of pictures: figure, axes, colours, PNG bytes. Drawn on `Figure` alone, never pyplot."""

import io
from collections.abc import Callable
from functools import wraps
from typing import Any, ParamSpec

Axes = Any  # matplotlib has no complete types
Arguments = ParamSpec("Arguments")

BLUE, ORANGE, GREEN, GREY, PURPLE = "#1f5fa8", "#d9731a", "#3a8a5f", "#8a8f98", "#7a4fa3"
_DPI = 130


def plain_style(draw: Callable[Arguments, bytes]) -> Callable[Arguments, bytes]:
    """Make a picture's bytes independent of the process's matplotlib style.

    causalml sets a style of its own when it is imported.

    Args:
        draw: Function that draws a picture, from its figure to its bytes.
    """

    @wraps(draw)
    def drawn(*args: Arguments.args, **kwargs: Arguments.kwargs) -> bytes:
        from matplotlib import style

        with style.context("default"):
            return draw(*args, **kwargs)

    return drawn


def figure(width: float, height: float) -> Any:  # noqa: ANN401 - untyped library
    """Return an empty figure, its sides in inches."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    result = Figure(figsize=(width, height), dpi=_DPI, layout="constrained")
    FigureCanvasAgg(result)
    return result


def label(axes: Axes, title: str, x: str, y: str) -> None:
    """Set title, axis labels and grid, and take the box away."""
    axes.set_title(title, loc="left", fontsize=10, fontweight="bold")
    axes.set_xlabel(x)
    axes.set_ylabel(y)
    axes.grid(visible=True, color="#e3e5e8", lw=0.7)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)


def png(drawn: Any) -> bytes:  # noqa: ANN401 - untyped library
    """Return the picture's bytes; equal figures are equal bytes."""
    buffer = io.BytesIO()
    drawn.savefig(buffer, format="png", metadata={"Software": None})
    return buffer.getvalue()
