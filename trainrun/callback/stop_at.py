"""An end by merit."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping
from typing import Any

import keras

from trainrun.callback import _monitor
from trainrun.util.arguments import Mode
from trainrun.util.declarations import declare


@declare(reads_weights=False, changes_only_variables=True)
@keras.saving.register_keras_serializable("trainrun")
class StopAt(keras.callbacks.Callback):
    """Stop at the end of the epoch in which a metric is good enough.

    Args:
        monitor: the metric's name in the logs, such as ``val_accuracy``.
        value: good enough: at least this (`max`), or at most this (`min`).
        mode: ``min``, ``max``, or ``auto``: as the metric declares.

    Raises:
        ValueError: `mode` is none of these, or (at the first epoch's end) is ``auto`` for a metric that declares nothing.
    """

    def __init__(self, monitor: str = "val_loss", value: float = 0.1, mode: Mode = "auto"):
        super().__init__()
        self.monitor = monitor
        self.value = value
        self.mode = _monitor.checked(mode)
        self._seen = False

    def on_epoch_end(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        current = (logs or {}).get(self.monitor)
        if current is None:
            return  # an epoch without validation
        self._seen = True
        current = float(current)
        sign = _monitor.sign(self.model, self.monitor, self.mode, "stop_at")
        if math.isfinite(current) and sign * current >= sign * self.value:
            self.model.stop_training = True

    def on_train_end(self, logs: Mapping[str, Any] | None = None) -> None:
        if not self._seen:
            there = ", ".join(logs or {})
            warnings.warn(
                f"stop_at watched {self.monitor!r}, which never came; there is {there}.", stacklevel=2
            )

    def get_config(self) -> dict[str, Any]:
        return {"monitor": self.monitor, "value": self.value, "mode": self.mode}
