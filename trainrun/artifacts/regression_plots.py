"""Plots of a regression's predictions: predicted against true values, and residuals."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from trainrun.artifacts.curves import finite_rows
from trainrun.artifacts.figure_style import COLOURS, sheet, thinned

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def predicted_vs_true(y: np.ndarray, p: np.ndarray, part: str) -> Figure:
    """Predictions against true values; on the line they are equal."""
    y, p = _columns(y, p)
    figure, panels = sheet(min(y.shape[1], 6), width=5.0, height=4.6)
    for i, axes in enumerate(panels):
        true, guess = thinned(y[:, i], p[:, i])
        low, high = min(true.min(), guess.min()), max(true.max(), guess.max())
        pad = 0.04 * (high - low or 1.0)
        axes.plot([low - pad, high + pad], [low - pad, high + pad], color="#999999", lw=1.2, zorder=1)
        axes.scatter(true, guess, s=14, alpha=0.55, color=COLOURS[0], linewidths=0)
        spread = float(np.sum((y[:, i] - y[:, i].mean()) ** 2))
        r2 = 1 - float(np.sum((y[:, i] - p[:, i]) ** 2)) / spread if spread else float("nan")
        axes.set(
            xlabel="true", ylabel="predicted", xlim=(low - pad, high + pad), ylim=(low - pad, high + pad)
        )
        which = f", output {i}" if y.shape[1] > 1 else ""
        axes.set_title(f"{part}{which}: R² = {r2:.3f}", loc="left")
    return figure


def residuals(y: np.ndarray, p: np.ndarray, part: str) -> Figure:
    """Residuals against predictions, and their distribution."""
    y, p = _columns(y, p)
    left = p - y
    figure, (scatter, histogram) = sheet(2, width=4.8, height=4.0)
    for i in range(min(y.shape[1], len(COLOURS))):
        guess, rest = thinned(p[:, i], left[:, i])
        label = f"output {i}" if y.shape[1] > 1 else None
        scatter.scatter(guess, rest, s=14, alpha=0.55, color=COLOURS[i], linewidths=0, label=label)
        bins = min(max(int(math.sqrt(len(left))), 8), 60)
        histogram.hist(left[:, i], bins=bins, color=COLOURS[i], alpha=0.75, label=label)
    scatter.axhline(0, color="#999999", lw=1.2)
    scatter.set(xlabel="predicted", ylabel="predicted − true")
    scatter.set_title(f"residuals, {part}", loc="left")
    histogram.axvline(0, color="#999999", lw=1.2)
    histogram.set(xlabel="predicted − true", ylabel="examples")
    histogram.set_title(f"mean {left.mean():.3g}, standard deviation {left.std():.3g}", loc="left")
    if y.shape[1] > 1:
        scatter.legend(frameon=False, fontsize=8)
    return figure


def _columns(y: np.ndarray, p: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    y, p = finite_rows(y, p)
    if not len(y):
        raise ValueError("no prediction is a finite number")
    return y, p
