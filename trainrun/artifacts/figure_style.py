"""The common style of all plots: panels, colours, and the number of points. Objects of matplotlib, not pyplot."""

from __future__ import annotations

import math
import warnings
from typing import TYPE_CHECKING

import numpy as np

from trainrun.util import paths

if TYPE_CHECKING:
    from pathlib import Path

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Okabe and Ito's colours, which colour-blind readers can distinguish, too.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#5F5F5F", "#A6761D")
INK, FAINT, GOOD, BAD = "#222222", "#D9D9D9", "#009E73", "#C0392B"
MAX_POINTS = 5000


def sheet(n: int, width: float, height: float, columns: int = 3) -> tuple[Figure, list[Axes]]:
    """Return a figure with `n` panels, `columns` in a row, each `width` by `height` inches."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    columns = min(columns, n)
    rows = math.ceil(n / columns)
    figure = Figure(figsize=(columns * width, rows * height), layout="constrained", facecolor="white")
    FigureCanvasAgg(figure)
    panels = [figure.add_subplot(rows, columns, i + 1) for i in range(n)]
    for axes in panels:
        axes.spines[["top", "right"]].set_visible(False)
        axes.spines[["left", "bottom"]].set_color("#888888")
        axes.grid(True, color="#ECECEC", lw=0.8)
        axes.set_axisbelow(True)
        axes.tick_params(colors="#444444", labelsize=8, length=3)
        axes.xaxis.label.set(color=INK, size=9)
        axes.yaxis.label.set(color=INK, size=9)
        axes.title.set(color=INK)
        axes.set_title("", loc="left", color=INK)  # a later title keeps the colour
    return figure, panels


def save(figure: Figure, path: Path) -> None:
    """Write a figure as PNG; readers, as the delivery to trackers, see the old file or the new one."""
    with paths.whole(path) as new, warnings.catch_warnings():
        # Names of classes in letters that the font lacks, which is boxes in the picture.
        warnings.filterwarnings("ignore", r"Glyph \d+ .* missing from font", UserWarning)
        figure.savefig(new, format="png", dpi=120, metadata={"Software": "trainrun"})


def thinned(*columns: np.ndarray) -> tuple[np.ndarray, ...]:
    """Return at most `MAX_POINTS` of the points, evenly spaced, with the first and the last one."""
    if len(columns[0]) <= MAX_POINTS:
        return columns
    keep = np.unique(np.linspace(0, len(columns[0]) - 1, MAX_POINTS).astype(int))
    return tuple(column[keep] for column in columns)
