"""Plots of a run: the learning curves, and those that suit the task."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from trainrun.artifacts import curves
from trainrun.artifacts.classification_plots import confusion_matrix, precision_recall, roc
from trainrun.artifacts.figure_style import COLOURS, save, sheet
from trainrun.artifacts.image_plots import images, masks
from trainrun.artifacts.learning_curves import panels
from trainrun.artifacts.regression_plots import predicted_vs_true, residuals
from trainrun.ui import console
from trainrun.util.rate_columns import is_rate

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from trainrun.data.dataset import Dataset, Split

FOLDER = "plots"


def write(
    run_dir: str | Path,
    history: Mapping[str, Sequence[float]],
    dataset: Dataset | None = None,
    split: Split | None = None,
    predictions: Any = None,
    part: str = "validation",
    metrics: Mapping[str, Any] | None = None,
    warn: Callable[[str], None] = console.warn,
) -> list[Path]:
    """Draw the plots that suit the task into `plots/`; a plot that fails only causes a warning.

    Args:
        run_dir: the run's directory.
        history: metric -> one number per epoch.
        dataset: of the run; None: learning curves only.
        split: the predicted examples, `y` as in `TargetSpec`.
        predictions: of `split`, in its order: probabilities (binary `[n]` or `[n, 1]`, multiclass
            `[n, classes]`, multilabel `[n, labels]`, segmentation the same per pixel) or real numbers
            (`[n, outputs]`); of several outputs, a dict of these by name.
        part: name of the split, for titles.
        metrics: the config's `metric` node, for the direction of each metric.
        warn: prints a line to the user.

    Returns:
        The files written.
    """
    # Keeps "building the font cache" off the terminal.
    logging.getLogger("matplotlib").setLevel(logging.ERROR)
    folder = Path(run_dir) / FOLDER
    written = []
    for name, draw in _plots(history, dataset, split, predictions, part, metrics):
        try:
            # Not the run's directory, which may be moved or removed while plots are drawn.
            folder.mkdir(exist_ok=True)
            figure = draw()
            path = folder / f"{name}.png"
            save(figure, path)
            written.append(path)
        except Exception as error:
            warn(f"plots/{name}.png was not drawn ({type(error).__name__}: {error}).")
    return written


def _plots(
    history: Mapping[str, Sequence[float]],
    dataset: Dataset | None,
    split: Split | None,
    predictions: Any,
    part: str,
    metrics: Mapping[str, Any] | None,
) -> Iterator[tuple[str, Callable[[], Figure]]]:
    if any(len(v) for v in history.values()):
        yield "curves", lambda: learning_curves(history, metrics)
    if dataset is None or split is None or predictions is None or not len(split):
        return
    for output, one in dataset.each().items():
        labels, predicted = (split.output(output), predictions[output]) if output else (split, predictions)
        for name, draw in _of_target(one, labels, predicted, part):
            yield f"{output}_{name}" if output else name, draw


def _of_target(
    dataset: Dataset, split: Split, predictions: np.ndarray, part: str
) -> Iterator[tuple[str, Callable[[], Figure]]]:
    target, y = dataset.target, split.y
    p = curves.precise(predictions)
    image = next((i for i in dataset.inputs if i.kind == "image"), None)
    x = None if image is None else (split.x[image.name] if isinstance(split.x, dict) else split.x)
    names = target.class_names
    if target.kind == "real":
        yield "predicted_vs_true", lambda: predicted_vs_true(y, p, part)
        yield "residuals", lambda: residuals(y, p, part)
    elif target.kind in ("binary", "multiclass", "multilabel"):
        scores = curves.per_class(p, target.kind)
        if target.kind != "multilabel":
            yield "confusion_matrix", lambda: confusion_matrix(y, curves.decided(scores, target), names, part)
        yield "roc", lambda: roc(y, scores, names, target.kind, part)
        yield "precision_recall", lambda: precision_recall(y, scores, names, target.kind, part)
        if x is not None and target.kind != "multilabel":
            if target.shape:
                yield "masks", lambda: masks(x, y, curves.decided(scores, target), names, part)
            else:
                yield "images", lambda: images(x, y, scores, curves.decided(scores, target), names, part)


def learning_curves(
    history: Mapping[str, Sequence[float]], metrics: Mapping[str, Any] | None = None
) -> Figure:
    """Draw a panel for each of a run's learning curves, training and validation in each; see `learning_curves.panels`."""
    drawn = [*panels(history, metrics)]
    figure, places = sheet(len(drawn), width=4.0, height=2.9, columns=2 if len(drawn) == 4 else 3)
    for axes, curve in zip(places, drawn, strict=True):
        for split, (at, values) in curve.series.items():
            colour, marker = COLOURS[split == "validation"], "o" if len(values) <= 30 else None
            axes.plot(at, values, color=colour, label=split, lw=1.8, marker=marker, ms=3)
        if (best := curve.best) is not None:
            axes.plot(
                best["epoch"],
                best["value"],
                "o",
                ms=9,
                mfc="none",
                mec=COLOURS[1],
                mew=1.4,
                label=f"best: {best['value']:.4g}",
            )
        if curve.logarithmic:
            axes.set_yscale("log")
        axes.set_title(curve.title, loc="left")
        axes.set_xlabel("epoch")
        axes.xaxis.get_major_locator().set_params(integer=True)
        if curve.epochs == 1:
            axes.set_xlim(0.5, 1.5)
            axes.set_xticks([1])
        if not is_rate(curve.metric):
            axes.legend(frameon=False, fontsize=8)
    return figure
