"""Pictures of a run: learning curves, and what its predictions look like, by the kind of task.

Drawn with matplotlib's objects, not with pyplot: no global figure, no window, no state between runs.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from trainrun.artifacts import curves
from trainrun.artifacts.summary import best_epochs
from trainrun.ui import console

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from trainrun.data.dataset import Dataset, Split

FOLDER = "plots"
# Okabe and Ito's colours: told apart by colour-blind readers, too.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#5F5F5F", "#A6761D")
INK, FAINT, GOOD, BAD = "#222222", "#D9D9D9", "#009E73", "#C0392B"
MOST_PANELS, MOST_CURVES, MOST_POINTS, MOST_NAMES = 12, 10, 5000, 24


def write(
    run_dir: str | Path,
    history: Mapping[str, Sequence[float]],
    dataset: Dataset | None = None,
    split: Split | None = None,
    predictions: np.ndarray | None = None,
    part: str = "validation",
    warn: Callable[[str], None] = console.warn,
) -> list[Path]:
    """Draw what suits the task into `plots/`; a picture that fails costs one warning and nothing else.

    Args:
        run_dir: the run's directory.
        history: metric -> one number an epoch.
        dataset: what it was trained on; None: learning curves only.
        split: the examples predicted, `y` as in `TargetSpec`.
        predictions: of `split`, in its order: probabilities (binary `[n]` or `[n, 1]`, multiclass
            `[n, classes]`, multilabel `[n, labels]`, segmentation the same per pixel) or real numbers
            (`[n, outputs]`).
        part: what to call the split in titles.
        warn: says one line to the user.

    Returns:
        The files written.
    """
    # "building the font cache" is not for the terminal.
    logging.getLogger("matplotlib").setLevel(logging.ERROR)
    folder = Path(run_dir) / FOLDER
    written = []
    for name, draw in _wanted(history, dataset, split, predictions, part):
        try:
            folder.mkdir(parents=True, exist_ok=True)
            figure = draw()
            path = folder / f"{name}.png"
            figure.savefig(path, dpi=120, metadata={"Software": "trainrun"})
            written.append(path)
        except Exception as error:
            warn(f"plots/{name}.png was not drawn ({type(error).__name__}: {error}).")
    return written


def _wanted(
    history: Mapping[str, Sequence[float]],
    dataset: Dataset | None,
    split: Split | None,
    predictions: np.ndarray | None,
    part: str,
) -> Iterator[tuple[str, Callable[[], Figure]]]:
    if any(len(v) for v in history.values()):
        yield "curves", lambda: learning_curves(history)
    if dataset is None or split is None or predictions is None or not len(split):
        return
    target, y = dataset.target, split.y
    p = np.asarray(predictions, dtype=np.float64)
    image = next((i for i in dataset.inputs if i.kind == "image"), None)
    x = None if image is None else (split.x[image.name] if isinstance(split.x, dict) else split.x)
    names = target.classes or tuple(map(str, range(max(target.outputs, 2))))
    if target.kind == "real":
        yield "predicted_vs_true", lambda: predicted_vs_true(y, p, part)
        yield "residuals", lambda: residuals(y, p, part)
    elif target.kind in ("binary", "multiclass", "multilabel"):
        scores = curves.per_class(p, target.kind)
        if target.kind != "multilabel":
            yield "confusion_matrix", lambda: confusion_matrix(y, scores.argmax(-1), names, part)
        yield "roc", lambda: roc(y, scores, names, target.kind, part)
        yield "precision_recall", lambda: precision_recall(y, scores, names, target.kind, part)
        if x is not None and target.kind != "multilabel":
            if target.shape:
                yield "masks", lambda: masks(x, y, scores.argmax(-1), names, part)
            else:
                yield "images", lambda: images(x, y, scores, names, part)


def learning_curves(history: Mapping[str, Sequence[float]]) -> Figure:
    """One panel for the loss, each metric and the learning rate; training and validation in each."""
    bases = list(dict.fromkeys(n.removeprefix("val_") for n in history if len(history[n])))
    bases.sort(key=lambda n: (n != "loss", n == "learning_rate"))
    best = best_epochs(history)
    bases = [n for n in bases if n != "step"][:MOST_PANELS]
    figure, panels = sheet(len(bases), width=4.0, height=2.9, columns=2 if len(bases) == 4 else 3)
    epochs = max(len(v) for v in history.values())
    for axes, base in zip(panels, bases, strict=True):
        values = [
            (label, np.asarray(history[name], float), colour)
            for label, name, colour in (
                ("train", base, COLOURS[0]),
                ("validation", f"val_{base}", COLOURS[1]),
            )
            if len(history.get(name, ()))
        ]
        for label, series, colour in values:
            # Validation every n epochs: its values belong to every n-th.
            every = max(epochs // len(series), 1) if label == "validation" else 1
            at = np.arange(1, len(series) + 1) * every
            marker = "o" if len(series) <= 30 else None
            axes.plot(at, series, color=colour, label=label, lw=1.8, marker=marker, ms=3)
            top = best.get(f"val_{base}") if label == "validation" else None
            if top is not None:
                axes.plot(
                    top["epoch"],
                    top["value"],
                    "o",
                    ms=9,
                    mfc="none",
                    mec=colour,
                    mew=1.4,
                    label=f"best: {top['value']:.4g}",
                )
        numbers = np.concatenate([s[np.isfinite(s)] for _, s, _ in values])
        wide = numbers.size and numbers.min() > 0 and numbers.max() / numbers.min() > 50
        if wide and (base in ("loss", "learning_rate") or "error" in base):
            axes.set_yscale("log")
        axes.set_title(base.replace("_", " "), loc="left")
        axes.set_xlabel("epoch")
        axes.xaxis.get_major_locator().set_params(integer=True)
        if epochs == 1:
            axes.set_xlim(0.5, 1.5)
            axes.set_xticks([1])
        if base != "learning_rate":
            axes.legend(frameon=False, fontsize=8)
    return figure


def confusion_matrix(y: np.ndarray, guess: np.ndarray, names: Sequence[str], part: str) -> Figure:
    """Counts of true against predicted class; the colour is the share of the true class."""
    size = len(names)
    counts = curves.confusion(y, guess, size)
    share = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    side = min(max(0.38 * size + 2.2, 4.2), 11)
    figure, (axes,) = sheet(1, width=side + 0.6, height=side)
    shown = axes.imshow(share, cmap="Blues", vmin=0, vmax=1)
    if size <= MOST_NAMES:
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
    right = np.trace(counts) / max(counts.sum(), 1)
    axes.set_title(f"{part}: {right:.1%} of {counts.sum():,} right", loc="left")
    axes.grid(False)
    bar = figure.colorbar(shown, ax=axes, fraction=0.046, pad=0.03)
    bar.set_label("share of the true class", size=9, color=INK)
    bar.ax.tick_params(labelsize=8, colors="#444444", length=3)
    bar.outline.set_visible(False)
    return figure


def roc(y: np.ndarray, scores: np.ndarray, names: Sequence[str], kind: str, part: str) -> Figure:
    """True against false positive rate; with several classes, each against the rest."""
    figure, (axes,) = sheet(1, width=5.4, height=4.8)
    axes.plot([0, 1], [0, 1], color=FAINT, lw=1.2, zorder=1)
    drawn = []
    for name, labels, score in curves.against_the_rest(y, scores, names, kind):
        fpr, tpr = curves.roc(labels, score)
        drawn.append((f"{name}: {curves.area(fpr, tpr):.3f}", *_thin(fpr, tpr)))
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
        recall, precision = curves.precision_recall(labels, score)
        average = float(np.sum(np.diff(recall) * precision[1:]))
        drawn.append((f"{name}: {average:.3f}", *_thin(recall, precision)))
        if kind == "binary":
            axes.axhline(labels.mean(), color=FAINT, lw=1.2, zorder=1)
    _draw_curves(axes, drawn, "average precision", drawstyle="steps-pre")
    axes.set(xlabel="recall", ylabel="precision", xlim=(-0.02, 1.02), ylim=(-0.02, 1.02))
    axes.set_title(f"precision and recall, {part}", loc="left")
    return figure


def predicted_vs_true(y: np.ndarray, p: np.ndarray, part: str) -> Figure:
    """Each prediction against its true value; on the line they are equal."""
    y, p = _two_columns(y, p)
    figure, panels = sheet(min(y.shape[1], 6), width=5.0, height=4.6)
    for i, axes in enumerate(panels):
        true, guess = sample(y[:, i], p[:, i])
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
    """What is left over: against the prediction, and its distribution."""
    y, p = _two_columns(y, p)
    left = p - y
    figure, (scatter, histogram) = sheet(2, width=4.8, height=4.0)
    for i in range(min(y.shape[1], len(COLOURS))):
        guess, rest = sample(p[:, i], left[:, i])
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


def images(x: np.ndarray, y: np.ndarray, scores: np.ndarray, names: Sequence[str], part: str) -> Figure:
    """The first examples, then the mistakes the model is surest of: true label, and predicted if another."""
    columns, guess = 8, scores.argmax(-1).ravel()
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
    shown += f", then the {len(wrong)} surest mistakes (true → predicted)" if len(wrong) else "; no mistakes"
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


# The look of it.


def sheet(n: int, width: float, height: float, columns: int = 3) -> tuple[Figure, list[Axes]]:
    """Return a figure and `n` panels in our look, `columns` in a row, each `width` by `height` inches."""
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
        axes.set_title("", loc="left", color=INK)  # what is set later keeps the colour
    return figure, panels


def _draw_curves(axes: Axes, drawn: Sequence[tuple[str, Any, Any]], title: str, drawstyle: str) -> None:
    """Draw named curves; of very many, only some are told apart."""
    if not drawn:
        axes.text(0.5, 0.5, "only one class among the examples", ha="center", va="center", color="#777777")
    for i, (label, across, up) in enumerate(drawn):
        named = i < MOST_CURVES
        colour = COLOURS[i % len(COLOURS)] if named else "#BBBBBB"
        style = "-" if i < len(COLOURS) else "--"
        axes.plot(across, up, style, color=colour, lw=1.7 if named else 0.8, label=label if named else None,
                  drawstyle=drawstyle, zorder=3 if named else 2)  # fmt: skip
    if drawn:
        more = f" ({len(drawn) - MOST_CURVES} more in grey)" if len(drawn) > MOST_CURVES else ""
        axes.legend(frameon=False, fontsize=8, title=title + more, title_fontsize=8, alignment="left")


def _picture(axes: Axes, image: np.ndarray) -> None:
    image = np.asarray(image, dtype=np.float64)
    low, high = np.nanmin(image), np.nanmax(image)
    image = (image - low) / (high - low or 1.0)  # standardized or not: what matters is what is on it
    if image.ndim == 3 and image.shape[-1] not in (3, 4):
        image = image[..., 0]
    axes.imshow(image, cmap="gray", vmin=0, vmax=1, interpolation="nearest")


def _two_columns(y: np.ndarray, p: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return true and predicted values as `[n, outputs]`, examples that are not finite left out."""
    y = np.asarray(y, dtype=np.float64).reshape(len(y), -1)
    p = np.asarray(p, dtype=np.float64).reshape(len(y), -1)
    finite = np.isfinite(p).all(axis=1) & np.isfinite(y).all(axis=1)
    if not finite.any():
        raise ValueError("no prediction is a finite number")
    return y[finite], p[finite]


def sample(*columns: np.ndarray) -> list[np.ndarray]:
    """Return at most `MOST_POINTS` of the points, evenly taken."""
    step = max(len(columns[0]) // MOST_POINTS, 1)
    return [c[::step] for c in columns]


def _thin(across: np.ndarray, up: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    if len(across) <= MOST_POINTS:
        return across, up
    keep = np.unique(np.linspace(0, len(across) - 1, MOST_POINTS).astype(int))
    return across[keep], up[keep]
