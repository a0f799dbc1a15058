"""Plots of images with their true and predicted labels or masks."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from trainrun.artifacts.figure_style import BAD, GOOD, sheet

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def images(
    x: np.ndarray, y: np.ndarray, scores: np.ndarray, guess: np.ndarray, names: Sequence[str], part: str
) -> Figure:
    """The first examples, then the most confident mistakes; each with its true and, if different, its predicted label."""
    columns, guess = 8, guess.ravel()
    y = np.asarray(y).ravel().astype(int)
    first = np.arange(min(2 * columns, len(y)))
    wrong = np.flatnonzero(guess != y)
    wrong = wrong[np.argsort(-scores.reshape(len(y), -1).max(-1)[wrong], kind="stable")][:columns]
    rows = math.ceil(len(first) / columns) + (1 if len(wrong) else 0)
    figure, panels = sheet(rows * columns, width=1.25, height=1.62, columns=columns)
    begin = math.ceil(len(first) / columns) * columns
    places = [*zip(range(len(first)), first, strict=True)]
    places += [*zip(range(begin, begin + len(wrong)), wrong, strict=True)]
    for axes in panels:
        axes.set_axis_off()
    for place, i in places:
        axes = panels[place]
        _picture(axes, x[i])
        good = guess[i] == y[i]
        text = names[y[i]] if good else f"{names[y[i]]} → {names[guess[i]]}"
        axes.set_title(text, fontsize=8 if len(text) < 16 else 6, color=GOOD if good else BAD, pad=3)
    shown = f"{part}: the first {len(first)}"
    shown += (
        f", then the {len(wrong)} most confident mistakes (true → predicted)"
        if len(wrong)
        else "; no mistakes"
    )
    figure.suptitle(shown, x=0.01, ha="left", fontsize=10)
    return figure


def masks(x: np.ndarray, y: np.ndarray, guess: np.ndarray, names: Sequence[str], part: str) -> Figure:
    """Image, true mask and predicted mask of some examples."""
    n = min(4, len(x))
    y = np.asarray(y).reshape(len(x), *guess.shape[1:])
    figure, panels = sheet(3 * n, width=2.1, height=2.2, columns=3)
    for i in range(n):
        row = panels[3 * i : 3 * i + 3]
        _picture(row[0], x[i])
        for axes, mask in zip(row[1:], (y[i], guess[i]), strict=True):
            axes.imshow(mask, cmap="viridis", vmin=0, vmax=max(len(names) - 1, 1), interpolation="nearest")
        right = float((y[i] == guess[i]).mean())
        titles = (
            ("image", "true", f"predicted, {right:.1%} of pixels") if i == 0 else ("", "", f"{right:.1%}")
        )
        for axes, title in zip(row, titles, strict=True):
            axes.set_axis_off()
            axes.set_title(title, fontsize=9)
    figure.suptitle(part, x=0.01, ha="left", fontsize=10)
    return figure


def _picture(axes: Axes, image: np.ndarray) -> None:
    image = np.asarray(image, dtype=np.float64)
    low, high = np.nanmin(image), np.nanmax(image)
    image = (image - low) / (high - low or 1.0)  # the image may be standardized
    if image.ndim == 3 and image.shape[-1] not in (3, 4):
        image = image[..., 0]
    axes.imshow(image, cmap="gray", vmin=0, vmax=1, interpolation="nearest")
