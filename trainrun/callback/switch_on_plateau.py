"""Switch `adam_then_sgd` to its second optimizer when a metric stops improving."""

from __future__ import annotations

import math
from typing import Any

import keras

from trainrun.callback import _monitor
from trainrun.util.arguments import Index, Mode, NotNegative


@keras.saving.register_keras_serializable("trainrun")
class SwitchOnPlateau(keras.callbacks.Callback):
    """Call the optimizer's `switch()` once `monitor` has not improved for `patience` epochs.

    Args:
        monitor: name of the metric in the logs; default ``val_loss``.
        min_delta: smallest change that counts as an improvement, at least 0; default 0.
        patience: number of epochs without improvement before the switch, at least 1; default 5.
        mode: ``min``, ``max``, or ``auto``, the default: as the metric declares.

    Raises:
        ValueError: an argument is out of range, the optimizer has no `switch()`, `monitor` is not logged, or `mode` is
            `auto` and the metric declares no direction.
    """

    def __init__(
        self,
        monitor: str = "val_loss",
        min_delta: NotNegative = 0.0,
        patience: Index = 5,
        mode: Mode = "auto",
    ):
        super().__init__()
        if patience < 1 or min_delta < 0:
            raise ValueError(
                f"patience must be at least 1 and min_delta at least 0; got {patience}, {min_delta}."
            )
        self.monitor = monitor
        self.min_delta = min_delta
        self.patience = patience
        self.mode = _monitor.checked(mode)
        self._reset()

    def _reset(self) -> None:
        self.best = -math.inf
        self.wait = 0
        self.switched_epoch: int | None = None

    def _optimizer(self) -> Any:
        # Mixed precision wraps the optimizer.
        optimizer = self.model.optimizer
        optimizer = getattr(optimizer, "inner_optimizer", optimizer)
        if not hasattr(optimizer, "switch"):
            raise ValueError(
                f"switch_on_plateau needs an optimizer with a method `switch`; {type(optimizer).__name__} has none. "
                "Set optimizer=adam_then_sgd optimizer.switch_at=null."
            )
        return optimizer

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        self._optimizer()
        self._reset()

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        if self.switched_epoch is not None:
            return
        logs = logs or {}
        if self.monitor not in logs:
            raise ValueError(
                f"switch_on_plateau monitors {self.monitor}, which is not logged; logged are {', '.join(logs)}."
            )
        sign = _monitor.sign(self.model, self.monitor, self.mode, "switch_on_plateau")
        value = sign * float(logs[self.monitor])
        if math.isnan(value):
            return  # undefined in this epoch, as an area under a curve is with one class
        if value > self.best + self.min_delta:
            self.best, self.wait = value, 0
            return
        self.wait += 1
        if self.wait >= self.patience:
            self._optimizer().switch()
            self.switched_epoch = epoch

    def get_config(self) -> dict[str, Any]:
        return {
            "monitor": self.monitor,
            "min_delta": self.min_delta,
            "patience": self.patience,
            "mode": self.mode,
        }
