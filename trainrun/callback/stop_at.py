"""An end by merit."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping
from typing import Any, Literal

import keras

# Parts of metrics' names by which `auto` knows that more is better.
RISING = ("acc", "auc", "precision", "recall", "f1", "fbeta", "iou", "ks", "r2", "specificity", "sensitivity")


@keras.saving.register_keras_serializable("trainrun")
class StopAt(keras.callbacks.Callback):
    """Stop at the end of the epoch in which a metric is good enough.

    Args:
        monitor: the metric's name in the logs, such as ``val_accuracy``.
        value: good enough: at least this (`max`), or at most this (`min`).
        mode: ``min``, ``max``, or ``auto``: by the metric's name.

    Raises:
        ValueError: `mode` is none of these.
    """

    def __init__(
        self, monitor: str = "val_loss", value: float = 0.1, mode: Literal["auto", "min", "max"] = "auto"
    ):
        super().__init__()
        if mode not in ("auto", "min", "max"):
            raise ValueError(f"mode is auto, min or max; got {mode!r}.")
        self.monitor = monitor
        self.value = value
        self.mode = mode
        rising = any(word in monitor.removeprefix("val_") for word in RISING)
        self._sign = 1.0 if mode == "max" or (mode == "auto" and rising) else -1.0
        self._seen = False

    def on_epoch_end(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        current = (logs or {}).get(self.monitor)
        if current is None:
            return  # an epoch without validation
        self._seen = True
        current = float(current)
        if math.isfinite(current) and self._sign * current >= self._sign * self.value:
            self.model.stop_training = True

    def on_train_end(self, logs: Mapping[str, Any] | None = None) -> None:
        if not self._seen:
            there = ", ".join(logs or {})
            warnings.warn(
                f"stop_at watched {self.monitor!r}, which never came; there is {there}.", stacklevel=2
            )

    def get_config(self) -> dict[str, Any]:
        return {"monitor": self.monitor, "value": self.value, "mode": self.mode}
