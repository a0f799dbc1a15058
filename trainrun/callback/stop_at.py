"""Early stopping at a target value of a metric."""

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
    """Stop training at the end of the epoch in which a metric reaches a target value.

    Args:
        monitor: name of the metric in the logs; default ``val_loss``.
        value: the target value, in the metric's unit: training stops at this value or a better one. Default 0.1.
        mode: ``min`` (stop at or below the value), ``max`` (at or above), or ``auto``, the default: as the metric declares.

    Raises:
        ValueError: `mode` is none of these, or it is ``auto`` and the metric declares no direction (raised at the end of the
            first epoch).
    """

    def __init__(self, monitor: str = "val_loss", value: float = 0.1, mode: Mode = "auto"):
        super().__init__()
        self.monitor = monitor
        self.value = value
        self.mode = _monitor.checked(mode)
        self._seen = False  # whether `monitor` was logged; the name is part of checkpoints

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
            warnings.warn(
                f"stop_at monitors {self.monitor}, which was never logged; logged were {', '.join(logs or {})}.",
                stacklevel=2,
            )

    def get_config(self) -> dict[str, Any]:
        return {"monitor": self.monitor, "value": self.value, "mode": self.mode}
