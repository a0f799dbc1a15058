"""An end by the clock."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from typing import Any

import keras

UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


@keras.saving.register_keras_serializable("trainrun")
class TimeLimit(keras.callbacks.Callback):
    """Stop training after so much time, at the end of the step in which it runs out.

    The run then ends as if its epochs were over: validation of the last epoch, evaluation and saving still
    come.

    Args:
        limit: 30s, 10m, 1h30m, 2d, or a number of seconds; counted from the beginning of training.

    Raises:
        ValueError: `limit` is no duration.
    """

    def __init__(self, limit: str | float):
        super().__init__()
        self.limit = limit
        self.seconds = seconds(limit)
        self._until = float("inf")

    def on_train_begin(self, logs: Mapping[str, Any] | None = None) -> None:
        self._until = time.monotonic() + self.seconds

    def on_train_batch_end(self, batch: int, logs: Mapping[str, Any] | None = None) -> None:
        if time.monotonic() >= self._until:
            self.model.stop_training = True

    def on_epoch_end(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        self.on_train_batch_end(epoch)

    def get_config(self) -> dict[str, Any]:
        return {"limit": self.limit}


def seconds(limit: str | float) -> float:
    """Return the seconds of a duration.

    Args:
        limit: ``90``, ``90s``, ``10m``, ``1h30m``, ``1.5h``, ``2d``; more than zero.

    Raises:
        ValueError: it is none of these.

    Example:
        >>> seconds("1h30m")
        5400.0
    """
    text = str(limit).strip().lower().replace(" ", "")
    parts = re.findall(r"(\d+(?:\.\d+)?)([smhd])", text)
    if parts and "".join(number + unit for number, unit in parts) == text:
        total = sum(float(number) * UNITS[unit] for number, unit in parts)
    elif re.fullmatch(r"\d+(?:\.\d+)?", text):
        total = float(text)
    else:
        total = 0.0
    if isinstance(limit, bool) or total <= 0:
        raise ValueError(f"expected a duration such as 30s, 10m or 1h30m, more than zero; got {limit!r}.")
    return total
