"""The learning curves of several runs over one another, as a picture."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path

from trainrun.artifacts.figure_style import COLOURS, sheet
from trainrun.artifacts.learning_curves import panels
from trainrun.tracking import history as past
from trainrun.util import paths


def write(path: Path, runs: Mapping[str, Mapping[str, Sequence[float]]]) -> Path:
    """Draw a panel for each metric that a run has: validation solid, training thin.

    Args:
        path: of the picture; its ending is one that matplotlib writes: ``.png``, ``.svg``, ``.pdf``.
        runs: name of each run -> its history: name -> one value an epoch.

    Raises:
        ValueError: matplotlib does not write such files.
    """
    logging.getLogger("matplotlib").setLevel(logging.ERROR)
    drawn = {name: {curve.metric: curve for curve in panels(history)} for name, history in runs.items()}
    metrics = [
        m
        for m in past.metric_names({k: v for h in runs.values() for k, v in h.items()})
        if any(m in d for d in drawn.values())
    ]
    figure, places = sheet(max(len(metrics), 1), width=4.0, height=2.9, columns=2 if len(metrics) == 4 else 3)
    for axes, metric in zip(places, metrics, strict=False):
        shown = [(i, name, of[metric]) for i, (name, of) in enumerate(drawn.items()) if metric in of]
        for i, name, curve in shown:
            for split, (at, values) in curve.series.items():
                first = split == [*curve.series][-1]
                axes.plot(at, values, color=COLOURS[i % len(COLOURS)], lw=1.8 if first else 0.8, alpha=1 if first else 0.6,
                          marker="o" if len(values) <= 30 and first else None, ms=3, label=name if first else None)  # fmt: skip
        if all(curve.logarithmic for _, _, curve in shown):
            axes.set_yscale("log")
        axes.set_title(shown[0][2].title, loc="left")
        axes.set_xlabel("epoch")
        axes.xaxis.get_major_locator().set_params(integer=True)
    splits = {split for of in drawn.values() for curve in of.values() for split in curve.series}
    if metrics:
        title = "thick: validation, thin: training" if len(splits) > 1 else None
        places[0].legend(frameon=False, fontsize=8, title=title, title_fontsize=8)
    with paths.whole(path) as new:
        figure.savefig(new, format=path.suffix[1:] or "png", dpi=120)
    return path
