"""The direction (`min` or `max`) of a monitored metric, for callbacks with `mode="auto"`."""

from __future__ import annotations

from typing import Any

from trainrun.compat import keras_metric_private

MODES = ("auto", "min", "max")


def checked(mode: str) -> str:
    """Return the mode.

    Raises:
        ValueError: it is not auto, min or max.
    """
    if mode not in MODES:
        raise ValueError(f"mode: expected auto, min or max, got {mode!r}.")
    return mode


def sign(model: Any, monitor: str, mode: str, callback: str) -> float:
    """Return 1.0 if a higher value is better and -1.0 if a lower one is.

    Args:
        model: compiled; its metrics declare their direction.
        monitor: name of the metric in the logs, such as ``val_accuracy``.
        mode: ``min``, ``max``, or ``auto``: as the metric declares.
        callback: name of the callback, for the message.

    Raises:
        ValueError: `mode` is ``auto``, and the metric declares no direction.
    """
    if mode == "auto":
        mode = keras_metric_private.direction_of_monitored(model, monitor)
    if mode is None:
        raise ValueError(
            f"nothing declares which way {monitor} is better; set {callback}.mode to min or max, or have the metric "
            'declare its direction: register("metric", …, direction="max").'
        )
    return 1.0 if mode == "max" else -1.0
