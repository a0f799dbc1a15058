"""Keras' metadata of whether a metric is better when it is larger or smaller: the attribute `_direction`.

Checked with Keras 3.15.1: ``up``, ``down``, or no such attribute. `tests/metric/test_direction.py` compares it with trainrun's table.
Without it, Keras' callbacks with `mode="auto"` ask for a mode.
"""

from __future__ import annotations

import re
from typing import Any

ATTRIBUTE = "_direction"
DIRECTIONS = {"up": "max", "down": "min"}


def direction(metric: Any) -> str | None:
    """Return ``min``, ``max``, or None if the metric has no direction.

    For: trainrun's callbacks with `mode="auto"`. Public API: none. Checked: Keras 3.15.1. Missing: None.
    """
    return DIRECTIONS.get(getattr(metric, ATTRIBUTE, None))


def set_direction(metric: Any, direction: str) -> None:
    """Set the direction of a metric.

    For: metrics of trainrun and of plug-ins: Keras' EarlyStopping and ReduceLROnPlateau read their declared direction.
    Public API: none. Checked: Keras 3.15.1. Missing: these callbacks ask for a mode.

    Args:
        metric: a Keras metric.
        direction: ``min`` or ``max``.
    """
    setattr(metric, ATTRIBUTE, next(name for name, ours in DIRECTIONS.items() if ours == direction))


def copy_direction(metric: Any, onto: Any) -> None:
    """Copy the direction of the metric inside to its wrapper, if it has one.

    For and public API: see `set_direction`. Checked: Keras 3.15.1. Missing: nothing is copied.

    Args:
        metric: the inner one.
        onto: the outer one, changed in place.
    """
    if hasattr(metric, ATTRIBUTE):
        setattr(onto, ATTRIBUTE, getattr(metric, ATTRIBUTE))


def direction_of_monitored(model: Any, monitor: str) -> str | None:
    """Return the direction of a monitored value of a model, as Keras' own callbacks determine it.

    For: trainrun's callbacks with `mode="auto"`. Public API: none. Checked: Keras 3.15.1. Missing: None.

    Args:
        model: compiled.
        monitor: the name in the logs, such as ``val_accuracy``.
    """
    name = re.sub(r"^val(\.[A-Za-z0-9]+)?_", "", monitor)
    if name == "loss":
        return "min"
    for group in getattr(model, "metrics", ()):
        for metric in (group, *getattr(group, "metrics", ())):
            if metric.name == name and (of_metric := direction(metric)):
                return of_metric
    return None


def exchange_function(metric: Any, function: Any) -> Any:
    """Replace the function inside a `MeanMetricWrapper`; return the former one.

    For: looking at what a user's function returns for a few examples, before training.
    Public API: none. Checked: Keras 3.15.1. Missing: AttributeError before training.

    Args:
        metric: a `keras.metrics.MeanMetricWrapper`.
        function: of `y_true` and `y_pred`.
    """
    former, metric._fn = metric._fn, function
    return former
