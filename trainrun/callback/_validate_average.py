"""Validation of the averaged weights, which `artifacts.weights=ema` makes the model of a run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras

from trainrun.compat import keras_optimizer_private
from trainrun.util.declarations import declare


@declare(reads_weights=False)
class ValidateAverage(keras.callbacks.Callback):
    """Give the model the moving average of its weights while it is validated, and then back its own, to the bit.

    Keras' SwapEMAWeights swaps by sums and differences, whose rounding changes the weights that are trained.
    """

    def __init__(self) -> None:
        super().__init__()
        self._trained: list[tuple[Any, Any]] = []

    def on_test_begin(self, logs: Mapping[str, Any] | None = None) -> None:
        optimizer = self.model.optimizer
        # mixed_float16: inside a LossScaleOptimizer.
        inner = optimizer if optimizer.use_ema else getattr(optimizer, "inner_optimizer", optimizer)
        pairs = keras_optimizer_private.averaged_variables(inner)
        self._trained = [(variable, keras.ops.convert_to_numpy(variable)) for variable, _ in pairs]
        for variable, average in pairs:
            variable.assign(average)

    def on_test_end(self, logs: Mapping[str, Any] | None = None) -> None:
        for variable, value in self._trained:
            variable.assign(value)
        self._trained = []
