"""Single weights among the metrics."""

from __future__ import annotations

from typing import Any

import keras

from trainrun.util.declarations import declare


@declare(adds_columns=True)
class WeightLogger(keras.callbacks.Callback):
    """Add every weight that is a single number to the logs of each epoch, by its name.

    For models whose weights mean something by themselves: `model=quadratic`'s x, the slope of a line.
    """

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        if logs is None:
            return
        for weight in self.model.weights:
            if weight.shape == ():
                logs[weight.name] = float(weight.numpy())
