"""Plot of a range test: loss against learning rate."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from trainrun.artifacts.figure_style import COLOURS, INK, save, sheet
from trainrun.artifacts.plots import FOLDER
from trainrun.ui import console

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from trainrun.inspect.learning_rate import Range

FILE = "learning_rate_range.png"


def write(run_dir: Path, test: Range, warn: Callable[[str], None] = console.warn) -> Path | None:
    """Draw into `plots/`; a plot that fails only causes a warning."""
    logging.getLogger("matplotlib").setLevel(logging.ERROR)
    path = Path(run_dir) / FOLDER / FILE
    try:
        figure = draw(test)
        path.parent.mkdir(parents=True, exist_ok=True)
        save(figure, path)
    except Exception as error:
        warn(f"{FOLDER}/{FILE} was not drawn ({type(error).__name__}: {error}).")
        return None
    return path


def draw(test: Range) -> Figure:
    """Draw the loss of each batch, smoothed, with its minimum, its steepest fall and the suggestion."""
    figure, (axes,) = sheet(1, width=6.4, height=4.2)
    axes.set_xscale("log")
    axes.plot(test.rates, test.losses, color="#BBBBBB", lw=1.1, label="loss of a batch", zorder=1)
    axes.plot(test.rates, test.smoothed, color=COLOURS[0], lw=2, label="smoothed")
    marks = ((test.steepest, "v", COLOURS[4], "falls fastest"), (test.lowest, "o", COLOURS[1], "lowest"))
    for index, marker, colour, name in marks if test.suggestion is not None else ():
        rate, loss = test.rates[index], test.smoothed[index]
        axes.plot(rate, loss, marker, ms=8, color=colour, ls="none", label=f"{name}: {rate:.2g}", zorder=4)
    if test.suggestion is not None:
        axes.axvline(
            test.suggestion, color=COLOURS[2], lw=1.6, ls="--", label=f"suggestion: {test.suggestion:.2g}"
        )
    # The range before the loss diverges.
    low = float(np.min(test.smoothed))
    start = float(np.median(test.losses[: max(len(test.losses) // 10, 1)]))
    room = max(start - low, 0.05 * abs(start), 1e-12)
    axes.set_ylim(low - 0.15 * room, min(float(np.max(test.losses)), start + 0.8 * room) + 0.1 * room)
    axes.set_xlabel("learning rate")
    axes.set_ylabel("loss after a step at this rate", color=INK)
    axes.yaxis.label.set(size=9)
    axes.set_title("learning-rate range test", loc="left")
    axes.legend(frameon=False, fontsize=8, loc="upper left")
    return figure
