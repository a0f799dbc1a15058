"""Scalar weights as columns of the logs."""

from __future__ import annotations

from typing import Any

import keras

from trainrun.util.declarations import declare


@declare(adds_columns=True)
class WeightLogger(keras.callbacks.Callback):
    """Add every scalar weight to the logs of each epoch and step, under its name.

    For models with interpretable weights, such as the x of `model=quadratic`.
    """

    coarse = True  # one call after several steps is sufficient

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        self.on_epoch_end(batch, logs)

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        if logs is None:
            return
        for weight in self.model.weights:
            if weight.shape == ():
                logs[weight.name] = float(weight.numpy())
