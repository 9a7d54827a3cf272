"""The picture of a training's learning curves, drawn with Matplotlib's Agg canvas and no pyplot state.

A panel each for the loss, the metrics that end between -1 and 1, and those on other scales; training as a thin
dashed line, validation as a bold one, the best epoch marked.
"""

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

_COLORS = ("#2563eb", "#d97706", "#059669", "#c026d3", "#dc2626", "#0891b2")
_INK, _FAINT = "#1f2937", "#e5e7eb"


def draw(history: Sequence[Mapping[str, float]], target: Path | IO[bytes], *, title: str, best: int | None) -> None:
    """Draw the epochs' metrics as a PNG.

    Args:
        history: The metrics of each epoch, from the first.
        target: The file that the picture goes to.
        title: What stands above it.
        best: The index of the best epoch, None where there is none.
    """
    panels = _panels(history)
    figure = Figure(figsize=(5.2 * len(panels), 3.9), dpi=110, facecolor="white")
    canvas = FigureCanvasAgg(figure)
    figure.subplots_adjust(left=0.14 / len(panels), right=1 - 0.05 / len(panels), bottom=0.135, top=0.8, wspace=0.2)
    figure.text(0.14 / len(panels), 0.925, title, color=_INK, fontsize=12, fontweight="bold", parse_math=False)
    for number, (name, keys) in enumerate(panels, start=1):
        axes = figure.add_subplot(1, len(panels), number)
        _style(axes, name)
        for key, color in zip(keys, _COLORS, strict=False):
            _plot(axes, history, key, color)
        margin = max(0.03 * len(history), 0.1)
        axes.set_xlim(max(1 - margin, 0.5), len(history) + margin)
        if best is not None:
            _mark_best(axes, best + 1, len(history))
        axes.legend(fontsize=8.5, labelcolor=_INK, handlelength=1.6, edgecolor="none", framealpha=0.75)
    with warnings.catch_warnings():
        # A job may have a name in a script that the font lacks: boxes will do.
        warnings.filterwarnings("ignore", message="Glyph .* missing")
        canvas.print_png(target, pil_kwargs={"compress_level": 3})  # type: ignore[no-untyped-call]


def _panels(history: Sequence[Mapping[str, float]]) -> list[tuple[str, list[str]]]:
    """The keys of each panel. The learning rate is no measure of the model and has no curve."""
    seen = dict.fromkeys(key.removeprefix("val_") for row in history for key in row)
    metrics = [key for key in seen if key not in ("loss", "learning_rate")]
    small = [key for key in metrics if abs(history[-1].get(key, 0)) <= 1]
    large = [key for key in metrics if key not in small]
    panels = [("Loss", ["loss"]), ("Metrics", small), ("Metrics, other scales" if small else "Metrics", large)]
    return [(name, keys[: len(_COLORS)]) for name, keys in panels if keys]


def _style(axes: Axes, name: str) -> None:
    # A fixed height spares Matplotlib a layout of every label, a fifth of the drawing.
    axes.set_title(name, loc="left", color=_INK, fontsize=10, y=1.03)
    axes.set_xlabel("Epoch", color=_INK, fontsize=9)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=8, min_n_ticks=1))
    axes.yaxis.set_major_locator(MaxNLocator(nbins=6))
    axes.grid(axis="y", color=_FAINT, linewidth=0.8)
    axes.tick_params(colors=_INK, labelsize=8.5, length=0)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.spines["bottom"].set_color("#9ca3af")
    axes.set_axisbelow(True)


def _plot(axes: Axes, history: Sequence[Mapping[str, float]], key: str, color: str) -> None:
    name = key.replace("_", " ")
    marker = "o" if len(history) <= 30 else ""
    validated = any(f"val_{key}" in row for row in history)
    training = ("", name, 1.4, 0.55) if validated else ("", name, 2.2, 1.0)
    for prefix, label, width, alpha in (training, ("val_", f"{name}, validation", 2.2, 1.0)):
        points = [(epoch, row[prefix + key]) for epoch, row in enumerate(history, 1) if prefix + key in row]
        if points:
            axes.plot(
                *zip(*points, strict=True),
                color=color,
                linewidth=width,
                alpha=alpha,
                label=label,
                marker=marker,
                markersize=3.5,
                linestyle="-" if prefix or not validated else (0, (4, 2)),
            )


def _mark_best(axes: Axes, epoch: int, epochs: int) -> None:
    side = "right" if epoch > 0.85 * epochs else "left" if epoch < 0.15 * epochs else "center"
    axes.axvline(epoch, color="#6b7280", linewidth=0.9, linestyle=":", zorder=0.5)
    axes.annotate(
        f"best: epoch {epoch}",
        xy=(epoch, 1.0),
        xycoords=("data", "axes fraction"),
        xytext=(0, 3),
        textcoords="offset points",
        ha=side,
        fontsize=8,
        color="#6b7280",
    )
