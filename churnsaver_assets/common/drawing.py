"""How pictures look: figure, axes, colours, PNG bytes. Drawn on `Figure` alone, never pyplot."""

import io
from typing import Any

Axes = Any  # matplotlib has no complete types

BLUE, ORANGE, GREEN, GREY, PURPLE = "#1f5fa8", "#d9731a", "#3a8a5f", "#8a8f98", "#7a4fa3"
_DPI = 130


def figure(width: float, height: float) -> Any:  # noqa: ANN401 - untyped library
    """An empty figure, in inches."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    result = Figure(figsize=(width, height), dpi=_DPI, layout="constrained")
    FigureCanvasAgg(result)
    return result


def label(axes: Axes, title: str, x: str, y: str) -> None:
    """Title, axis labels, grid, no box."""
    axes.set_title(title, loc="left", fontsize=10, fontweight="bold")
    axes.set_xlabel(x)
    axes.set_ylabel(y)
    axes.grid(visible=True, color="#e3e5e8", lw=0.7)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)


def png(drawn: Any) -> bytes:  # noqa: ANN401 - untyped library
    """The picture's bytes; equal figures are equal bytes."""
    buffer = io.BytesIO()
    drawn.savefig(buffer, format="png", metadata={"Software": None})
    return buffer.getvalue()
