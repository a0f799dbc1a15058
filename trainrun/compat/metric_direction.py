"""Keras' own metadata of which way a metric is better, `_direction`, which its callbacks with `mode="auto"` read.

Checked with Keras 3.15.1: ``up``, ``down``, or no such attribute. `tests/metric/test_direction.py` compares it with our table.
"""

from __future__ import annotations

from typing import Any

ATTRIBUTE = "_direction"
WAYS = {"up": "max", "down": "min"}


def read(metric: Any) -> str | None:
    """Return ``min``, ``max``, or None where the metric does not say."""
    return WAYS.get(getattr(metric, ATTRIBUTE, None))


def write(metric: Any, direction: str) -> None:
    """Have a metric say which way it is better.

    Args:
        metric: a Keras metric.
        direction: ``min`` or ``max``.
    """
    setattr(metric, ATTRIBUTE, next(theirs for theirs, ours in WAYS.items() if ours == direction))


def of_monitored(model: Any, monitor: str) -> str | None:
    """Return which way a monitored value of a model is better, as Keras' own callbacks find it out.

    Args:
        model: compiled.
        monitor: the name in the logs, such as ``val_accuracy``.
    """
    name = monitor.removeprefix("val_")
    if name == "loss":
        return "min"
    for group in getattr(model, "metrics", ()):
        for metric in (group, *getattr(group, "metrics", ())):
            if metric.name == name and (direction := read(metric)):
                return direction
    return None
