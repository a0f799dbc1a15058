"""The data of the learning curves: which metrics have a panel, their values by epoch, the best one, and the scale."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from trainrun.tracking import history as past
from trainrun.tracking.summary import best_epochs
from trainrun.util.rate_columns import is_rate

MOST = 12  # panels
WIDE = 50.0  # ratio of values beyond which an axis is logarithmic


@dataclass(frozen=True)
class LearningCurve:
    """One panel.

    Args:
        metric: without the prefix of its split.
        series: ``train`` and ``validation``, as far as there are any -> the epochs, from 1, and the values there.
        best: the best validation `value` and its `epoch`, or None.
        epochs: of the run.
    """

    metric: str
    series: Mapping[str, tuple[np.ndarray, np.ndarray]]
    best: Mapping[str, Any] | None
    epochs: int

    @property
    def title(self) -> str:
        """The metric in words."""
        return self.metric.replace("_", " ")

    @property
    def finite(self) -> np.ndarray:
        """The finite values of all series."""
        values = np.concatenate([values for _, values in self.series.values()])
        return values[np.isfinite(values)]

    @property
    def logarithmic(self) -> bool:
        """Whether its values suit a logarithmic axis."""
        values = self.finite
        wide = len(values) > 0 and values.min() > 0 and values.max() / values.min() > WIDE
        return bool(wide) and (self.metric == "loss" or is_rate(self.metric) or "error" in self.metric)


def panels(
    history: Mapping[str, Sequence[float]], metrics: Mapping[str, Any] | None = None
) -> Iterator[LearningCurve]:
    """Yield the panels: of the loss, each metric and, unless it is constant, the learning rate.

    Args:
        history: metric -> one number an epoch.
        metrics: the config's `metric` node, for the direction of each metric.
    """
    best = best_epochs(history, metrics)
    epochs = max(map(len, history.values()), default=0)
    names = past.metric_names(history)
    names = [n for n in names if not (is_rate(n) and len(set(history.get(n, ()))) == 1)]
    for metric in names[:MOST]:
        series = {}
        for split, name in (("train", metric), ("validation", f"val_{metric}")):
            values = np.asarray(history.get(name, ()), float)
            if len(values):
                # With validation every n epochs, its values belong to every n-th epoch.
                interval = max(epochs // len(values), 1) if split == "validation" else 1
                series[split] = np.arange(1, len(values) + 1) * interval, values
        yield LearningCurve(metric, series, best.get(f"val_{metric}"), epochs)
