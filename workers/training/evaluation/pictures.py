"""The pictures of an evaluation: a confusion matrix, counts of labels, residuals. Matplotlib's Agg, no pyplot state.

Drawn like the learning curves. What is drawn was counted elsewhere.
"""

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from workers.training.columns import Array

MOST_CLASSES = 30
MOST_TARGETS = 8
_MOST_POINTS = 5000
_LONGEST_NAME, _LONGEST_TITLE = 18, 70
_LETTER, _TITLE_LETTER = 0.075, 0.11
"""Inches that a letter of a name, and of a title, takes."""
_INK, _FAINT, _MUTED = "#1f2937", "#e5e7eb", "#6b7280"
_BLUE, _AMBER = "#2563eb", "#d97706"
_SHADES = LinearSegmentedColormap.from_list("hornbeam", ["#ffffff", "#bfdbfe", _BLUE, "#1e3a8a"])
_LABEL: Mapping[str, Any] = {"color": _INK, "fontsize": 8.5, "parse_math": False}
_GAP = 0.07
"""Inches between the cells and their names."""
_DARK = 0.45
"""Shares from which on a cell is dark enough for white digits."""


def draw_confusion(counts: Array, classes: Sequence[str], path: Path, *, title: str) -> None:
    """Draw a confusion matrix: true classes down, predicted ones across."""
    draw_counts(counts, (classes, classes), path, title=title, axis_names=("True", "Predicted"))


def draw_counts(
    counts: Array,
    names: tuple[Sequence[str], Sequence[str]],
    target: Path | IO[bytes],
    *,
    title: str,
    axis_names: tuple[str, str] = ("", ""),
) -> None:
    """Draw a table of counts, each cell shaded by its share of its row.

    Args:
        counts: (rows, columns).
        names: Of the rows, and of the columns.
        target: The file that the PNG goes to.
        title: What stands above it.
        axis_names: What the rows are together, and what the columns are.
    """
    rows, columns = ([_short(name) for name in side] for side in names)
    cell = 0.72 if len(columns) <= 12 else 0.42
    slant = _is_slanted(columns, cell)
    left = _LETTER * max(map(len, rows)) + 0.4
    below = (0.72 * _LETTER * max(map(len, columns)) if slant else 0.1) + 0.45
    inside = cell * len(columns), max(0.8 * cell * len(rows), 1.2)
    figure, axes = _figure((left + inside[0] + 0.25, below + inside[1] + 0.6), title, (left, below, *inside))
    _shade(axes, counts, font_size=8.5 if cell > 0.5 else 6.5)
    gap = _GAP / cell
    for place, name in enumerate(rows):
        axes.text(-gap, place + 0.5, name, ha="right", va="center", **_LABEL)
    turned: dict[str, Any] = {"rotation": 45, "ha": "right", "rotation_mode": "anchor"} if slant else {"ha": "center"}
    for place, name in enumerate(columns):
        axes.text(place + 0.5, len(rows) + gap, name, va="top", **turned, **_LABEL)
    width, height = figure.get_size_inches()
    middle = (left + inside[0] / 2) / width, (below + inside[1] / 2) / height
    figure.text(0.2 / width, middle[1], axis_names[0], rotation=90, va="center", color=_MUTED, fontsize=9)
    figure.text(middle[0], 0.15 / height, axis_names[1], ha="center", color=_MUTED, fontsize=9)
    _save(figure, target)


def _shade(axes: Axes, counts: Array, font_size: float) -> None:
    """The cells: row 0 above, each cell as wide and high as 1."""
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    # No ticks: each is half a dozen objects of Matplotlib's, and they took most of the time of a picture.
    axes.set_axis_off()
    axes.pcolormesh(shares, cmap=_SHADES, vmin=0, vmax=1, edgecolors=_FAINT, linewidth=0.5)
    axes.set_xlim(0, counts.shape[1])
    axes.set_ylim(counts.shape[0], 0)
    for (row, column), count in np.ndenumerate(counts):
        if count:
            color = "white" if shares[row, column] > _DARK else _INK
            text = _compact(int(count))
            axes.text(column + 0.5, row + 0.5, text, ha="center", va="center", color=color, fontsize=font_size)


def draw_residuals(true: Array, predicted: Array, path: Path, *, title: str) -> None:
    """Draw predicted over true numbers, and how their differences are distributed.

    Args:
        true: Finite, (numbers,), at least one.
        predicted: Likewise.
        path: The PNG.
        title: What stands above it.
    """
    figure, axes = _figure((9.4, 4.1), title, (0.75, 0.6, 3.5, 2.75))
    _scatter(axes, true, predicted)
    beside = figure.add_axes((5.2 / 9.4, 0.6 / 4.1, 4.0 / 9.4, 2.75 / 4.1))
    _histogram(beside, true.astype(np.float64) - predicted)
    _save(figure, path)


def _scatter(axes: Axes, true: Array, predicted: Array) -> None:
    step = -(-len(true) // _MOST_POINTS)
    low, high = float(min(true.min(), predicted.min())), float(max(true.max(), predicted.max()))
    margin = 0.04 * (high - low) or 0.5
    axes.plot([low, high], [low, high], color=_MUTED, linewidth=1, linestyle=(0, (4, 2)), zorder=1)
    axes.scatter(true[::step], predicted[::step], s=14, color=_BLUE, alpha=0.5, linewidths=0, zorder=2)
    axes.set_xlim(low - margin, high + margin)
    axes.set_ylim(low - margin, high + margin)
    _style(axes, "Predicted over true", "True", "Predicted")


def _histogram(axes: Axes, residuals: Array) -> None:
    bins = int(np.clip(np.sqrt(len(residuals)), 8, 60))
    axes.hist(residuals, bins=bins, color=_BLUE, alpha=0.75)
    axes.axvline(0, color=_MUTED, linewidth=1, linestyle=(0, (4, 2)))
    mean = float(residuals.mean())
    axes.axvline(mean, color=_AMBER, linewidth=1.6, label=f"mean {mean:.3g}")
    axes.legend(fontsize=8.5, labelcolor=_INK, handlelength=1.6, edgecolor="none", framealpha=0.75)
    _style(axes, "Residuals", "True minus predicted", "Rows")


def _style(axes: Axes, name: str, across: str, up: str) -> None:
    axes.set_title(name, loc="left", color=_INK, fontsize=10, y=1.03)
    axes.set_xlabel(across, color=_INK, fontsize=9)
    axes.set_ylabel(up, color=_INK, fontsize=9)
    axes.xaxis.set_major_locator(MaxNLocator(nbins=6))
    axes.yaxis.set_major_locator(MaxNLocator(nbins=6))
    axes.grid(color=_FAINT, linewidth=0.8)
    axes.tick_params(colors=_INK, labelsize=8.5, length=0)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.spines["bottom"].set_color("#9ca3af")
    axes.set_axisbelow(True)


def _figure(size: tuple[float, float], title: str, panel: tuple[float, float, float, float]) -> tuple[Figure, Axes]:
    """A figure with one panel: its left, bottom, width and height, all in inches; wider where the title is."""
    title = title if len(title) <= _LONGEST_TITLE else title[: _LONGEST_TITLE - 1] + "…"
    width, height = max(size[0], 0.4 + _TITLE_LETTER * len(title)), size[1]
    left, bottom, across, up = panel
    figure = Figure(figsize=(width, height), dpi=110, facecolor="white")
    at = 0.2 / width
    figure.text(at, 1 - 0.32 / height, title, color=_INK, fontsize=12, fontweight="bold", parse_math=False)
    return figure, figure.add_axes((left / width, bottom / height, across / width, up / height))


def _save(figure: Figure, target: Path | IO[bytes]) -> None:
    canvas = FigureCanvasAgg(figure)
    with warnings.catch_warnings():
        # A class may have a name in a script that the font lacks: boxes will do.
        warnings.filterwarnings("ignore", message="Glyph .* missing")
        canvas.print_png(target, pil_kwargs={"compress_level": 3})  # type: ignore[no-untyped-call]


def _is_slanted(names: Sequence[str], cell: float) -> bool:
    """Whether names are too long to stand side by side."""
    return max(map(len, names)) * _LETTER > cell


def _short(name: str) -> str:
    return name if len(name) <= _LONGEST_NAME else name[: _LONGEST_NAME - 1] + "…"


def _compact(count: int) -> str:
    """At most four characters: `999`, `12k`, `3M`."""
    for size, unit in ((10**6, "M"), (10**3, "k")):
        if count >= 10 * size or (unit == "M" and count >= size):
            return f"{count // size}{unit}"
    return str(count)
