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

# Of an image's place among others, in widths of a place: its height, with the label, and the empty edge around the image.
HEIGHT, GAP = 1.3, 0.04
LONGEST = 20  # characters of a line of a label


def images(
    x: np.ndarray, y: np.ndarray, scores: np.ndarray, guess: np.ndarray, names: Sequence[str], part: str
) -> Figure:
    """The first examples, then the most confident mistakes; each with its true and, if different, its predicted label."""
    columns, guess = 8, guess.ravel()
    y = np.asarray(y).ravel().astype(int)
    first = np.arange(min(2 * columns, len(y)))
    wrong = np.flatnonzero(guess != y)
    wrong = wrong[np.argsort(-scores.reshape(len(y), -1).max(-1)[wrong], kind="stable")][:columns]
    begin = math.ceil(len(first) / columns)
    rows = begin + (1 if len(wrong) else 0)
    # One panel for all: matplotlib takes ten times as long to lay out one for each.
    figure, (axes,) = sheet(1, width=1.25 * columns, height=1.62 * rows + 0.35)
    axes.set(xlim=(0, columns), ylim=(rows * HEIGHT, 0))
    axes.set_axis_off()
    for place, i in [*enumerate(first), *enumerate(wrong, begin * columns)]:
        row, column = divmod(place, columns)
        left, top = column + GAP, row * HEIGHT + HEIGHT - 1 + GAP
        _picture(axes, x[i], (left, left + 1 - 2 * GAP, top + 1 - 2 * GAP, top))
        good = guess[i] == y[i]
        true, predicted = _short(names[y[i]]), _short(names[guess[i]])
        text = true if good else f"{true} → {predicted}"
        if len(text) > LONGEST:
            text = text.replace(" → ", "\n→ ")
        size, colour = 8 if len(text) < 16 else 6, GOOD if good else BAD
        axes.text(column + 0.5, top - GAP, text, ha="center", va="bottom", fontsize=size, color=colour)
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


def _short(name: str) -> str:
    return name if len(name) < LONGEST else f"{name[: LONGEST - 2]}…"


def _picture(axes: Axes, image: np.ndarray, extent: tuple[float, float, float, float] | None = None) -> None:
    """Draw an image; `extent` is its place in the panel, (left, right, bottom, top), into which it fits with its own shape."""
    image = np.asarray(image, dtype=np.float64)
    low, high = np.nanmin(image), np.nanmax(image)
    image = (image - low) / (high - low or 1.0)  # the image may be standardized
    if image.ndim == 3 and image.shape[-1] not in (3, 4):
        image = image[..., 0]
    if extent is not None:
        left, right, bottom, top = extent
        height, width = image.shape[:2]
        across, down = (
            (right - left) * min(1, width / height) / 2,
            (bottom - top) * min(1, height / width) / 2,
        )
        middle = (left + right) / 2
        extent = (middle - across, middle + across, bottom, bottom - 2 * down)
    axes.imshow(image, cmap="gray", vmin=0, vmax=1, interpolation="nearest", extent=extent, aspect="equal")
    if extent is not None:
        axes.autoscale(False)
