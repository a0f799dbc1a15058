"""Validation of the averaged weights, which `artifacts.weights=ema` makes the model of a run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
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

    def averages(self) -> Sequence[tuple[Any, Any]]:
        """Return variables of the model, each with its average."""
        optimizer = self.model.optimizer
        # mixed_float16: inside a LossScaleOptimizer.
        inner = optimizer if optimizer.use_ema else getattr(optimizer, "inner_optimizer", optimizer)
        return keras_optimizer_private.averaged_variables(inner)

    @contextmanager
    def averaged(self) -> Iterator[None]:
        """Give the model the averages inside the `with`."""
        self.on_test_begin()
        try:
            yield
        finally:
            self.on_test_end()

    def on_test_begin(self, logs: Mapping[str, Any] | None = None) -> None:
        pairs = self.averages()
        self._trained = [(variable, keras.ops.convert_to_numpy(variable)) for variable, _ in pairs]
        for variable, average in pairs:
            variable.assign(average)

    def on_test_end(self, logs: Mapping[str, Any] | None = None) -> None:
        for variable, value in self._trained:
            variable.assign(value)
        self._trained = []
