"""Plots of a classifier's predictions: confusion matrix, ROC, precision and recall."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from trainrun.artifacts import curves, score_curves
from trainrun.artifacts.figure_style import COLOURS, FAINT, INK, sheet, thinned
from trainrun.artifacts.score_curves import Curve, Ranked

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MAX_CURVES, MAX_NAMES = 10, 24


def confusion_matrix(y: np.ndarray, guess: np.ndarray, names: Sequence[str], part: str) -> Figure:
    """Counts of true against predicted class; the colour is the share of the true class."""
    counts, shown = curves.shown_confusion(y, guess, names)
    of_all = f"; of {len(names):,} classes the {len(shown)} most frequent" if len(shown) < len(names) else ""
    right, balanced = curves.accuracies(y, guess)
    names, size = shown, len(shown)
    share = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    side = min(max(0.38 * size + 2.2, 4.2), 11)
    figure, (axes,) = sheet(1, width=side + 0.6, height=side)
    image = axes.imshow(share, cmap="Blues", vmin=0, vmax=1)
    if size <= MAX_NAMES:
        long = max(map(len, names)) > 3
        axes.set_xticks(range(size), names, rotation=45 if long else 0, ha="right" if long else "center")
        axes.set_yticks(range(size), names)
        for i, j in np.ndindex(counts.shape):
            if counts[i, j]:
                colour = "white" if share[i, j] > 0.55 else INK
                text = f"{counts[i, j]:,}" if counts[i, j] < 100_000 else f"{counts[i, j]:.1e}"
                axes.text(j, i, text, ha="center", va="center", color=colour, fontsize=9)
    axes.set_xlabel("predicted")
    axes.set_ylabel("true")
    axes.set_title(
        f"{part}: {right:.1%} of {np.sum(y >= 0):,} right, {balanced:.1%} on average over the classes{of_all}",
        loc="left",
    )
    axes.grid(False)
    bar = figure.colorbar(image, ax=axes, fraction=0.046, pad=0.03)
    bar.set_label("share of the true class", size=9, color=INK)
    bar.ax.tick_params(labelsize=8, colors="#444444", length=3)
    bar.outline.set_visible(False)
    return figure


def roc(y: np.ndarray, scores: np.ndarray, names: Sequence[str], kind: str, part: str) -> Figure:
    """True against false positive rate; with several classes, each against the rest."""
    figure, (axes,) = sheet(1, width=5.4, height=4.8)
    axes.plot([0, 1], [0, 1], color=FAINT, lw=1.2, zorder=1)
    problems = curves.against_the_rest(y, scores, names, kind)
    drawn = [score_curves.roc_curve(Ranked.of(*problem)) for problem in problems]
    _draw_curves(axes, drawn, "area", drawstyle="default")
    axes.set(
        xlabel="false positive rate", ylabel="true positive rate", xlim=(-0.02, 1.02), ylim=(-0.02, 1.02)
    )
    axes.set_title(f"ROC, {part}", loc="left")
    return figure


def precision_recall(y: np.ndarray, scores: np.ndarray, names: Sequence[str], kind: str, part: str) -> Figure:
    """Precision against recall; with several classes, each against the rest."""
    figure, (axes,) = sheet(1, width=5.4, height=4.8)
    drawn = []
    for name, labels, score in curves.against_the_rest(y, scores, names, kind):
        drawn.append(score_curves.precision_recall(Ranked.of(name, labels, score)))
        if kind == "binary":
            axes.axhline(labels.mean(), color=FAINT, lw=1.2, zorder=1)
    _draw_curves(axes, drawn, "average precision", drawstyle="steps-pre")
    axes.set(xlabel="recall", ylabel="precision", xlim=(-0.02, 1.02), ylim=(-0.02, 1.02))
    axes.set_title(f"precision and recall, {part}", loc="left")
    return figure


def _draw_curves(axes: Axes, drawn: Sequence[Curve], title: str, drawstyle: str) -> None:
    """Draw named curves; of many, only the first have a colour and a name."""
    if not drawn:
        axes.text(0.5, 0.5, "only one class among the examples", ha="center", va="center", color="#777777")
    for i, curve in enumerate(drawn):
        named = i < MAX_CURVES
        label = f"{curve.name}: {curve.area:.3f}" if named else None
        colour = COLOURS[i % len(COLOURS)] if named else "#BBBBBB"
        style = "-" if i < len(COLOURS) else "--"
        axes.plot(*thinned(curve.x, curve.y), style, color=colour, lw=1.7 if named else 0.8, label=label,
                  drawstyle=drawstyle, zorder=3 if named else 2)  # fmt: skip
    if drawn:
        more = f" ({len(drawn) - MAX_CURVES} more in grey)" if len(drawn) > MAX_CURVES else ""
        axes.legend(frameon=False, fontsize=8, title=title + more, title_fontsize=8, alignment="left")
